"""Whether a rule pack is well formed, before it takes effect: what `passerelle policy check` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TypeAlias

from passerelle_policies.matrix import Line
from passerelle_policies.packs import Pack, Value
from passerelle_policies.roles import PROFESSIONAL_ROLES
from passerelle_policies.vocabulary import Action, Kind, Mode, Relation, Role

_Cell: TypeAlias = tuple[str, ...]
_Cells: TypeAlias = Mapping[str, set[_Cell]]
_TYPE = 5  # where a cell names the document type

_CREATION = frozenset({Action.PUBLISH})
_BLIND_ROLES = frozenset({Role.ESTABLISHMENT, Role.SYSTEM})  # act on what they filed or on a timer, read nothing

NEEDED: dict[str, type[Value]] = {
    "attending_physician.reads_journal": bool,
    "attending_physician.sees_masked": bool,
    "author.unmasks": bool,
    "block.stops_feeding": bool,
    "block.yields_to_regulation_centre": bool,
    "break_glass.offered": bool,
    "care_team.requires_consent": bool,
    "documents.default_window_months": int,
    "documents.max_bytes": int,
    "documents.page_size_default": int,
    "documents.page_size_max": int,
    "dossier.objection_days": int,
    "dossier.purge_on_request_months": int,
    "dossier.retention_years": int,
    "dossier.suspension_days": int,
    "feeding.requires_status": str,
    "hidden_from_patient.notice_days": int,
    "hidden_from_patient.visible_months": int,
    "patient_lookup.minimum_traits": int,
    "patient_lookup.per_hour": int,
    "regulation_centre.offered": bool,
    "visibility.masked_and_hidden_from_patient": bool,
    "visibility.shown_is_final": bool,
}


def check_pack(pack: Pack) -> list[str]:
    """What is wrong with `pack`, one sentence each; none when it may take effect."""
    cells = {line.rule: cells_of(pack, line) for line in pack.lines}
    return [
        *_parameters(pack),
        *_shapes(pack),
        *_idle_lines(pack, cells),
        *_acts_without_sight(pack, cells),
        *_reading_without_relation(pack),
        *_uncovered_types(pack),
    ]


def _parameters(pack: Pack) -> Iterator[str]:
    for name, kind in NEEDED.items():
        parameter = pack.parameters.get(name)
        if parameter is None:
            yield f"parameter {name} is missing"
        elif type(parameter.value) is not kind:
            yield f"parameter {name} must be of type {kind.__name__}"
    for parameter in pack.parameters.values():
        if parameter.name not in NEEDED:
            yield f"parameter {parameter.name} is not one that the code reads"
        if parameter.effective > pack.effective:
            yield f"parameter {parameter.name} takes effect after its pack"
        if not parameter.source.strip() or not parameter.meaning.strip():
            yield f"parameter {parameter.name} lacks its source or its meaning"


def _shapes(pack: Pack) -> Iterator[str]:
    used: set[str] = set()
    for line in pack.lines:
        used.update(line.types)
        if not line.roles or not line.relations or not line.actions or not line.modes:
            yield f"{line.rule}: a cell is empty"
        if (line.kind is Kind.DOCUMENT) != bool(line.types):
            yield f"{line.rule}: only a line about documents names types, and it must"
        if line.kind is Kind.DOCUMENT and not line.needs_open_dossier:
            yield f"{line.rule}: no document is served unless the record is open"
        if Role.OTHER in line.roles:
            yield f"{line.rule}: nothing may be granted to whoever has no role"
        for term in line.types:
            if term not in pack.groups and term not in pack.dmp_types:
                yield f"{line.rule}: {term} is neither a type of the DMP nor a named set"
    for group in pack.groups:
        if group.startswith("group:") and group not in used:
            yield f"{group} is used by no line"


def _idle_lines(pack: Pack, cells: _Cells) -> Iterator[str]:
    """Lines that change nothing: given already, wholly taken away, or taking away what nobody gives."""
    given: set[_Cell] = set()
    denied: set[_Cell] = set()
    for line in pack.lines:
        if line.effect == "deny":
            denied |= cells[line.rule]
    for line in pack.lines:
        if line.effect == "deny":
            continue
        these = cells[line.rule]
        if these <= denied:
            yield f"{line.rule}: what it allows is wholly denied"
        if not line.when and these - denied <= given:
            yield f"{line.rule}: earlier lines already allow all of it"
        given |= these
    for line in pack.lines:
        if line.effect != "deny":
            continue
        useful = cells[line.rule] & given
        words = {word for cell in useful for word in cell}
        words |= {name for cell in useful for name in pack.sets_of_type.get(cell[_TYPE], ())}
        for word in sorted({*line.roles, *line.relations, *line.actions, *line.types} - words):
            yield f"{line.rule}: denies nothing under {word}"


def _acts_without_sight(pack: Pack, cells: _Cells) -> Iterator[str]:
    """Whoever may act on an existing document may also read it, or its existence would leak."""
    seen: set[_Cell] = set()
    acts: dict[str, set[_Cell]] = {}
    denied: set[_Cell] = set()
    for line in pack.lines:
        if line.kind is Kind.DOCUMENT and line.effect == "deny":
            denied |= cells[line.rule]
    for line in pack.lines:
        if line.kind is not Kind.DOCUMENT or line.effect == "deny":
            continue
        for cell in cells[line.rule] - denied:
            role, relation, kind, action, *rest = cell
            if action == Action.READ:
                seen.add((role, relation, kind, *rest))
            elif action not in _CREATION and role not in _BLIND_ROLES:
                acts.setdefault(line.rule, set()).add((role, relation, kind, *rest))
    citizen_author = (Role.PERSON.value, Relation.AUTHOR.value)
    for rule, these in acts.items():
        blind = {cell for cell in these - seen if cell[:2] != citizen_author}
        if blind:
            yield f"{rule}: allows acts on documents that cannot be read, such as {', '.join(min(blind))}"


def _reading_without_relation(pack: Pack) -> Iterator[str]:
    for line in pack.lines:
        reads = line.kind in (Kind.DOCUMENT, Kind.DOSSIER, Kind.JOURNAL, Kind.AUTHORIZATIONS)
        if (
            line.effect == "allow"
            and reads
            and Action.READ in line.actions
            and Mode.NORMAL in line.modes
            and Relation.NONE in line.relations
        ):
            yield f"{line.rule}: nobody reads a record in normal mode without a relation to the patient"


def _uncovered_types(pack: Pack) -> Iterator[str]:
    read_by_professional: set[str] = set()
    read_by_patient: set[str] = set()
    published: set[str] = set()
    for line in pack.lines:
        if line.kind is not Kind.DOCUMENT or line.effect == "deny":
            continue
        types = _types(pack, line)
        if Action.PUBLISH in line.actions:
            published |= types
        if Action.READ in line.actions and line.roles & PROFESSIONAL_ROLES:
            read_by_professional |= types
        if Action.READ in line.actions and Relation.PATIENT in line.relations:
            read_by_patient |= types
    for what, covered in (
        ("is read by no professional", read_by_professional),
        ("is not read by the patient", read_by_patient),
        ("is published by nobody", published),
    ):
        for type_code in sorted(pack.dmp_types - covered):
            yield f"type {type_code} {what}"


def _types(pack: Pack, line: Line) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for term in line.types:
        found |= pack.groups.get(term, frozenset({term}))
    return found


def cells_of(pack: Pack, line: Line) -> set[_Cell]:
    """Every cell of the matrix that a line is about: role, relation, kind, action, mode, type, concealment, state."""
    states = ("open",) if line.needs_open_dossier else ("open", "other")
    return set(
        product(
            sorted(line.roles),
            sorted(line.relations),
            (line.kind.value,),
            sorted(line.actions),
            sorted(line.modes),
            sorted(_types(pack, line)) or ("-",),
            sorted(line.even_if),
            states,
        )
    )
