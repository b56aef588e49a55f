"""Who sits on a board, under which specialty, from when to when; its coordinator, its secretary, its deputies.

Sources: circulaire DHOS/SDO n° 2005-101 of 22 February 2005; INCa, référentiel des RCP, 2023.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, RowMapping, Select, and_, insert, or_, select, update

from passerelle.audit.transactions import Act
from passerelle.dossier.access import number
from passerelle.dossier.relations import holds, known_professional, professional
from passerelle.kernel.directory import KnownProfessional
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded
from passerelle.oncology import access, boards, seats
from passerelle.oncology.boards import Board, BoardState
from passerelle.oncology.specialties import Specialty, settled
from passerelle.oncology.tables import board_member
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Role


class Duty(StrEnum):
    COORDINATOR = "coordinator"
    MEMBER = "member"
    DEPUTY = "deputy"  # sits for one member when he is excused
    SECRETARY = "secretary"  # organises and sends; gives no opinion, and counts in no quorum


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointed:
    """Whom to appoint, by his RPPS number. `deputy_of` is the member that a deputy sits for."""

    rpps: str
    duty: Duty
    specialty: Specialty | None = None
    deputy_of: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    member_id: UUID
    board_id: UUID
    subject: str
    name: str
    duty: Duty
    specialty: Specialty | None
    specialty_code: str | None
    deputy_of: UUID | None
    valid_from: datetime
    valid_until: datetime | None


SHOWN: Final = tuple(Member.__dataclass_fields__)


async def appoint(act: Act, board_id: UUID, said: Appointed) -> Member:
    """Give someone a duty on a board, from now on. A new coordinator takes over from the one there is, who stays as a
    member; a member may become coordinator, and nobody else holds two duties.

    Refused: ACCESS_REFUSED but to its coordinator, its secretary and the establishment that declared it; RPPS_INVALID,
    RPPS_UNKNOWN, COORDINATOR_NOT_PHYSICIAN, SPECIALTY_MISSING, SPECIALTY_NOT_HIS, SECRETARY_WITHOUT_SPECIALTY,
    DEPUTY_OF_MISSING, DEPUTIES_NOT_ALLOWED, MEMBER_UNKNOWN, MEMBER_ALREADY, MEMBERS_TOO_MANY.
    """
    subject = professional(said.rpps)
    await access.require_on_board(act, board_id, Kind.BOARD, Action.REPLACE)
    its_board = await boards.locked(act, board_id, to_change=True)
    known = await known_professional(act, said.rpps)
    specialty = _specialty(known, said)
    await _must_be_deputy_of_one(act, its_board, said)
    before = (await act.connection.execute(_in_force(act, board_id))).all()
    most = number(act.context, "oncology.members_max")
    if len(before) >= most:
        raise LimitExceeded("MEMBERS_TOO_MANY", limit=most)
    his = [each for each in before if each.subject == subject]
    if any(each.duty != Duty.MEMBER or said.duty is not Duty.COORDINATOR for each in his):
        raise Conflict("MEMBER_ALREADY")
    if said.duty is Duty.COORDINATOR:
        for former in before:
            if former.duty == Duty.COORDINATOR:
                await _end(act, board_member.c.member_id == former.member_id)
                stays = await _write(act, {**former._mapping, "duty": Duty.MEMBER.value})
                await _keep_deputies(act, former.member_id, stays["member_id"])
    row = {
        "board_id": board_id,
        "subject": subject,
        "name": known.name,
        "specialty": specialty.value if specialty else None,
        "specialty_code": known.specialty if specialty else None,
        "duty": said.duty.value,
        "deputy_of": said.deputy_of,
    }
    for former in his:
        await _end(act, board_member.c.member_id == former.member_id)
    written = await _write(act, row)
    for former in his:
        await _keep_deputies(act, former.member_id, written["member_id"])
    await seats.follow_members(act, board_id)
    return member_of(written)


async def end(act: Act, board_id: UUID, member_id: UUID) -> Member:
    """End a duty now, and with it those of his deputies; whoever leaves is excused from the sessions to come.

    Refused: ACCESS_REFUSED as `appoint`; MEMBER_UNKNOWN, COORDINATOR_NEEDED for that of a validated board.
    """
    await access.require_on_board(act, board_id, Kind.BOARD, Action.REPLACE)
    its_board = await boards.locked(act, board_id, to_change=True)
    found = _in_force(act, board_id).where(board_member.c.member_id == member_id)
    row = (await act.connection.execute(found)).one_or_none()
    if row is None:
        raise Conflict("MEMBER_UNKNOWN")
    if row.duty == Duty.COORDINATOR and its_board.state is not BoardState.DECLARED:
        raise Conflict("COORDINATOR_NEEDED")
    of_both = or_(board_member.c.member_id == member_id, board_member.c.deputy_of == member_id)
    ended = await _end(act, and_(board_member.c.board_id == board_id, of_both))
    await seats.excuse_who_left(act, board_id, frozenset(each["subject"] for each in ended))
    return member_of(next(each for each in ended if each["member_id"] == member_id))


def member_of(row: RowMapping) -> Member:
    """A member out of a row."""
    said = {name: row[name] for name in SHOWN}
    specialty = Specialty(row["specialty"]) if row["specialty"] else None
    return Member(**{**said, "duty": Duty(row["duty"]), "specialty": specialty})


def _specialty(known: KnownProfessional, said: Appointed) -> Specialty | None:
    if said.duty is Duty.SECRETARY:
        if said.specialty is not None:
            raise InvalidInput("SECRETARY_WITHOUT_SPECIALTY")
        return None
    if said.duty is Duty.COORDINATOR and role_of(known.profession, ActorKind.PROFESSIONAL) is not Role.PHYSICIAN:
        raise InvalidInput("COORDINATOR_NOT_PHYSICIAN")
    return settled(known, said.specialty)


async def _must_be_deputy_of_one(act: Act, its_board: Board, said: Appointed) -> None:
    if (said.duty is Duty.DEPUTY) is not (said.deputy_of is not None):
        raise InvalidInput("DEPUTY_OF_MISSING")
    if said.deputy_of is None:
        return
    if not its_board.deputies:
        raise Conflict("DEPUTIES_NOT_ALLOWED")
    member = _in_force(act, its_board.board_id).where(
        board_member.c.member_id == said.deputy_of,
        board_member.c.duty.in_([Duty.COORDINATOR.value, Duty.MEMBER.value]),
    )
    if (await act.connection.execute(member)).one_or_none() is None:
        raise Conflict("MEMBER_UNKNOWN")


def _in_force(act: Act, board_id: UUID) -> Select[Any]:
    return select(board_member).where(board_member.c.board_id == board_id, holds(board_member, act.now))


async def _write(act: Act, row: dict[str, object]) -> RowMapping:
    said = {**row, "member_id": uuid4(), "valid_from": act.now, "recorded_by": act.context.actor.subject}
    new = insert(board_member).values({**said, "valid_until": None}).returning(board_member)
    written: RowMapping = (await act.connection.execute(new)).mappings().one()
    return written


async def _keep_deputies(act: Act, former: UUID, member_id: UUID) -> None:
    """Whoever sat for a member sits for him under his new duty."""
    theirs = and_(board_member.c.deputy_of == former, holds(board_member, act.now))
    await act.connection.execute(update(board_member).where(theirs).values(deputy_of=member_id))


async def _end(act: Act, which: ColumnElement[bool]) -> list[RowMapping]:
    ended = update(board_member).where(which, holds(board_member, act.now)).values(valid_until=act.now)
    return list((await act.connection.execute(ended.returning(board_member))).mappings())
