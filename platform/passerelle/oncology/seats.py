"""The seats of a session: who is expected, who is excused, whose deputy comes, which expert is invited.

Until a session opens, its seats are those of its board's members on its day, but for what was said of each; when it
opens they are copied, and from then on they are its own. A seat is never taken away: it is excused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    RowMapping,
    Select,
    Text,
    Uuid,
    and_,
    cast,
    exists,
    insert,
    literal,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit.transactions import Act
from passerelle.dossier.relations import holds, known_professional, professional
from passerelle.kernel.errors import Conflict
from passerelle.oncology import access
from passerelle.oncology.specialties import Specialty, settled
from passerelle.oncology.tables import board, board_member, board_seat, board_session
from passerelle_policies.vocabulary import Action


class SeatDuty(StrEnum):
    COORDINATOR = "coordinator"
    MEMBER = "member"
    DEPUTY = "deputy"
    GUEST = "guest"  # an expert, for this session


class SeatAnswer(StrEnum):
    EXPECTED = "expected"
    EXCUSED = "excused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    subject: str
    name: str
    specialty: Specialty
    specialty_code: str | None
    duty: SeatDuty
    answer: SeatAnswer
    answered_at: datetime | None
    signed_at: datetime | None
    is_remote: bool | None
    sits_for: str | None


SHOWN: Final = tuple(Seat.__dataclass_fields__)
_SITS: Final = ("coordinator", "member")
_TO_COME: Final = ("planned", "open")


def of_session(session_id: ColumnElement[UUID]) -> Select[Any]:
    """The seats of a session, with the columns of `SHOWN`: its own, and before it opens those of its board besides."""
    own = select(*(board_seat.c[name] for name in SHOWN)).where(board_seat.c.session_id == session_id)
    has_seat = exists().where(board_seat.c.session_id == session_id, board_seat.c.subject == board_member.c.subject)
    to_be = (
        select(
            board_member.c.subject,
            board_member.c.name,
            board_member.c.specialty,
            board_member.c.specialty_code,
            board_member.c.duty,
            literal(SeatAnswer.EXPECTED.value, Text()).label("answer"),
            cast(null(), DateTime(timezone=True)).label("answered_at"),
            cast(null(), DateTime(timezone=True)).label("signed_at"),
            cast(null(), Boolean()).label("is_remote"),
            cast(null(), Text()).label("sits_for"),
        )
        .select_from(_members_of_sessions())
        .where(board_session.c.session_id == session_id, board_session.c.state == "planned", ~has_seat, _sits_then())
    )
    together = union_all(own, to_be).subquery("seat")
    return select(*(together.c[name] for name in SHOWN))


async def all_of(act: Act, session_id: UUID) -> list[Seat]:
    """The seats of a session, whoever reads them having been let in."""
    asked = of_session(literal(session_id, Uuid()))
    return [seat_of(row) for row in (await act.connection.execute(asked)).mappings()]


async def copy_members(act: Act, session_id: UUID) -> None:
    """Give a session that opens the seats of its board's members on its day."""
    await _copy(act, board_session.c.session_id == session_id)


async def follow_members(act: Act, board_id: UUID) -> None:
    """Seat a member who was just appointed in the sessions that are open already."""
    await _copy(act, and_(board_session.c.board_id == board_id, board_session.c.state == "open"))


async def excuse_who_left(act: Act, board_id: UUID, subjects: Iterable[str]) -> None:
    """Excuse those who left a board from its sessions to come, unless they signed."""
    sessions = select(board_session.c.session_id).where(
        board_session.c.board_id == board_id, board_session.c.state.in_(_TO_COME)
    )
    left = and_(
        board_seat.c.session_id.in_(sessions),
        board_seat.c.subject.in_(list(subjects)),
        board_seat.c.duty != SeatDuty.GUEST.value,
        board_seat.c.signed_at.is_(None),
    )
    excused = {"answer": SeatAnswer.EXCUSED.value, "answered_at": act.now}
    await act.connection.execute(update(board_seat).where(left).values(excused))


