"""Carrying cases to a later session of their board: one by one, or all those of a session that was cancelled.

These go by themselves to the next session that takes them (`turns`); until there is one, who organises the board and
who asked for them read them where they wait.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, func, insert, literal, select

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.kernel.errors import Conflict, Refused
from passerelle.notices import posting
from passerelle.oncology import access, cases
from passerelle.oncology.cases import Case, CaseState
from passerelle.oncology.tables import board_case, board_session, board_sheet, case_attachment
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, Kind

_TAKES: Final = ("planned", "open")


async def defer(act: Act, case_id: UUID, to_session_id: UUID) -> Case:
    """Carry a case to a later session of its board, with what is attached to it and what its sheet already says.

    What comes out is the case there; it keeps the day on which it was first registered. Refused: as `cases.withdraw`;
    CASE_SHEET_APPROVED once an opinion was given; CASE_OF_ANOTHER_BOARD, CASE_SESSION_NOT_LATER; as `cases.register`
    for the session.
    """
    case = await cases.held(act, case_id, Kind.BOARD_CASE, Action.DEFER, to=to_session_id)
    return await _carried(act, case, to_session_id)


async def carry_over(act: Act, session_id: UUID, to_session_id: UUID) -> list[Case]:
    """Carry the cases of a cancelled session to a later one of its board, by who organises it; the cases there.

    Each is decided upon by itself: one whose record is closed, or whose patient keeps the organiser out, stays behind
    and nothing tells of it. Refused: CASE_SESSION_UNKNOWN, ACCESS_REFUSED, CASE_SESSION_NOT_CANCELLED; as `defer`.
    """
    await cases.lock_sessions(act, session_id, to_session_id)
    session = await cases.session_of(act, session_id)
    if session is None:
        raise Conflict("CASE_SESSION_UNKNOWN")
    overrides = act.context.tenant.parameters
    organiser = (await access.standing_on_board(act, journal.NOBODY, session.board_id)).facts
    organises = decide(organiser, Kind.BOARD_SESSION, Action.CANCEL, overrides=overrides)
    if not organises.allowed:
        line = dossier_access.line(organises, Kind.BOARD_SESSION, Action.CANCEL, journal.NOBODY, organiser)
        raise Refused(organises.code or "ACCESS_REFUSED", line=line)
    if session.state != "cancelled":
        raise Conflict("CASE_SESSION_NOT_CANCELLED")
    rows = await act.connection.execute(
        select(board_case)
        .where(board_case.c.session_id == session_id, board_case.c.state == CaseState.REGISTERED.value)
        .order_by(board_case.c.patient_id)
        .with_for_update()
    )
    waiting = [cases.case_of(row) for row in rows]
    return [
        await _carried(act, each, to_session_id) for each in waiting if await _may_carry(act, each, session.board_id)
    ]


def in_waiting() -> Select[Any]:
    """The ids of the cases that wait in a cancelled session, and may have one of their board to go to."""
    to_come = board_session.alias("to_come")
    later = select(literal(1)).where(
        to_come.c.board_id == board_session.c.board_id,
        to_come.c.state.in_(_TAKES),
        to_come.c.starts_at > board_session.c.starts_at,
    )
    return (
        select(board_case.c.case_id)
        .select_from(board_case.join(board_session))
        .where(board_session.c.state == "cancelled", board_case.c.state == CaseState.REGISTERED.value, later.exists())
        .order_by(board_case.c.registered_at, board_case.c.case_id)
    )


async def carry_on(act: Act, case_id: UUID) -> Case | None:
    """Carry a case that waits to the next session of its board with a place for it; the case there.

    None where there is no such session, or the record of its patient is not open: it waits. Refused: as `carry_over`.
    """
    to_session_id = await act.connection.scalar(_next_session(act, case_id))
    row = None if to_session_id is None else await cases.locked(act, case_id, to=to_session_id)
    if row is None:
        return None
    case, left = cases.case_of(row), await cases.session_of(act, row.session_id)
    if left is None or left.state != "cancelled" or not await _may_carry(act, case, left.board_id):
        return None
    return await _carried(act, case, to_session_id)


def _next_session(act: Act, case_id: UUID) -> Select[Any]:
    to_come, there = board_session.alias("to_come"), board_case.alias("there")
    of_it = (there.c.session_id == to_come.c.session_id, there.c.state.in_(["registered", "heard"]))
    registered = select(func.count()).where(*of_it).correlate(to_come).scalar_subquery()
    is_there = select(literal(1)).where(*of_it, there.c.patient_id == board_case.c.patient_id).exists()
    return (
        select(to_come.c.session_id)
        .select_from(board_case.join(board_session).join(to_come, to_come.c.board_id == board_session.c.board_id))
        .where(
            board_case.c.case_id == case_id,
            to_come.c.state.in_(_TAKES),
            to_come.c.starts_at > func.greatest(board_session.c.starts_at, literal(act.now)),
            registered < dossier_access.number(act.context, "oncology.session_cases_max"),
            ~is_there,
        )
        .order_by(to_come.c.starts_at)
        .limit(1)
    )


async def _may_carry(act: Act, case: Case, board_id: UUID) -> bool:
    """Decide upon one case of a cancelled session; the line of what is allowed is written."""
    facts = (await access.standing_on_board(act, case.patient_id, board_id)).facts
    decision = decide(facts, Kind.BOARD_CASE, Action.DEFER, overrides=act.context.tenant.parameters)
    if decision.allowed:
        line = dossier_access.line(decision, Kind.BOARD_CASE, Action.DEFER, case.patient_id, facts)
        await journal.append(act.connection, act.context, line)
    return decision.allowed


async def _carried(act: Act, case: Case, to_session_id: UUID) -> Case:
    if case.state not in {CaseState.REGISTERED, CaseState.HEARD}:
        raise Conflict("CASE_ENDED")
    sheet = await _sheet_of(act, case)
    if sheet is not None and (sheet.approved_at is not None or sheet.version > 1):
        raise Conflict("CASE_SHEET_APPROVED")
    left = await cases.session_of(act, case.session_id)
    session = await cases.session_taking(act, to_session_id)
    if left is None or session.board_id != left.board_id:
        raise Conflict("CASE_OF_ANOTHER_BOARD")
    if session.starts_at <= left.starts_at:
        raise Conflict("CASE_SESSION_NOT_LATER")
    await cases.ended(act, case, CaseState.DEFERRED)
    carried = await cases.added(
        act,
        patient_id=case.patient_id,
        session_id=to_session_id,
        requester=case.requester,
        presenter=case.presenter,
        question=case.question,
        informed_at=case.informed_at,
        informed_how=case.informed_how,
        agreed=True,
        discussion=case.discussion.value,
        deferred_from=case.case_id,
        registered_at=case.registered_at,
    )
    await _keep_attachments(act, case, carried)
    if sheet is not None:
        await act.connection.execute(
            insert(board_sheet).values(
                patient_id=carried.patient_id,
                case_id=carried.case_id,
                version=1,
                state="in_progress",
                content=sheet.content,
                missing=sheet.missing,
                sources=sheet.sources,
                written_by=sheet.written_by,
                written_at=sheet.written_at,
            )
        )
    await cases.tell(act, carried, posting.NoticeKind.BOARD_CASE_DEFERRED, session.starts_at)
    return carried


async def _sheet_of(act: Act, case: Case) -> Row[Any] | None:
    newest = (
        select(board_sheet)
        .where(board_sheet.c.patient_id == case.patient_id, board_sheet.c.case_id == case.case_id)
        .order_by(board_sheet.c.version.desc())
        .limit(1)
    )
    found: Row[Any] | None = (await act.connection.execute(newest)).one_or_none()
    return found


async def _keep_attachments(act: Act, case: Case, carried: Case) -> None:
    kept = ("patient_id", "document_id", "attached_by", "attached_at")
    attached = select(literal(carried.case_id), *(case_attachment.c[name] for name in kept)).where(
        case_attachment.c.patient_id == case.patient_id,
        case_attachment.c.case_id == case.case_id,
        case_attachment.c.detached_at.is_(None),
    )
    await act.connection.execute(insert(case_attachment).from_select(["case_id", *kept], attached))
