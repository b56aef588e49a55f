"""What the boards of a network have begun and not ended: it belongs to them, and is theirs to end or to give back."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.oncology.tables import board_session, board_sheet, recourse_case, recourse_referral


async def unfinished(connection: AsyncConnection) -> int:
    """How many sessions are to be held, sheets to be approved, and cases lent and borrowed that are not given back."""
    parts = (
        (board_session, ("planned", "open")),
        (board_sheet, ("in_progress", "done")),
        (recourse_referral, ("sent", "received")),
        (recourse_case, ("received", "heard")),
    )
    counts = [select(func.count()).where(table.c.state.in_(states)).scalar_subquery() for table, states in parts]
    return int(sum((await connection.execute(select(*counts))).one()))
