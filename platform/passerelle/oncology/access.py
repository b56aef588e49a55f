"""The facts of an actor before a board, a session, a case and its sheet, and the decision taken upon them.

Those of the shared record (`dossier.access`), beside what the oncology record alone knows: on which sessions the actor
sits, which boards he coordinates or is the secretary of, which cases he asked for. These open the case and what is
attached to it, from the opening of its session to its closing, and nothing else of the record (decision 0120).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access, judging
from passerelle.kernel.context import Context
from passerelle.oncology.tables import board, board_case, board_member, board_seat, board_session, board_sheet
from passerelle_policies.decision import Decision, Facts
from passerelle_policies.vocabulary import Action, Kind, Relation

_TEXTS = ARRAY(Text())
_NOW = bindparam("access_now", type_=DateTime(timezone=True))
_PLACE = bindparam("oncology_place", type_=Text())
_CASE_ID = bindparam("oncology_case_id", type_=Uuid())
_BOARD_ID = bindparam("oncology_board_id", type_=Uuid())
_SESSION_ID = bindparam("oncology_session_id", type_=Uuid())


def _relation(relation: Relation) -> ColumnElement[str]:
    return literal(relation.value, Text())


def on_board(board_id: ColumnElement[UUID]) -> Select[Any]:
    """What the actor is to a board today: its coordinator, its secretary, or the establishment that declared it."""
    duty = case(
        (board_member.c.duty == "coordinator", Relation.BOARD_COORDINATOR.value),
        else_=Relation.BOARD_SECRETARY.value,
    )
    held = select(duty.label("relation")).where(
        board_member.c.board_id == board_id,
        board_member.c.subject == access.SUBJECT,
        board_member.c.duty.in_(["coordinator", "secretary"]),
        access.in_force(board_member.c.valid_from, board_member.c.valid_until),
    )
    declared = select(_relation(Relation.AUTHOR)).where(board.c.board_id == board_id, board.c.establishment == _PLACE)
    return select(union_all(held, declared).subquery("on_board").c.relation)


def on_session(session_id: ColumnElement[UUID]) -> Select[Any]:
    """What the actor is to a session: a seat of his counts while it is open and he is expected, a duty on its board
    until it is closed."""
    its_board = select(board_session.c.board_id).where(board_session.c.session_id == session_id).scalar_subquery()
    runs = and_(board_session.c.session_id == session_id, is_running(board_session))
    seated = (
        select(
            case(
                (board_seat.c.duty == "coordinator", Relation.BOARD_COORDINATOR.value),
                else_=Relation.BOARD_MEMBER.value,
            ).label("relation")
        )
        .select_from(board_seat.join(board_session))
        .where(board_seat.c.subject == access.SUBJECT, board_seat.c.answer == "expected", runs, is_open(board_session))
    )
    charged = select(on_board(its_board).subquery("charged").c.relation).where(
        select(literal(1)).select_from(board_session).where(runs).exists()
    )
    return select(union_all(seated, charged).subquery("on_session").c.relation)


def invited_to(session_id: ColumnElement[UUID]) -> Select[Any]:
    """What the actor is to a session that is to come: one of its board, or with a seat, open or not.

    Enough to say whether he comes, and no more.
    """
    runs = and_(board_session.c.session_id == session_id, is_running(board_session))
    on_its_board = (
        select(_relation(Relation.BOARD_MEMBER).label("relation"))
        .select_from(board_member.join(board_session, board_session.c.board_id == board_member.c.board_id))
        .where(
            board_member.c.subject == access.SUBJECT,
            board_member.c.duty != "secretary",
            access.in_force(board_member.c.valid_from, board_member.c.valid_until),
            runs,
        )
    )
    seated = (
        select(_relation(Relation.BOARD_MEMBER).label("relation"))
        .select_from(board_seat.join(board_session))
        .where(board_seat.c.subject == access.SUBJECT, runs)
    )
    return select(union_all(on_its_board, seated).subquery("invited").c.relation)


def is_running(session: Any) -> ColumnElement[bool]:
    """SQL condition: a session is neither cancelled nor closed."""
    return and_(session.c.state != "cancelled", or_(session.c.closed_at.is_(None), session.c.closed_at > _NOW))


def is_open(session: Any) -> ColumnElement[bool]:
    """SQL condition: a session is open to its members, from its opening until it is closed."""
    return and_(session.c.opened_at.is_not(None), session.c.opened_at <= _NOW)


def on_case(patient_id: ColumnElement[UUID], case_id: ColumnElement[UUID], *, to_correct: bool = False) -> Select[Any]:
    """What the actor is to a case: who asked for it or presents it, what he is to its session, or to its board.

    A case that was withdrawn or carried to another session is nothing to the session that it left. Who asked for it
    reads it until its session is closed, and afterwards by what he is to the patient. To its board alone, while it
    waits in a session that was cancelled, or while its sheet is being corrected; or is about to be (`to_correct`).
    """
    mine = and_(
        board_case.c.patient_id == patient_id,
        board_case.c.case_id == case_id,
        board_case.c.state.in_(["registered", "heard"]),
    )
    session_id = select(board_case.c.session_id).where(mine).scalar_subquery()
    asked = (
        select(_relation(Relation.CASE_REQUESTER).label("relation"))
        .select_from(board_case.join(board_session))
        .where(
            mine,
            or_(board_case.c.requester == access.SUBJECT, board_case.c.presenter == access.SUBJECT),
            or_(board_session.c.closed_at.is_(None), board_session.c.closed_at > _NOW),
        )
    )
    corrected = and_(
        board_sheet.c.patient_id == patient_id,
        board_sheet.c.case_id == case_id,
        board_sheet.c.version > 1,
        board_sheet.c.state.in_(["in_progress", "done"]),
    )
    is_corrected = true() if to_correct else select(literal(1)).select_from(board_sheet).where(corrected).exists()
    duty = case(
        (board_member.c.duty == "secretary", Relation.BOARD_SECRETARY.value), else_=Relation.BOARD_COORDINATOR.value
    )
    of_board = (
        select(duty.label("relation"))
        .select_from(
            board_case.join(board_session).join(board_member, board_member.c.board_id == board_session.c.board_id)
        )
        .where(
            mine,
            board_member.c.subject == access.SUBJECT,
            access.in_force(board_member.c.valid_from, board_member.c.valid_until),
            or_(
                and_(
                    board_session.c.state == "cancelled",
                    board_session.c.closed_at.is_(None),
                    board_member.c.duty.in_(["coordinator", "secretary"]),
                ),
                and_(_corrects(), is_corrected),
            ),
        )
    )
    # An establishment is no author of a case because it declared the board.
    its_session = on_session(session_id).subquery("of_session")
    of_session = select(its_session.c.relation).where(its_session.c.relation != Relation.AUTHOR.value)
    return select(union_all(asked, of_session, of_board).subquery("on_case").c.relation)


def _corrects() -> ColumnElement[bool]:
    """SQL condition: a row of `board_member` is the coordinator's, or that of his deputy."""
    coordinator = board_member.alias("coordinator")
    his = select(coordinator.c.member_id).where(
        coordinator.c.board_id == board_member.c.board_id,
        coordinator.c.duty == "coordinator",
        access.in_force(coordinator.c.valid_from, coordinator.c.valid_until),
    )
    return or_(board_member.c.duty == "coordinator", board_member.c.deputy_of.in_(his))


