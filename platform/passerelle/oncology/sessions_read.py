"""Reading sessions: a period of the network's calendar, one's own, one with its seats. No patient is in any of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    literal,
    or_,
    select,
    tuple_,
)

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access as shared
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.oncology import calendar, seats, sessions
from passerelle.oncology.tables import board, board_session
from passerelle_policies.vocabulary import Action, Kind

SHOWN: Final = (*sessions.SHOWN, "board_name", "board_kind")
SEATS: Final = seats.SHOWN


def listed(
    *,
    since: ColumnElement[datetime],
    until: ColumnElement[datetime],
    board_id: ColumnElement[UUID | None],
    whose: ColumnElement[str | None],
    after: ColumnElement[UUID | None],
    limit: ColumnElement[int],
) -> Select[Any]:
    """The sessions of a period in the order of their beginning, of one board and of one person where one is given."""
    before = board_session.alias("before")
    place = select(before.c.starts_at, before.c.session_id).where(before.c.session_id == after)
    follows = tuple_(board_session.c.starts_at, board_session.c.session_id) > place.scalar_subquery()
    return (
        _session()
        .where(board_session.c.starts_at >= since, board_session.c.starts_at < until)
        .where(or_(board_id.is_(None), board_session.c.board_id == board_id))
        .where(or_(whose.is_(None), calendar.is_his(whose)))
        .where(or_(after.is_(None), follows))
        .order_by(board_session.c.starts_at, board_session.c.session_id)
        .limit(limit)
    )


def one(session_id: ColumnElement[UUID]) -> Select[Any]:
    """One session; no row for none of that number. Its seats are `seats.of_session`."""
    return _session().where(board_session.c.session_id == session_id)


async def in_period(
    act: Act,
    since: datetime,
    until: datetime,
    *,
    first: int,
    board_id: UUID | None = None,
    mine: bool = False,
    after: UUID | None = None,
) -> list[dict[str, Any]]:
    """`listed`. Refused: PERIOD_EMPTY, PERIOD_TOO_LONG; ACCESS_REFUSED but to professionals, establishments and the
    cancer network."""
    must_be_a_period(act.context, since, until)
    await shared.require(act, journal.NOBODY, Kind.BOARD_SESSION, Action.READ)
    asked = listed(
        since=literal(since, DateTime(timezone=True)),
        until=literal(until, DateTime(timezone=True)),
        board_id=literal(board_id, Uuid()),
        whose=literal(act.context.actor.subject if mine else None, Text()),
        after=literal(after, Uuid()),
        limit=literal(first, Integer()),
    )
    return [row._asdict() for row in await act.connection.execute(asked)]


async def with_seats(act: Act, session_id: UUID) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A session and its seats. Refused: ACCESS_REFUSED as `in_period`, SESSION_UNKNOWN."""
    await shared.require(act, journal.NOBODY, Kind.BOARD_SESSION, Action.READ)
    found = (await act.connection.execute(one(literal(session_id, Uuid())))).one_or_none()
    if found is None:
        raise Conflict("SESSION_UNKNOWN")
    there = seats.of_session(literal(session_id, Uuid())).order_by("name", "subject")
    return found._asdict(), [row._asdict() for row in await act.connection.execute(there)]


def must_be_a_period(context: Context, since: datetime, until: datetime) -> None:
    """Refused: PERIOD_EMPTY, PERIOD_TOO_LONG past `oncology.calendar_days_max`."""
    if until <= since:
        raise InvalidInput("PERIOD_EMPTY")
    most = shared.number(context, "oncology.calendar_days_max")
    if until - since > timedelta(days=most):
        raise InvalidInput("PERIOD_TOO_LONG", limit=most)


def _session() -> Select[Any]:
    return select(
        *(board_session.c[name] for name in sessions.SHOWN),
        board.c.name.label("board_name"),
        board.c.kind.label("board_kind"),
    ).select_from(board_session.join(board))
