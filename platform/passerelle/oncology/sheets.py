"""The sheet of a case: begun, written, said to be done, taken up again for a correction, closed.

Approving it: `approval`.

    in_progress ──done──▶ done ──approve──▶ approved ──close──▶ closed
         ▲────────write──────┘                 └──correct────┴──▶ the next version, in_progress

Who asked for the case writes until its session was held; the coordinator, from the session's opening on; once it is
approved, the coordinator of the board or his deputy, whenever it is. An approved version never changes; it closes with
its session. Sources: CI-SIS, volet CANCER-FRCP (states: jdv-statut-document-cisis); circulaire DHOS/SDO
n° 2005-101 of 22 February 2005. Decision 0125.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, select, tuple_, update

from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier import relations
from passerelle.dossier.formats import values
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded
from passerelle.oncology import access, cases, sheet_fields, sheet_header
from passerelle.oncology.cases import Case, CaseDiscussion
from passerelle.oncology.header import Header
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_header import Meeting
from passerelle.oncology.sheet_table import table
from passerelle.oncology.sources import prefilled
from passerelle.oncology.tables import board_case, board_sheet
from passerelle_policies.vocabulary import Action, Kind, Relation


class SheetState(StrEnum):
    """Where a version of a sheet is."""

    IN_PROGRESS = "in_progress"
    DONE = "done"
    APPROVED = "approved"
    CLOSED = "closed"

    @property
    def code(self) -> str:
        """As documents code it (jdv-statut-document-cisis)."""
        return _CODES[self]


_CODES: Final = {
    SheetState.IN_PROGRESS: "385651009",
    SheetState.DONE: "398166005",
    SheetState.APPROVED: "9571008",
    SheetState.CLOSED: "29179001",
}
_WRITTEN: Final = frozenset({SheetState.IN_PROGRESS, SheetState.DONE})
_HELD: Final = frozenset({"held", "held_without_quorum"})
KEPT: Final = frozenset(
    {"quorum", "document_status", "document_status_at", "recourse_board", "paediatric_board", "presented_as"}
)
"""What the board, its session and the case answer by themselves: nobody writes it."""
_TOLD_AT_APPROVAL: Final = frozenset({"coordinator", "presenter", "members_present"})
_BY_ORGAN, _ACROSS = "ORG-117", "ORG-132"
_PRESENTED: Final = {CaseDiscussion.DISCUSSED: "ORG-134", CaseDiscussion.REGISTERED: "ORG-128"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One version of a sheet. `sources` gives, for a field that nobody wrote himself, the document it comes from."""

    patient_id: UUID
    case_id: UUID
    version: int
    state: SheetState
    content: BoardSheet
    missing: tuple[str, ...]
    sources: Mapping[str, str]
    revision: int
    correction_because: str | None
    written_by: str
    written_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    fingerprint: str | None
    document_id: UUID | None


async def begin(act: Act, case_id: UUID) -> Sheet:
    """Begin the sheet of a case: the board, the session, the people and the question are in it already, and what the
    documents attached to it say (`sources`).

    Refused: as `cases.decided`; SHEET_SESSION_HELD, SHEET_SESSION_NOT_OPEN for whose turn it is not; SHEET_BEGUN.
    """
    case = await cases.held(act, case_id, Kind.BOARD_SHEET, Action.WRITE)
    meeting = await his_turn(act, case)
    if await newest(act, case) is not None:
        raise Conflict("SHEET_BEGUN")
    header = await sheet_header.composed(act, case, meeting)
    content = sheet_fields.put(begun(header, case, meeting), case_summary=case.question)
    filled = await prefilled(act, case, content)
    return await _added(act, case, meeting, filled.sheet, version=1, sources=filled.sources)


