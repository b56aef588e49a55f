"""Whether a rule pack is well formed, before it takes effect: what `passerelle policy check` prints."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from passerelle_policies.cells import Cell, Cells, cells_of
from passerelle_policies.faults import Fault, fault
from passerelle_policies.matrix import Concealment
from passerelle_policies.packs import Pack, Value
from passerelle_policies.reachability import unreachable_lines
from passerelle_policies.roles import PROFESSIONAL_ROLES
from passerelle_policies.vocabulary import Action, Kind, Mode, Relation, Role
from passerelle_policies.words import ACT_WORDS

_CREATION = frozenset({Action.PUBLISH})
_OF_NO_PATIENT = frozenset({Kind.RECALL, Kind.BOARD, Kind.BOARD_SESSION, Kind.BOARD_ACTIVITY, Kind.EXCHANGE})
_OF_A_PATIENT = frozenset(Kind) - {Kind.PATIENT} - _OF_NO_PATIENT
_BLIND_ROLES = frozenset({Role.ESTABLISHMENT, Role.SYSTEM})  # act on what they filed or on a timer, read nothing

NEEDED: dict[str, type[Value]] = {
    "attending_physician.reads_journal": bool,
    "attending_physician.sees_masked": bool,
    "author.unmasks": bool,
    "block.stops_feeding": bool,
    "block.yields_to_regulation_centre": bool,
    "board.quorum.counts_videoconference": bool,
    "board.quorum.paediatric.different_specialties": int,
    "board.quorum.paediatric.required": str,
    "board.quorum.rare_cancers.different_specialties": int,
    "board.quorum.rare_cancers.required": str,
    "board.quorum.recourse.different_specialties": int,
    "board.quorum.recourse.required": str,
    "board.quorum.standard.different_specialties": int,
    "board.quorum.standard.required": str,
    "board.quorum.standard_haematology.different_specialties": int,
    "board.quorum.standard_haematology.required": str,
    "break_glass.minutes": int,
    "break_glass.offered": bool,
    "break_glass.review_days": int,
    "care_team.requires_consent": bool,
    "documents.default_window_months": int,
    "documents.max_bytes": int,
    "documents.page_size_default": int,
    "documents.page_size_max": int,
    "dossier.erasure_grace_days": int,
    "dossier.objection_days": int,
    "dossier.purge_on_request_months": int,
    "dossier.retention_years": int,
    "dossier.suspension_days": int,
    "export.per_day": int,
    "feeding.requires_status": str,
    "heirs.may_ask": bool,
    "heirs.years": int,
    "hidden_from_patient.notice_days": int,
    "hidden_from_patient.visible_months": int,
    "journal.retention_years": int,
    "journal.same_reading_minutes": int,
    "journal.seal_late_seconds": int,
    "journal.seal_seconds": int,
    "majority.years": int,
    "notices.newcomer_days": int,
    "patient_lookup.minimum_traits": int,
    "patient_lookup.per_hour": int,
    "pharmacy.objection_days": int,
    "pharmacy.objection_months": int,
    "pharmacy.objection_trace_years": int,
    "pharmacy.storage_months.biologic": int,
    "pharmacy.storage_months.device": int,
    "pharmacy.storage_months.medicine": int,
    "pharmacy.storage_months.vaccine": int,
    "pharmacy.window_months.biologic": int,
    "pharmacy.window_months.device": int,
    "pharmacy.window_months.medicine": int,
    "pharmacy.window_months.vaccine": int,
    "regulation_centre.offered": bool,
    "visibility.shown_is_final": bool,
}

CHOSEN: dict[str, type[Value]] = {
    "activity.period_months": int,
    "activity.small_count": int,
    "allergies.document_types": str,
    "allergies.documents_max": int,
    "authorizations.max": int,
    "care_team.members_max": int,
    "checks.assumed_treatment_days": int,
    "checks.basket_max": int,
    "checks.class_atc_level": int,
    "checks.history_lines_max": int,
    "checks.renewal_tolerance_days": int,
    "equivalents.imaging_days": int,
    "equivalents.laboratory_days": int,
    "equivalents.listed_max": int,
    "federation.budget_milliseconds": int,
    "federation.copy_hours": int,
    "federation.copy_octets": int,
    "federation.question_seconds": int,
    "federation.away_seconds": int,
    "federation.envelope_hours": int,
    "federation.heartbeat_seconds": int,
    "federation.key_grace_hours": int,
    "federation.later_seconds_max": int,
    "federation.later_tries": int,
    "federation.retry_seconds": int,
    "federation.retry_seconds_max": int,
    "federation.window": int,
    "medicines.alternatives_max": int,
    "medicines.search_letters_min": int,
    "oncology.aftercare_days_max": int,
    "oncology.aftercare_reminder_days": int,
    "oncology.aftercare_steps_max": int,
    "oncology.aftercare_years_max": int,
    "oncology.attachments_max": int,
    "oncology.attendance_hours": int,
    "oncology.calendar_days_max": int,
    "oncology.feed_past_days": int,
    "oncology.feed_per_hour": int,
    "oncology.forecast_experts_max": int,
    "oncology.members_max": int,
    "oncology.plan_lines_max": int,
    "oncology.plans_max": int,
    "oncology.recourse_max_bytes": int,
    "oncology.results_max": int,
    "oncology.series_horizon_days": int,
    "oncology.series_sessions_max": int,
    "oncology.session_cases_max": int,
    "oncology.session_closes_days": int,
    "oncology.session_opens_days": int,
    "oncology.sheet_items_max": int,
    "oversight.day_patients": int,
    "oversight.emergencies": int,
    "oversight.habit_days": int,
    "oversight.night_from": int,
    "oversight.night_habit": int,
    "oversight.night_patients": int,
    "oversight.night_until": int,
    "oversight.period_days": int,
    "oversight.ratio": int,
    "oversight.readers": int,
    "oversight.refusals": int,
    "pharmacy.care_days": int,
    "pharmacy.dispensations_max": int,
    "pharmacy.lines_max": int,
    "pharmacy.presence_minutes": int,
    "recall.standard_hours": int,
    "recall.urgent_blocks_dispensing": bool,
    "recall.urgent_hours": int,
    "subscriptions.check_seconds": int,
}
"""What only the operator chooses (`operator.toml`)."""

_KINDS: dict[type[Value], str] = {bool: "oui ou non", int: "un nombre entier", str: "un mot"}


def check_pack(pack: Pack) -> list[Fault]:
    """What is wrong with `pack`; nothing when it may take effect."""
    cells = {line.rule: cells_of(pack, line) for line in pack.lines}
    return [
        *_parameters(pack),
        *_shapes(pack),
        *unreachable_lines(pack, cells),
        *_acts_without_sight(pack, cells),
        *_reading_without_relation(pack),
        *_uncovered_types(pack, cells),
        *_unexplained(pack),
        *_acts_of_nobody(pack),
        *_unnamed_acts(),
    ]


def _parameters(pack: Pack) -> Iterator[Fault]:
    needed = NEEDED | CHOSEN
    for name, kind in needed.items():
        parameter = pack.parameters.get(name)
        if parameter is None:
            yield fault("PARAMETER_MISSING", name)
        elif type(parameter.value) is not kind:
            yield fault("PARAMETER_TYPE", name, needed=_KINDS[kind])
    for parameter in pack.parameters.values():
        if parameter.name not in needed:
            yield fault("PARAMETER_UNREAD", parameter.name)
        if parameter.effective > pack.effective:
            yield fault("PARAMETER_LATE", parameter.name)
        if not parameter.source.strip() or not parameter.meaning.strip():
            yield fault("PARAMETER_UNSOURCED", parameter.name)


def _shapes(pack: Pack) -> Iterator[Fault]:
    used: set[str] = set()
    for line in pack.lines:
        used.update(line.types)
        if not line.roles or not line.relations or not line.actions or not line.modes:
            yield fault("CELL_EMPTY", line.rule)
        if (line.kind is Kind.DOCUMENT) != bool(line.types):
            yield fault("TYPES_MISPLACED", line.rule)
        if line.kind is Kind.DOCUMENT and not line.needs_open_dossier:
            yield fault("DOSSIER_NOT_REQUIRED", line.rule)
        if Role.OTHER in line.roles:
            yield fault("ROLE_WITHOUT_QUALITY", line.rule)
        for term in line.types:
            if term not in pack.groups and term not in pack.dmp_types:
                yield fault("TYPE_UNKNOWN", line.rule, term=term)
    for group in pack.groups:
        if group.startswith("group:") and group not in used:
            yield fault("GROUP_UNUSED", group)


_SEEN = itemgetter(0, 1, 3, 5, 6, 7, 8)
"""Of a cell, all but the setting and the action."""


def _acts_without_sight(pack: Pack, cells: Cells) -> Iterator[Fault]:
    """Whoever may act on an existing document may also read it, or its existence would leak."""
    seen: set[tuple[str, ...]] = set()
    acts: dict[str, set[tuple[str, ...]]] = {}
    denied: set[Cell] = set()
    for line in pack.lines:
        if line.kind is Kind.DOCUMENT and line.effect == "deny":
            denied |= cells[line.rule]
    for line in pack.lines:
        if line.kind is not Kind.DOCUMENT or line.effect == "deny" or line.actions <= _CREATION:
            continue
        for cell in cells[line.rule] - denied:
            if cell.action == Action.READ:
                seen.add(_SEEN(cell))
            elif cell.action not in _CREATION and cell.role not in _BLIND_ROLES:
                acts.setdefault(line.rule, set()).add(_SEEN(cell))
    citizen_author = (Role.PERSON.value, Relation.AUTHOR.value)
    for rule, these in acts.items():
        blind = {cell for cell in these - seen if cell[:2] != citizen_author}
        if blind:
            yield fault("ACT_WITHOUT_SIGHT", rule, example=", ".join(min(blind)))


def _reading_without_relation(pack: Pack) -> Iterator[Fault]:
    for line in pack.lines:
        reads = line.kind in _OF_A_PATIENT
        if (
            line.effect == "allow"
            and reads
            and Action.READ in line.actions
            and Mode.NORMAL in line.modes
            and Relation.NONE in line.relations
        ):
            yield fault("READS_WITHOUT_RELATION", line.rule)


def _uncovered_types(pack: Pack, cells: Cells) -> Iterator[Fault]:
    """Types that nobody reads or publishes in normal mode, exceptions taken off and sleeping lines left asleep."""
    allowed: set[Cell] = set()
    denied: set[Cell] = set()
    for line in pack.lines:
        if line.kind is Kind.DOCUMENT and Mode.NORMAL in line.modes and line.actions & {Action.READ, Action.PUBLISH}:
            if line.effect == "deny":
                denied |= cells[line.rule]
            elif not line.when:
                allowed |= cells[line.rule]
    left = [cell for cell in allowed - denied if (cell.mode, cell.concealment) == (Mode.NORMAL, Concealment.PLAIN)]
    reading = [cell for cell in left if cell.action == Action.READ]
    for code, covered in (
        ("TYPE_READ_BY_NOBODY", {cell.type for cell in reading if cell.role in PROFESSIONAL_ROLES}),
        ("TYPE_NOT_READ_BY_PATIENT", {cell.type for cell in reading if cell.relation == Relation.PATIENT}),
        ("TYPE_PUBLISHED_BY_NOBODY", {cell.type for cell in left if cell.action == Action.PUBLISH}),
    ):
        for type_code in sorted(pack.dmp_types - covered):
            yield fault(code, type_code)


def _unexplained(pack: Pack) -> Iterator[Fault]:
    """A line that lets in says so to both readers; one that takes away says nothing of its own to the refused."""
    for line in pack.lines:
        if line.effect == "allow" and not line.to_professional:
            yield fault("LINE_UNEXPLAINED", line.rule)
        if line.effect == "deny" and line.to_professional:
            yield fault("REFUSED_IS_TOLD", line.rule)


def _acts_of_nobody(pack: Pack) -> Iterator[Fault]:
    """Every act that is ever asked is somebody's, or the pack says that it is nobody's."""
    somebody = {(line.kind, action) for line in pack.lines if line.effect == "allow" for action in line.actions}
    for act, said in ACT_WORDS.items():
        if act in pack.nobody and act in somebody:
            yield fault("ACT_OF_SOMEBODY", said)
        elif act not in pack.nobody and act not in somebody:
            yield fault("ACT_OF_NOBODY", said)


def _unnamed_acts() -> Iterator[Fault]:
    """An action without a French name is one that no case asks and no reader is told of."""
    named = {action for _, action in ACT_WORDS}
    for action in Action:
        if action not in named:
            yield fault("ACT_UNNAMED", action)
