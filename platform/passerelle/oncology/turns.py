"""What is due of sessions by itself: opened some days before, closed some days after, and cancelled when nobody said
that they were held. The cases of one that was cancelled go to the next of its board."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier.access import number
from passerelle.kernel import messages
from passerelle.kernel.clock import days_after
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict
from passerelle.oncology import deferral, sessions
from passerelle.oncology.tables import board, board_session

_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Turned:
    """How many sessions one turn opened, closed and cancelled, and how many cases it carried over."""

    opened: int
    closed: int
    cancelled: int
    carried: int


async def turn(context: Context) -> Turned:
    """One turn of the task: each session in a transaction of its own; what one turn leaves the next one finds."""
    now = context.clock.now()
    opens_by = days_after(now, number(context, "oncology.session_opens_days"))
    past = days_after(now, -number(context, "oncology.session_closes_days"))
    due = [board_session.c.state == "planned", board.c.state == "validated", board_session.c.starts_at > past]
    unsaid = [board_session.c.state.in_(["planned", "open"]), board_session.c.starts_at <= past]
    held = [board_session.c.held_at <= past, board_session.c.closed_at.is_(None)]
    because = messages.sentence("SESSION_NOT_SAID_HELD", {})

    async def cancelled(act: Act, session_id: UUID) -> object:
        return await sessions.cancel(act, session_id, because)

    return Turned(
        opened=await _each(context, _sessions(*due, board_session.c.starts_at <= opens_by), sessions.open_),
        closed=await _each(context, _sessions(*held), sessions.close),
        cancelled=await _each(context, _sessions(*unsaid), cancelled),
        carried=await _each(context, deferral.in_waiting(), deferral.carry_on),
    )


def _sessions(*which: ColumnElement[bool]) -> Select[Any]:
    found = select(board_session.c.session_id).select_from(board_session.join(board)).where(*which)
    return found.order_by(board_session.c.starts_at, board_session.c.session_id)


async def _each(context: Context, which: Select[Any], do: Callable[[Act, UUID], Awaitable[object]]) -> int:
    async with context.tenant.database.transaction() as connection:
        ids = list(await connection.scalars(which.limit(_AT_ONCE)))
    done = 0
    for each in ids:
        # Somebody may have done it meanwhile: it is then done.
        with suppress(Conflict):
            async with transaction(context) as act:
                done += await do(act, each) is not None
    return done