async def answer(act: Act, session_id: UUID, comes: SeatAnswer) -> Seat:
    """Say for oneself whether one comes.

    Refused: ACCESS_REFUSED but to the members of its board and those who have a seat; SESSION_NOT_TO_COME, SEAT_NONE
    for a deputy who takes nobody's, SEAT_SIGNED.
    """
    await access.require_invited(act, session_id)
    return await _answer(act, session_id, act.context.actor.subject, comes, none="SEAT_NONE")


async def excuse(act: Act, session_id: UUID, rpps: str) -> Seat:
    """Excuse someone who told the secretary of it.

    Refused: ACCESS_REFUSED but to the coordinator and the secretary; RPPS_INVALID, SESSION_NOT_TO_COME, SEAT_UNKNOWN,
    SEAT_SIGNED.
    """
    subject = professional(rpps)
    await access.require_on_session(act, session_id, Action.PLAN)
    return await _answer(act, session_id, subject, SeatAnswer.EXCUSED, none="SEAT_UNKNOWN")


async def seat_deputy(act: Act, session_id: UUID, rpps: str | None = None) -> Seat:
    """Let a deputy take the seat of the member he sits for, who is excused: himself, or whom the secretary names.

    Refused: ACCESS_REFUSED but to him, the coordinator and the secretary; RPPS_INVALID, SESSION_NOT_TO_COME,
    DEPUTIES_NOT_ALLOWED, DEPUTY_UNKNOWN, SEAT_NOT_EXCUSED.
    """
    subject = act.context.actor.subject if rpps is None else professional(rpps)
    if subject == act.context.actor.subject:
        await access.require_invited(act, session_id)
    else:
        await access.require_on_session(act, session_id, Action.PLAN)
    session = await _to_come(act, session_id)
    if not await act.connection.scalar(select(board.c.deputies).where(board.c.board_id == session["board_id"])):
        raise Conflict("DEPUTIES_NOT_ALLOWED")
    replaced = board_member.alias("replaced")
    found = (
        select(board_member, replaced.c.subject.label("sits_for"))
        .select_from(_members_of_sessions().join(replaced, replaced.c.member_id == board_member.c.deputy_of))
        .where(board_session.c.session_id == session_id, board_member.c.subject == subject, _holds_then())
        .where(board_member.c.duty == "deputy")
    )
    deputy = (await act.connection.execute(found)).mappings().one_or_none()
    if deputy is None:
        raise Conflict("DEPUTY_UNKNOWN")
    excused = select(board_seat.c.answer).where(
        board_seat.c.session_id == session_id, board_seat.c.subject == deputy["sits_for"]
    )
    if await act.connection.scalar(excused) != SeatAnswer.EXCUSED:
        raise Conflict("SEAT_NOT_EXCUSED")
    row = {
        **_seat(session_id, deputy["subject"], deputy["name"], deputy["specialty"], deputy["specialty_code"]),
        "duty": SeatDuty.DEPUTY.value,
        "answered_at": act.now,
        "sits_for": deputy["sits_for"],
    }
    new = upsert(board_seat).values(row)
    comes = {"answer": new.excluded.answer, "answered_at": new.excluded.answered_at}
    taken = new.on_conflict_do_update(
        index_elements=["session_id", "subject"], set_=comes, where=board_seat.c.signed_at.is_(None)
    )
    return await _written(act, taken.returning(board_seat), "SEAT_SIGNED")


