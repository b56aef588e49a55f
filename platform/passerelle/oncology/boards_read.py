"""Reading boards: their directory, one with its members, the coordination centres. No patient is in any of it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Integer, Select, Text, Uuid, literal, or_, select, tuple_

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access as shared
from passerelle.dossier import relations
from passerelle.kernel.errors import Conflict
from passerelle.oncology import boards, members
from passerelle.oncology.boards import BoardKind, BoardState
from passerelle.oncology.tables import board, board_member, coordination_centre
from passerelle_policies.vocabulary import Action, Kind

MEMBERS: Final = members.SHOWN
CENTRES: Final = ("centre_id", "name", "establishment", "created_at")


def listed(
    *,
    kind: ColumnElement[str | None],
    state: ColumnElement[str | None],
    after: ColumnElement[UUID | None],
    limit: ColumnElement[int],
) -> Select[Any]:
    """The boards by name, of a kind and in a state where one is given, from after one of them on."""
    before = board.alias("before")
    place = select(before.c.name, before.c.board_id).where(before.c.board_id == after)
    follows = tuple_(board.c.name, board.c.board_id) > place.scalar_subquery()
    return (
        select(*(board.c[name] for name in boards.SHOWN))
        .where(or_(kind.is_(None), board.c.kind == kind), or_(state.is_(None), board.c.state == state))
        .where(or_(after.is_(None), follows))
        .order_by(board.c.name, board.c.board_id)
        .limit(limit)
    )


def one(board_id: ColumnElement[UUID]) -> Select[Any]:
    """One board; no row for none of that number."""
    return select(*(board.c[name] for name in boards.SHOWN)).where(board.c.board_id == board_id)


def members_of(found: CTE | Any, now: ColumnElement[Any]) -> Select[Any]:
    """Those who have a duty on the boards of `found`, at an instant."""
    its_own = select(*(board_member.c[name] for name in MEMBERS))
    return its_own.where(board_member.c.board_id.in_(select(found.c.board_id)), relations.holds(board_member, now))


def centres() -> Select[Any]:
    """The coordination centres (3C) of the network."""
    return select(*(coordination_centre.c[name] for name in CENTRES))


async def directory(
    act: Act, *, first: int, kind: BoardKind | None = None, state: BoardState | None = None, after: UUID | None = None
) -> list[dict[str, Any]]:
    """`listed`. Refused: ACCESS_REFUSED but to professionals, establishments and the cancer network."""
    await shared.require(act, journal.NOBODY, Kind.BOARD, Action.READ)
    asked = listed(
        kind=literal(kind, Text()),
        state=literal(state, Text()),
        after=literal(after, Uuid()),
        limit=literal(first, Integer()),
    )
    return [row._asdict() for row in await act.connection.execute(asked)]


async def with_members(act: Act, board_id: UUID) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A board and its members. Refused: as `directory`; BOARD_UNKNOWN."""
    await shared.require(act, journal.NOBODY, Kind.BOARD, Action.READ)
    asked = one(literal(board_id, Uuid()))
    found = (await act.connection.execute(asked)).one_or_none()
    if found is None:
        raise Conflict("BOARD_UNKNOWN")
    who = members_of(asked.subquery(), literal(act.now)).order_by(board_member.c.name, board_member.c.member_id)
    return found._asdict(), [row._asdict() for row in await act.connection.execute(who)]


async def all_centres(act: Act) -> list[dict[str, Any]]:
    """`centres`, by name. Refused: as `directory`."""
    await shared.require(act, journal.NOBODY, Kind.BOARD, Action.READ)
    asked = centres().order_by(coordination_centre.c.name, coordination_centre.c.centre_id)
    return [row._asdict() for row in await act.connection.execute(asked)]
