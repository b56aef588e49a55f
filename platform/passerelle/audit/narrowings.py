"""What narrows (a mask, a block, a withdrawal, a closure, an erasure), on its way to the ledger outside the database.

The triggers of migration 0011 write each change in its own transaction, whoever makes it and by whatever path. What is
taken here goes into the ledger (`passerelle_ops.backup.ledger`) and is then forgotten here but for its trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, func, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.tables import narrowing

_UNKEPT: Final = narrowing.c.kept_at.is_(None)
UNKEPT_SINCE: Final = select(func.min(narrowing.c.at)).where(_UNKEPT)
"""Since when the oldest change waits for the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """A row as it is since `at`: `what` names its table, `said` its key and what of it may narrow."""

    narrowing_id: int
    what: str
    said: dict[str, Any]
    at: datetime

    def document(self) -> dict[str, Any]:
        """As the ledger writes it down."""
        return {"what": self.what, "at": self.at.isoformat(), "said": self.said}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the ledger does not have yet: how many changes, and for how many seconds the oldest has waited."""

    changes: int
    seconds: float


async def take(connection: AsyncConnection, limit: int) -> list[Narrowing]:
    """The oldest that the ledger does not have, locked until the transaction ends."""
    wanted = (
        select(*(narrowing.c[name] for name in Narrowing.__dataclass_fields__))
        .where(_UNKEPT)
        .order_by(narrowing.c.narrowing_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Narrowing(**row) for row in (await connection.execute(wanted)).mappings()]


async def kept(connection: AsyncConnection, taken: Sequence[Narrowing]) -> None:
    """Note that the ledger has them; what they say stays there alone."""
    ids = [each.narrowing_id for each in taken]
    done = update(narrowing).where(narrowing.c.narrowing_id.in_(ids))
    await connection.execute(done.values(kept_at=func.now(), said=null()))


async def any_kept(connection: AsyncConnection) -> bool:
    """Whether the ledger was ever given anything by this database, or by the one that it is a copy of."""
    return bool((await connection.execute(select(exists().where(narrowing.c.kept_at.is_not(None))))).scalar_one())


async def waiting(connection: AsyncConnection) -> Waiting:
    """How far the ledger is behind: what would be lost with this database now, by its own clock."""
    age = func.extract("epoch", func.clock_timestamp() - UNKEPT_SINCE.scalar_subquery())
    row = (await connection.execute(select(func.count(), age).where(_UNKEPT))).one()
    return Waiting(int(row[0]), float(row[1] or 0.0))
