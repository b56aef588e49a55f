"""Tumour boards (RCP): declared by an establishment or a coordination centre (3C), validated by the cancer network.

A board that is not validated plans and holds no session. Sources: circulaire DHOS/SDO n° 2005-101 of 22 February 2005;
CSP, art. D.6124-131; INCa, référentiel des RCP, 2023. Decision 0123.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access as shared
from passerelle.dossier.formats import values
from passerelle.dossier.relations import known_professional, not_ended
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.oncology import access, recurrence
from passerelle.oncology.specialties import Specialty, settled
from passerelle.oncology.tables import board, board_member, coordination_centre
from passerelle.oncology.value_sets import value_sets
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Role

_LEAST_MINUTES, _MOST_MINUTES = 10, 720
_NUMBER: Final = re.compile(r"[0-9A-Za-z./-]{1,64}")
ORGANS: Final = "jdv-rcp-appareil-cisis"


class BoardKind(StrEnum):
    STANDARD = "standard"
    RECOURSE = "recourse"
    RARE_CANCERS = "rare_cancers"
    PAEDIATRIC = "paediatric"


class BoardScope(StrEnum):
    """What it discusses: the cancers of an organ system, or something common to all (supportive care…)."""

    ORGAN = "organ"
    TRANSVERSAL = "transversal"


class BoardState(StrEnum):
    DECLARED = "declared"
    VALIDATED = "validated"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """How a board works: when and how long it meets, whether deputies and videoconference are allowed; its numbers."""

    duration_minutes: int
    recurrence: str | None = None
    deputies: bool = True
    videoconference: bool = False
    centre_id: UUID | None = None
    network_number: str | None = None
    manager_number: str | None = None
    board_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What is declared. What a board is (its kind, its organ) does not change afterwards: its quorum hangs on it.

    `specialty` is that of the physician who declares it.
    """

    name: str
    kind: BoardKind
    scope: BoardScope
    organ: str | None
    charter: Charter
    specialty: Specialty | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board(Charter):
    board_id: UUID
    name: str
    kind: BoardKind
    scope: BoardScope
    organ: str | None
    establishment: str
    state: BoardState
    declared_at: datetime
    validated_at: datetime | None
    suspended_at: datetime | None


SHOWN: Final = tuple(Board.__dataclass_fields__)


async def found_centre(act: Act, name: str) -> UUID:
    """Register a coordination centre (3C) of the actor's establishment.

    Refused: PLACE_MISSING, ACCESS_REFUSED, BOARD_INCOMPLETE, CENTRE_EXISTS.
    """
    place = _place(act.context)
    await shared.require(act, journal.NOBODY, Kind.BOARD, Action.PUBLISH)
    said = values.text(name, "name")
    if not said:
        raise InvalidInput("BOARD_INCOMPLETE")
    row = {"centre_id": uuid4(), "name": said, "establishment": place, "created_at": act.now}
    new = upsert(coordination_centre).values(row).on_conflict_do_nothing(index_elements=["establishment", "name"])
    made = await act.connection.scalar(new.returning(coordination_centre.c.centre_id))
    if made is None:
        raise Conflict("CENTRE_EXISTS")
    return UUID(str(made))


async def declare(act: Act, said: Declared) -> Board:
    """Declare a board of the actor's establishment. The physician who declares it coordinates it, the secretary is its
    secretary; where the establishment does, it appoints them.

    Refused: PLACE_MISSING, ACCESS_REFUSED, BOARD_INCOMPLETE, BOARD_ORGAN_NEEDED, BOARD_EXISTS, and as `amend`;
    RPPS_UNKNOWN, SPECIALTY_MISSING, SPECIALTY_NOT_HIS for a physician.
    """
    place = _place(act.context)
    await shared.require(act, journal.NOBODY, Kind.BOARD, Action.PUBLISH)
    name = values.text(said.name, "name")
    if not name:
        raise InvalidInput("BOARD_INCOMPLETE")
    is_known = said.organ in value_sets()[ORGANS]
    if (said.scope is BoardScope.ORGAN) is not is_known or (said.organ is not None and not is_known):
        raise InvalidInput("BOARD_ORGAN_NEEDED")
    row = {
        "board_id": uuid4(),
        "name": name,
        "kind": said.kind.value,
        "scope": said.scope.value,
        "organ": said.organ,
        "establishment": place,
        "state": BoardState.DECLARED.value,
        "declared_at": act.now,
        "declared_by": act.context.actor.subject,
        **await _charter(act, said.charter),
    }
    new = upsert(board).values(row).on_conflict_do_nothing(index_elements=["establishment", "name"]).returning(board)
    written = (await act.connection.execute(new)).mappings().one_or_none()
    if written is None:
        raise Conflict("BOARD_EXISTS")
    if act.context.actor.kind is ActorKind.PROFESSIONAL:
        await _take_charge(act, written["board_id"], said.specialty)
    return board_of(written)


async def amend(act: Act, board_id: UUID, charter: Charter) -> Board:
    """Change the charter of a board; the sessions that are planned stay as they are.

    Refused: ACCESS_REFUSED but to its coordinator, its secretary and the establishment that declared it;
    RECURRENCE_INVALID, BOARD_DURATION_INVALID, BOARD_NUMBER_MALFORMED, CENTRE_UNKNOWN.
    """
    await access.require_on_board(act, board_id, Kind.BOARD, Action.REPLACE)
    changed = update(board).where(board.c.board_id == board_id).values(await _charter(act, charter)).returning(board)
    return board_of((await act.connection.execute(changed)).mappings().one())