def _facts_row(patient_id: ColumnElement[UUID], held: Select[Any]) -> Select[Any]:
    shared = access.facts_row(patient_id).subquery("shared")
    own = cast(func.array(held.scalar_subquery()), _TEXTS)
    return select(
        shared.c.patient_id,
        shared.c.state,
        shared.c.blocked,
        shared.c.objection,
        shared.c.relations.op("||", return_type=_TEXTS)(own).label("relations"),
        shared.c.withheld,
    )


def _parameters(context: Context) -> dict[str, Any]:
    return {**access.facts_parameters(context), "oncology_place": context.actor.establishment}


async def _facts_of(act: Act, patient_id: UUID, held: Select[Any], about: Mapping[str, Any]) -> Facts:
    asked = _facts_row(bindparam("access_patient_id", type_=Uuid()), held)
    parameters = {**_parameters(act.context), **about, "access_patient_id": patient_id}
    return access.facts_from(act.context, (await act.connection.execute(asked, parameters)).one())


async def standing_on_case(act: Act, patient_id: UUID, case_id: UUID, *, to_correct: bool = False) -> access.Standing:
    """What holds between the actor and one case, and the documents that its patient keeps from him."""
    held = on_case(literal(patient_id, Uuid()), _CASE_ID, to_correct=to_correct)
    asked = _facts_row(bindparam("access_patient_id", type_=Uuid()), held)
    parameters = {**_parameters(act.context), "access_patient_id": patient_id, "oncology_case_id": case_id}
    row = (await act.connection.execute(asked, parameters)).one()
    return access.Standing(access.facts_from(act.context, row), frozenset(row.withheld))


