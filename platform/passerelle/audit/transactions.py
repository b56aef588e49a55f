"""One act, one transaction: commit on leaving, and a refusal that changes nothing but the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.journal import Line, append
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, Refused


@dataclass(frozen=True, slots=True)
class Act:
    """An open transaction of one request, and the instant that holds for all of it."""

    context: Context
    connection: AsyncConnection
    now: datetime


@asynccontextmanager
async def transaction(context: Context) -> AsyncIterator[Act]:
    """Open an act. A refusal that leaves it rolls everything back, is journalled, and goes on to the caller."""
    try:
        async with context.tenant.database.transaction() as connection:
            yield Act(context, connection, context.clock.now())
    except (Refused, Conflict) as refusal:
        if isinstance(refusal.line, Line):
            async with context.tenant.database.transaction() as connection:
                await append(connection, context, refusal.line)
        raise
