"""What is due of sessions by itself: opened some days before, closed some days after, and cancelled when nobody said
that they were held."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier.access import number
from passerelle.kernel import messages
from passerelle.kernel.clock import days_after
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict
from passerelle.oncology import sessions
from passerelle.oncology.tables import board, board_session

_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Turned:
    """How many sessions one turn opened, closed and cancelled."""

    opened: int
    closed: int
    cancelled: int


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
        opened=await _each(context, [*due, board_session.c.starts_at <= opens_by], sessions.open_),
        closed=await _each(context, held, sessions.close),
        cancelled=await _each(context, unsaid, cancelled),
    )


async def _each(context: Context, which: list[ColumnElement[Any]], do: Callable[[Act, UUID], Awaitable[object]]) -> int:
    found = select(board_session.c.session_id).select_from(board_session.join(board)).where(*which)
    ordered = found.order_by(board_session.c.starts_at, board_session.c.session_id).limit(_AT_ONCE)
    async with context.tenant.database.transaction() as connection:
        ids = list(await connection.scalars(ordered))
    done = 0
    for session_id in ids:
        # Somebody may have done it meanwhile: it is then done.
        with suppress(Conflict):
            async with transaction(context) as act:
                await do(act, session_id)
            done += 1
    return done