async def validate(act: Act, board_id: UUID) -> Board:
    """Validate a board that was declared: it is listed, and may plan sessions.

    Refused: ACCESS_REFUSED but to the cancer network; BOARD_UNKNOWN, BOARD_NOT_DECLARED, BOARD_WITHOUT_COORDINATOR.
    """
    found = await _of_network(act, board_id, Action.VALIDATE)
    if found.state is not BoardState.DECLARED:
        raise Conflict("BOARD_NOT_DECLARED")
    coordinates = select(literal(1)).where(
        board_member.c.board_id == board_id,
        board_member.c.duty == "coordinator",
        not_ended(board_member, act.now),
    )
    if (await act.connection.execute(coordinates)).first() is None:
        raise Conflict("BOARD_WITHOUT_COORDINATOR")
    return await _now(act, board_id, BoardState.VALIDATED, validated_at=act.now, validated_by=act.context.actor.subject)


async def suspend(act: Act, board_id: UUID) -> Board:
    """Suspend a board: it plans, opens and holds no session until it is resumed.

    Refused: ACCESS_REFUSED but to the cancer network; BOARD_UNKNOWN, BOARD_NOT_VALIDATED.
    """
    found = await _of_network(act, board_id, Action.SUSPEND)
    if found.state is not BoardState.VALIDATED:
        raise Conflict("BOARD_NOT_VALIDATED")
    return await _now(act, board_id, BoardState.SUSPENDED, suspended_at=act.now)


async def resume(act: Act, board_id: UUID) -> Board:
    """Let a suspended board work again.

    Refused: ACCESS_REFUSED but to the cancer network; BOARD_UNKNOWN, BOARD_NOT_SUSPENDED.
    """
    found = await _of_network(act, board_id, Action.RESUME)
    if found.state is not BoardState.SUSPENDED:
        raise Conflict("BOARD_NOT_SUSPENDED")
    return await _now(act, board_id, BoardState.VALIDATED, suspended_at=None)


async def locked(act: Act, board_id: UUID, *, to_change: bool = False) -> Board:
    """A board whose state does not change until the act ends; `to_change` for the act that changes it or its members.

    Refused: BOARD_UNKNOWN.
    """
    # Rows that refer to it may be written meanwhile: a member's, a session's.
    found = select(board).where(board.c.board_id == board_id).with_for_update(read=not to_change, key_share=to_change)
    row = (await act.connection.execute(found)).mappings().one_or_none()
    if row is None:
        raise Conflict("BOARD_UNKNOWN")
    return board_of(row)


async def must_be_validated(act: Act, board_id: UUID, *, to_change: bool = False) -> Board:
    """`locked`. Refused, too: BOARD_NOT_VALIDATED for a board that is declared only, or suspended."""
    found = await locked(act, board_id, to_change=to_change)
    if found.state is not BoardState.VALIDATED:
        raise Conflict("BOARD_NOT_VALIDATED")
    return found


def board_of(row: RowMapping) -> Board:
    """A board out of a row."""
    said = {name: row[name] for name in SHOWN}
    return Board(
        **{
            **said,
            "kind": BoardKind(row["kind"]),
            "scope": BoardScope(row["scope"]),
            "state": BoardState(row["state"]),
        }
    )


async def _take_charge(act: Act, board_id: UUID, specialty: Specialty | None) -> None:
    """Whoever declares a board in person answers for it, until he hands it over."""
    actor = act.context.actor
    known = await known_professional(act, actor.id)
    is_physician = shared.role_in(act.context) is Role.PHYSICIAN
    await act.connection.execute(
        insert(board_member).values(
            board_id=board_id,
            member_id=uuid4(),
            subject=actor.subject,
            name=known.name,
            specialty=settled(known, specialty).value if is_physician else None,
            specialty_code=known.specialty if is_physician else None,
            duty="coordinator" if is_physician else "secretary",
            valid_from=act.now,
            recorded_by=actor.subject,
        )
    )


async def _of_network(act: Act, board_id: UUID, action: Action) -> Board:
    await shared.require(act, journal.NOBODY, Kind.BOARD, action)
    return await locked(act, board_id, to_change=True)


async def _now(act: Act, board_id: UUID, state: BoardState, **more: Any) -> Board:
    changed = update(board).where(board.c.board_id == board_id).values(state=state.value, **more).returning(board)
    return board_of((await act.connection.execute(changed)).mappings().one())


async def _charter(act: Act, said: Charter) -> dict[str, Any]:
    """The columns of a charter that can be kept."""
    if not _LEAST_MINUTES <= said.duration_minutes <= _MOST_MINUTES:
        raise InvalidInput("BOARD_DURATION_INVALID", least=_LEAST_MINUTES, most=_MOST_MINUTES)
    for name in ("network_number", "manager_number", "board_number"):
        if (number := getattr(said, name)) is not None and not _NUMBER.fullmatch(number):
            raise InvalidInput("BOARD_NUMBER_MALFORMED", field=name)
    if said.centre_id is not None:
        known = select(func.count()).where(coordination_centre.c.centre_id == said.centre_id)
        if not await act.connection.scalar(known):
            raise InvalidInput("CENTRE_UNKNOWN")
    kept = recurrence.checked(said.recurrence) if said.recurrence is not None else None
    return {**asdict(said), "recurrence": kept}


def _place(context: Context) -> str:
    if not context.actor.establishment:
        raise InvalidInput("PLACE_MISSING")
    return context.actor.establishment