async def invite(act: Act, session_id: UUID, rpps: str, specialty: Specialty | None = None) -> Seat:
    """Give an expert a seat for this session.

    Refused: ACCESS_REFUSED but to the coordinator and the secretary; RPPS_INVALID, RPPS_UNKNOWN, SPECIALTY_MISSING,
    SPECIALTY_NOT_HIS, SESSION_NOT_TO_COME, SEAT_TAKEN.
    """
    subject = professional(rpps)
    await access.require_on_session(act, session_id, Action.PLAN)
    known = await known_professional(act, rpps)
    his = settled(known, specialty)
    await _to_come(act, session_id)
    if any(each.subject == subject for each in await all_of(act, session_id)):
        raise Conflict("SEAT_TAKEN")
    row = {**_seat(session_id, subject, known.name, his, known.specialty), "duty": SeatDuty.GUEST.value}
    return await _written(act, insert(board_seat).values(row).returning(board_seat), "SEAT_TAKEN")


def seat_of(row: RowMapping) -> Seat:
    """A seat out of a row."""
    words = {
        "specialty": Specialty(row["specialty"]),
        "duty": SeatDuty(row["duty"]),
        "answer": SeatAnswer(row["answer"]),
    }
    return Seat(**{**{name: row[name] for name in SHOWN}, **words})


def _members_of_sessions() -> Any:
    return board_session.join(board_member, board_member.c.board_id == board_session.c.board_id)


def _holds_then() -> ColumnElement[bool]:
    """SQL condition: a row of `board_member` is in force when the session of the same row begins."""
    return holds(board_member, board_session.c.starts_at)


def _sits_then() -> ColumnElement[bool]:
    return and_(board_member.c.duty.in_(_SITS), _holds_then())


async def _copy(act: Act, sessions: ColumnElement[bool]) -> None:
    """Copy the seats of members into sessions; a duty that changed is the seat's too, what was answered stays."""
    columns = ["session_id", "subject", "name", "specialty", "specialty_code", "duty", "answer"]
    from_members = (
        select(
            board_session.c.session_id,
            *(board_member.c[name] for name in columns[1:-1]),
            literal(SeatAnswer.EXPECTED.value, Text()),
        )
        .select_from(_members_of_sessions())
        .where(sessions, _sits_then())
    )
    new = upsert(board_seat).from_select(columns, from_members)
    await act.connection.execute(
        new.on_conflict_do_update(index_elements=["session_id", "subject"], set_={"duty": new.excluded.duty})
    )


async def _answer(act: Act, session_id: UUID, subject: str, comes: SeatAnswer, *, none: str) -> Seat:
    await _to_come(act, session_id)
    his = next((each for each in await all_of(act, session_id) if each.subject == subject), None)
    if his is None:
        raise Conflict(none)
    row = {
        **_seat(session_id, subject, his.name, his.specialty, his.specialty_code),
        "duty": his.duty.value,
        "answer": comes.value,
        "answered_at": act.now,
    }
    new = upsert(board_seat).values(row)
    said = new.on_conflict_do_update(
        index_elements=["session_id", "subject"],
        set_={"answer": new.excluded.answer, "answered_at": new.excluded.answered_at},
        where=board_seat.c.signed_at.is_(None),
    )
    return await _written(act, said.returning(board_seat), "SEAT_SIGNED")


async def _to_come(act: Act, session_id: UUID) -> RowMapping:
    """The session, which stays as it is until the act ends. Refused: SESSION_NOT_TO_COME."""
    found = select(board_session).where(board_session.c.session_id == session_id).with_for_update(read=True)
    row = (await act.connection.execute(found)).mappings().one_or_none()
    if row is None or row["state"] not in _TO_COME:
        raise Conflict("SESSION_NOT_TO_COME")
    return row


def _seat(session_id: UUID, subject: str, name: str, specialty: str, specialty_code: str | None) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "subject": subject,
        "name": name,
        "specialty": str(specialty),
        "specialty_code": specialty_code,
        "answer": SeatAnswer.EXPECTED.value,
    }


async def _written(act: Act, statement: Any, otherwise: str) -> Seat:
    row = (await act.connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise Conflict(otherwise)
    return seat_of(row)