async def write(
    act: Act,
    case_id: UUID,
    revision: int,
    answers: Mapping[str, object],
    *,
    correspondents: Iterable[str] | None = None,
) -> Sheet:
    """Answer fields of a sheet, by their names in `sheet.toml`; None takes an answer away. What was done is in
    progress again. `correspondents` are the RPPS numbers of the doctors to whom it is to be sent.

    Refused: as `begin`; SHEET_NOT_BEGUN, SHEET_APPROVED, SHEET_CHANGED when `revision` is not the last one;
    SHEET_FIELD_UNKNOWN, SHEET_FIELD_KEPT, SHEET_ITEMS_TOO_MANY, as `sheet_fields.put`; RPPS_INVALID, RPPS_UNKNOWN.
    """
    case = await cases.held(act, case_id, Kind.BOARD_SHEET, Action.WRITE)
    meeting = await his_turn(act, case)
    sheet = await being_written(act, case, revision)
    must_be_answerable(act, answers)
    content = sheet_fields.put(sheet.content, **answers)
    if correspondents is not None:
        content = await _sent_to(act, case, meeting, content, correspondents)
    kept = {name: document for name, document in sheet.sources.items() if name not in answers}
    return await _written(act, sheet, meeting, content, state=SheetState.IN_PROGRESS, sources=kept or None)


async def take_from_attached(act: Act, case_id: UUID, revision: int) -> Sheet:
    """Take into a sheet what the documents attached since say; what a person wrote stays. Refused: as `write`."""
    case = await cases.held(act, case_id, Kind.BOARD_SHEET, Action.WRITE)
    meeting = await his_turn(act, case)
    sheet = await being_written(act, case, revision)
    filled = await prefilled(act, case, sheet.content, sheet.sources)
    taken = dict(filled.sources) or None
    return await _written(act, sheet, meeting, filled.sheet, state=SheetState.IN_PROGRESS, sources=taken)


async def done(act: Act, case_id: UUID, revision: int) -> Sheet:
    """Say that the opinion is written: it awaits the coordinator's approval.

    Refused: as `write`; SHEET_SESSION_NOT_HELD before it was.
    """
    case = await cases.held(act, case_id, Kind.BOARD_SHEET, Action.WRITE)
    meeting = await his_turn(act, case)
    sheet = await being_written(act, case, revision)
    if meeting.session.state not in _HELD:
        raise Conflict("SHEET_SESSION_NOT_HELD")
    content = in_state(act, sheet.content, SheetState.DONE)
    return await _written(act, sheet, meeting, content, state=SheetState.DONE)


async def trace_off_standard(act: Act, case_id: UUID, because: str | None) -> Sheet:
    """Say why the opinion departs from the standard, or with nothing that it does not. Refused: as `write`, a session
    that was held and a sheet being written being needed; VALUE_TOO_LONG, VALUE_MALFORMED."""
    case = await cases.held(act, case_id, Kind.BOARD_SHEET, Action.WRITE)
    await his_turn(act, case)
    sheet = await being_written(act, case)
    await cases.trace_off_standard(act, case.patient_id, case_id, because)
    return sheet


async def correct(act: Act, case_id: UUID, because: str) -> Sheet:
    """Take an approved sheet up again as its next version, which says what the approved one says until it is written.

    By the board's coordinator or his deputy, its session closed or not: the case is theirs to read until it is approved
    anew. The version before stays as it is, and stands until then. Refused: as `cases.decided`; SHEET_REASON_MISSING,
    SHEET_NOT_BEGUN, SHEET_NOT_APPROVED.
    """
    reason = values.text(because, "because")
    if not reason:
        raise InvalidInput("SHEET_REASON_MISSING")
    case = await cases.held(act, case_id, Kind.BOARD_SHEET, Action.REPLACE, reason=reason)
    meeting = await sheet_header.meeting_of(act, case.session_id)
    sheet = await _newest_or_refused(act, case)
    if sheet.state in _WRITTEN:
        raise Conflict("SHEET_NOT_APPROVED")
    content = in_state(act, sheet.content, SheetState.IN_PROGRESS)
    return await _added(
        act, case, meeting, content, version=sheet.version + 1, sources=sheet.sources, correction_because=reason
    )


