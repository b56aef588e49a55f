"""A session as whoever sits in it opens it: every case that he may know of, in one SQL statement (decision 0124).

The statement decides upon each case by its patient's own facts, as `decide` does one by one: a case that he may not
know of is not there, and neither a number nor an order tells of it. The line of the session comes first, then one for
each case shown. Of a case, the question, the sheet and what is attached are for whoever may read its sheet: the
secretary knows who is registered, and nothing that he suffers from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from passerelle.audit import journal
from passerelle.dossier import blocking, judging, named, reach
from passerelle.dossier.judging import Judged
from passerelle.identities import patients
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import Conflict
from passerelle.oncology import access
from passerelle.oncology.attachments import is_attached
from passerelle.oncology.tables import board, board_case, board_seat, board_session, board_sheet, case_attachment
from passerelle_policies.vocabulary import Action, Kind

_IDENTITY: Final = ("family_name", "used_name", "given_names", "birth_date", "sex")
_CASE: Final = (
    "case_id", "patient_id", "discussion", "requester", "presenter", "question", "informed_at", "registered_at",
    "deferred_from",
)  # fmt: skip
_SHEET: Final = ("sheet_version", "sheet_state", "sheet_written_at", "sheet_missing")
#: The session itself.
SESSION: Final = (
    "session_id",
    "board_id",
    "board_name",
    "board_kind",
    "organ",
    "starts_at",
    "ends_at",
    "place",
    "state",
)
#: Of each case; `expected` are those who are to come without those whom its patient blocks: [specialty, is remote].
CASES: Final = (*_CASE, *_IDENTITY, *_SHEET, "case_state", "is_read", "expected", "number")
#: Of each document attached to a case that the reader may read.
ATTACHED: Final = (
    "case_id", "document_id", "type_code", "type_label", "title", "mime_type", "act_at", "size", "attached_at",
)  # fmt: skip
_FACTS: Final = ("state", "blocked", "objection", "relations", "withheld")
_FENCE: Final[ColumnElement[Any]] = literal_column("0")
_HERE: Final = ("registered", "heard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """A session being opened, as selectables. `cases` and `attached` have the columns of `CASES` and `ATTACHED`;
    `lines` are the lines of the cases."""

    judged: Judged
    session: CTE
    cases: CTE
    attached: CTE
    lines: CTE


def agenda() -> Agenda:
    """Bind values in `parameters`. Whoever is let in and has no row of `session` asked for one that is not there."""
    session_id = bindparam("oncology_session_id", type_=Uuid())
    is_there = select(literal(1)).where(board_session.c.session_id == session_id).exists()
    judged = judging.judged(Kind.BOARD_SESSION, provided=is_there)
    session = _session(session_id, judged)
    seen = _seen(session_id, judged)
    lines = judging.lines_of_each(seen, judged, "case_line", kind=Kind.BOARD_CASE, action=Action.READ)
    return Agenda(judged=judged, session=session, cases=_cases(seen, session), attached=_attached(seen), lines=lines)


def _session(session_id: ColumnElement[UUID], judged: Judged) -> CTE:
    own = (board_session.c[name] for name in ("session_id", "board_id", "starts_at", "ends_at", "place", "state"))
    return (
        select(*own, board.c.name.label("board_name"), board.c.kind.label("board_kind"), board.c.organ)
        .select_from(board_session.join(board))
        .where(board_session.c.session_id == session_id, judged.is_allowed())
        .cte("session")
    )


def _seen(session_id: ColumnElement[UUID], judged: Judged) -> CTE:
    """The cases that the actor may know of, with the facts of each."""
    candidate = (
        select(*(board_case.c[name] for name in _CASE), board_case.c.state.label("case_state"))
        .where(board_case.c.session_id == session_id, board_case.c.state.in_(_HERE), judged.is_allowed())
        .subquery("candidate")
    )
    # As text: a column would be a FROM of its own in there. The fences keep each fact from being gathered twice.
    patient_id, case_id = (literal_column(f"candidate.{name}", Uuid()) for name in ("patient_id", "case_id"))
    of_each = access.facts_row_of(patient_id, case_id).offset(_FENCE).lateral("of_each")
    decided = (
        select(
            candidate,
            *(of_each.c[name] for name in _FACTS),
            reach.rule_of_each(of_each, "case").label("rule"),
            reach.rule_of_each(of_each, "sheet").is_not(None).label("is_read"),
        )
        .select_from(candidate.join(of_each, true()))
        .offset(_FENCE)
        .subquery("decided")
    )
    number = func.row_number().over(order_by=(decided.c.registered_at, decided.c.case_id)).label("number")
    return (
        select(decided, true().label("allowed"), null().label("code"), number)
        .where(decided.c.rule.is_not(None))
        .cte("seen")
        .prefix_with("materialized")
    )


def _cases(seen: CTE, session: CTE) -> CTE:
    newest = (
        select(
            board_sheet.c.version.label("sheet_version"),
            board_sheet.c.state.label("sheet_state"),
            board_sheet.c.written_at.label("sheet_written_at"),
            board_sheet.c.missing.label("sheet_missing"),
        )
        .where(board_sheet.c.patient_id == seen.c.patient_id, board_sheet.c.case_id == seen.c.case_id, seen.c.is_read)
        .order_by(board_sheet.c.version.desc())
        .limit(literal_column("1"))
        .lateral("sheet")
    )
    identity = patients.identity()
    is_to_come = and_(
        board_seat.c.session_id == select(session.c.session_id).scalar_subquery(),
        board_seat.c.answer == "expected",
        ~blocking.is_blocked(literal_column("seen.patient_id", Uuid()), board_seat.c.subject),
    )
    seat = func.jsonb_build_array(board_seat.c.specialty, func.coalesce(board_seat.c.is_remote, false()))
    expected = select(func.json_agg(seat.distinct())).where(is_to_come).scalar_subquery()
    for_readers = {"question": case((seen.c.is_read, seen.c.question))}
    return (
        select(
            *(for_readers.get(name, seen.c[name]).label(name) for name in (*_CASE, "case_state", "is_read", "number")),
            *(identity.c[name] for name in _IDENTITY),
            *(newest.c[name] for name in _SHEET),
            expected.label("expected"),
        )
        .select_from(seen.join(identity, identity.c.patient_id == seen.c.patient_id).outerjoin(newest, true()))
        .cte("agenda_case")
    )


def _attached(seen: CTE) -> CTE:
    entry: Any = named.entries("attached_entry")
    own = ("document_id", "type_code", "type_label", "title", "mime_type", "act_at", "size")
    return (
        select(seen.c.case_id, *(entry.c[name] for name in own), case_attachment.c.attached_at)
        .select_from(
            seen.join(case_attachment, is_attached(case_attachment, seen.c.patient_id, seen.c.case_id)).join(
                entry,
                and_(
                    entry.c.patient_id == case_attachment.c.patient_id,
                    entry.c.document_id == case_attachment.c.document_id,
                ),
            )
        )
        .where(seen.c.is_read, named.visible_to_each(entry, seen, named.lines()))
        .cte("attached")
    )


def parameters(context: Context, session_id: UUID) -> dict[str, Any]:
    """Every bind value of `agenda`."""
    return {
        **judging.parameters(context, Kind.BOARD_SESSION, journal.NOBODY),
        **access.facts_parameters(context),
        **reach.reach_parameters(context, Kind.DOCUMENT, Action.READ),
        **{
            name: value
            for kind, prefix in ((Kind.BOARD_CASE, "case"), (Kind.BOARD_SHEET, "sheet"))
            for is_open, suffix in ((True, ""), (False, "_otherwise"))
            for name, value in reach.reach_parameters(
                context, kind, Action.READ, f"{prefix}{suffix}", is_open=is_open
            ).items()
        },
        "oncology_session_id": session_id,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A session and its cases; rows are mappings with the names of `SESSION`, `CASES` and, by case, `ATTACHED`."""

    session: Mapping[str, Any]
    cases: list[dict[str, Any]]
    attached: Mapping[str, list[dict[str, Any]]]