async def standing_on_board(act: Act, patient_id: UUID, board_id: UUID) -> access.Standing:
    """What holds between the actor and a patient, when he comes for the board: of a session that was cancelled."""
    asked = _facts_row(bindparam("access_patient_id", type_=Uuid()), on_board(_BOARD_ID))
    parameters = {**_parameters(act.context), "access_patient_id": patient_id, "oncology_board_id": board_id}
    row = (await act.connection.execute(asked, parameters)).one()
    return access.Standing(access.facts_from(act.context, row), frozenset(row.withheld))


async def require_on_board(act: Act, board_id: UUID, kind: Kind, action: Action) -> Decision:
    """Decide about a board, or about its sessions before one is there, and journal it; `Refused` when the rules say
    no. A board of that number need not exist: whoever is let in by what he is to it is refused alike."""
    facts = await _facts_of(act, journal.NOBODY, on_board(_BOARD_ID), {"oncology_board_id": board_id})
    return await access.require_upon(act, facts, journal.NOBODY, kind, action)


async def require_on_session(act: Act, session_id: UUID, action: Action) -> Decision:
    """Decide about one session and journal it; `Refused` when the rules say no."""
    facts = await _facts_of(act, journal.NOBODY, on_session(_SESSION_ID), {"oncology_session_id": session_id})
    return await access.require_upon(act, facts, journal.NOBODY, Kind.BOARD_SESSION, action)


async def facts_on_session(act: Act, session_id: UUID) -> Facts:
    """What holds between the actor and a session, of no patient of this network."""
    return await _facts_of(act, journal.NOBODY, on_session(_SESSION_ID), {"oncology_session_id": session_id})


async def require_invited(act: Act, session_id: UUID) -> Decision:
    """Decide whether the actor may answer for a session, and journal it; `Refused` when the rules say no."""
    facts = await _facts_of(act, journal.NOBODY, invited_to(_SESSION_ID), {"oncology_session_id": session_id})
    return await access.require_upon(act, facts, journal.NOBODY, Kind.BOARD_SESSION, Action.ANSWER)


async def require_on_case(
    act: Act, patient_id: UUID, case_id: UUID, kind: Kind, action: Action, *, reason: str | None = None
) -> Decision:
    """Decide about one case, its sheet or its plan, and journal it; `Refused` when the rules say no."""
    held = on_case(literal(patient_id, Uuid()), _CASE_ID)
    facts = await _facts_of(act, patient_id, held, {"oncology_case_id": case_id})
    return await access.require_upon(act, facts, patient_id, kind, action, reason=reason)


def judged(
    kind: Kind, *returning: str, action: Action = Action.READ, provided: ColumnElement[bool] | None = None
) -> judging.Judged:
    """The beginning of a read of one case that is one statement (`dossier.judging.judged`)."""
    return judging.judged(kind, *returning, action=action, provided=provided, facts_row=case_facts_row)


def parameters(
    context: Context, kind: Kind, patient_id: UUID, case_id: UUID, *, action: Action = Action.READ
) -> dict[str, Any]:
    """Values for the bind parameters of `judged`."""
    return {
        **judging.parameters(context, kind, patient_id, action=action),
        **_parameters(context),
        "oncology_case_id": case_id,
    }


def case_facts_row(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """`dossier.access.facts_row` before one case (`oncology_case_id`): the same columns."""
    return facts_row_of(patient_id, _CASE_ID)


def facts_row_of(patient_id: ColumnElement[UUID], case_id: ColumnElement[UUID]) -> Select[Any]:
    """The same before a case that a statement names; bind values of `facts_parameters`."""
    return _facts_row(patient_id, on_case(patient_id, case_id))


def facts_parameters(context: Context) -> dict[str, Any]:
    """Values for the bind parameters of `facts_row_of`."""
    return _parameters(context)