async def close(act: Act, case_id: UUID) -> Sheet:
    """Close an approved sheet before its session is closed. A second time is none.

    Refused: as `cases.decided`; SHEET_NOT_BEGUN, SHEET_NOT_APPROVED while a version is being written.
    """
    case = await cases.held(act, case_id, Kind.BOARD_SHEET, Action.CLOSE)
    sheet = await _newest_or_refused(act, case)
    if sheet.state is SheetState.CLOSED:
        return sheet
    if sheet.state is not SheetState.APPROVED:
        raise Conflict("SHEET_NOT_APPROVED")
    return await changed(act, sheet, state=SheetState.CLOSED.value)


async def close_with_session(act: Act, session_id: UUID) -> None:
    """Close what is approved of a session that is being closed."""
    of_session = select(board_case.c.patient_id, board_case.c.case_id).where(board_case.c.session_id == session_id)
    its_own = tuple_(board_sheet.c.patient_id, board_sheet.c.case_id).in_(of_session)
    approved = (board_sheet.c.state == SheetState.APPROVED.value, its_own)
    await act.connection.execute(update(board_sheet).where(*approved).values(state=SheetState.CLOSED.value))


async def newest(act: Act, case: Case) -> Sheet | None:
    """The newest version of a case's sheet, whoever asks having been let in."""
    asked = (
        select(board_sheet)
        .where(board_sheet.c.patient_id == case.patient_id, board_sheet.c.case_id == case.case_id)
        .order_by(board_sheet.c.version.desc())
        .limit(1)
    )
    row = (await act.connection.execute(asked)).one_or_none()
    return None if row is None else sheet_of(row)


async def being_written(act: Act, case: Case, revision: int | None = None) -> Sheet:
    """The version that is being written, at the revision that its writer has read.

    The case is locked by whoever decided upon it: nobody writes beside. Refused: SHEET_NOT_BEGUN, SHEET_APPROVED,
    SHEET_CHANGED.
    """
    sheet = await _newest_or_refused(act, case)
    if sheet.state not in _WRITTEN:
        raise Conflict("SHEET_APPROVED")
    if revision is not None and revision != sheet.revision:
        raise Conflict("SHEET_CHANGED", revision=sheet.revision)
    return sheet


async def his_turn(act: Act, case: Case) -> Meeting:
    """The meeting of a case whose sheet is the actor's to write now.

    Refused: SHEET_SESSION_HELD to who asked for the case, once it was; SHEET_SESSION_NOT_OPEN to the coordinator,
    before it is.
    """
    meeting = await sheet_header.meeting_of(act, case.session_id)
    state = meeting.session.state
    facts = (await access.standing_on_case(act, case.patient_id, case.case_id)).facts
    coordinates = Relation.BOARD_COORDINATOR in facts.relations
    if coordinates and (state == "open" or state in _HELD):
        return meeting
    if act.context.actor.subject in {case.requester, case.presenter}:
        if state not in _HELD:
            return meeting
        raise Conflict("SHEET_SESSION_HELD")
    raise Conflict("SHEET_SESSION_NOT_OPEN" if coordinates else "SHEET_SESSION_HELD")


def begun(header: Header, case: Case, meeting: Meeting) -> BoardSheet:
    """A new sheet that answers what is known of the board and of the case."""
    by_organ = meeting.board.organ is not None
    answers: dict[str, object] = {"nature": _BY_ORGAN if by_organ else _ACROSS}
    if by_organ:
        answers["organ_system"] = meeting.board.organ
    sheet = sheet_fields.put(sheet_fields.begun(header), **answers)
    return sheet_fields.put(known_of(sheet, case, meeting), document_status=SheetState.IN_PROGRESS.code)


def known_of(sheet: BoardSheet, case: Case, meeting: Meeting) -> BoardSheet:
    """The sheet with what nobody writes of its board and of its case."""
    return sheet_fields.put(
        sheet,
        recourse_board=meeting.board.kind == "recourse",
        paediatric_board=meeting.board.kind == "paediatric",
        presented_as=_PRESENTED[case.discussion],
    )


def in_state(act: Act, sheet: BoardSheet, state: SheetState) -> BoardSheet:
    """The sheet with its state as a document says it."""
    return sheet_fields.put(sheet, document_status=state.code, document_status_at=act.now)