def _opened() -> Select[Any]:
    it = agenda()

    def listed(rows: CTE, names: Sequence[str], *order: ColumnElement[Any]) -> ColumnElement[Any]:
        # Arrays in the order of the names, which on every row would be most of the octets.
        told = func.json_build_array(*(rows.c[name] for name in names))
        return select(func.json_agg(aggregate_order_by(told, *order))).scalar_subquery()

    newest = (it.attached.c.act_at.desc(), it.attached.c.document_id)
    return (
        select(
            it.judged.verdict,
            listed(it.session, SESSION, it.session.c.session_id).label("session"),
            listed(it.cases, CASES, it.cases.c.number).label("cases"),
            listed(it.attached, ATTACHED, *newest).label("attached"),
        )
        .select_from(it.judged.verdict)
        .add_cte(it.judged.journal_line, it.lines)
    )


OPEN_SESSION = Statement(_opened())


async def open_session(context: Context, session_id: UUID) -> OpenedSession:
    """Open a session with its cases. Refused: ACCESS_REFUSED but to a professional; CASE_SESSION_UNKNOWN."""
    row = (await context.tenant.database.fetch(OPEN_SESSION, parameters(context, session_id)))[0]
    said = dict(zip(OPEN_SESSION.columns, row, strict=True))
    if not said["allowed"]:
        raise judging.refusal(context, Kind.BOARD_SESSION, said)
    if said["session"] is None:
        raise Conflict("CASE_SESSION_UNKNOWN")
    attached: dict[str, list[dict[str, Any]]] = {}
    for each in said["attached"] or ():
        attached.setdefault(each[0], []).append(dict(zip(ATTACHED, each, strict=True)))
    return OpenedSession(
        session=dict(zip(SESSION, said["session"][0], strict=True)),
        cases=[dict(zip(CASES, each, strict=True)) for each in said["cases"] or ()],
        attached=attached,
    )