def sent_to(sheet: BoardSheet) -> tuple[str, ...]:
    """The doctors to whom a sheet is to be sent, as `professional:<RPPS>`."""
    found = (sheet_header.subject_of(each) for each in sheet.correspondents)
    return tuple(each for each in found if each)


async def changed(act: Act, sheet: Sheet, **columns: Any) -> Sheet:
    """Write columns of one version; the sheet as it is then."""
    row = await act.connection.execute(
        update(board_sheet)
        .where(
            board_sheet.c.patient_id == sheet.patient_id,
            board_sheet.c.case_id == sheet.case_id,
            board_sheet.c.version == sheet.version,
        )
        .values(**columns)
        .returning(board_sheet)
    )
    return sheet_of(row.one())


def sheet_of(row: Row[Any]) -> Sheet:
    """A row of `board_sheet`."""
    said = {name: row._mapping[name] for name in Sheet.__dataclass_fields__}
    return Sheet(
        **{
            **said,
            "state": SheetState(row.state),
            "content": BoardSheet.from_json(row.content),
            "missing": tuple(row.missing or ()),
            "sources": row.sources or {},
        }
    )


def must_be_answerable(act: Act, answers: Mapping[str, object]) -> None:
    """Refused: SHEET_FIELD_KEPT, SHEET_FIELD_UNKNOWN, SHEET_ITEMS_TOO_MANY."""
    declared, most = table(), dossier_access.number(act.context, "oncology.sheet_items_max")
    for name, given in answers.items():
        if name in KEPT:
            raise InvalidInput("SHEET_FIELD_KEPT", field=sheet_fields.label(name))
        if name not in declared.fields and name not in declared.records:
            raise InvalidInput("SHEET_FIELD_UNKNOWN", field=values.key(name, "field") or "")
        if isinstance(given, list | tuple) and len(given) > most:
            raise LimitExceeded("SHEET_ITEMS_TOO_MANY", limit=most)


async def _sent_to(
    act: Act, case: Case, meeting: Meeting, content: BoardSheet, correspondents: Iterable[str]
) -> BoardSheet:
    subjects = []
    for rpps in correspondents:
        subjects.append(relations.professional(rpps))
        await relations.known_professional(act, rpps)
    header = await sheet_header.composed(act, case, meeting, correspondents=subjects)
    return replace(content, header=replace(content.header, participants=header.participants))


def _missing(content: BoardSheet, meeting: Meeting) -> list[str]:
    asked = sheet_fields.missing(content, "approval" if meeting.session.state in _HELD else "session")
    return [each for each in asked if each not in KEPT and each not in _TOLD_AT_APPROVAL]


async def _newest_or_refused(act: Act, case: Case) -> Sheet:
    sheet = await newest(act, case)
    if sheet is None:
        raise Conflict("SHEET_NOT_BEGUN")
    return sheet


async def _added(
    act: Act,
    case: Case,
    meeting: Meeting,
    content: BoardSheet,
    *,
    version: int,
    sources: Mapping[str, str],
    correction_because: str | None = None,
) -> Sheet:
    row = await act.connection.execute(
        insert(board_sheet)
        .values(
            patient_id=case.patient_id,
            case_id=case.case_id,
            version=version,
            state=SheetState.IN_PROGRESS.value,
            content=content.to_json(),
            missing=_missing(content, meeting),
            sources=dict(sources) or None,
            correction_because=correction_because,
            written_by=act.context.actor.subject,
            written_at=act.now,
        )
        .returning(board_sheet)
    )
    return sheet_of(row.one())


async def _written(
    act: Act, sheet: Sheet, meeting: Meeting, content: BoardSheet, *, state: SheetState, **columns: Any
) -> Sheet:
    if state is SheetState.IN_PROGRESS and sheet.state is not state:
        content = in_state(act, content, state)
    return await changed(
        act,
        sheet,
        state=state.value,
        content=content.to_json(),
        missing=_missing(content, meeting),
        revision=sheet.revision + 1,
        written_by=act.context.actor.subject,
        written_at=act.now,
        **columns,
    )
