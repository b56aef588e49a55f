"""Events of the outbox since a place in it, for a task that keeps how far it has come (`notices.watermarks`).

The place is a transaction's number, below which none is still running: so no event is missed, in whatever order
transactions end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Select, Text, cast, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.tables import outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event."""

    name: str
    patient_id: UUID
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What was found, and the place that this comes to; `is_full`: there may be more."""

    events: Sequence[Told]
    until: int
    is_full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The events of `Followed`, not read yet: rows of `name`, `patient_id`, `payload`, oldest first."""

    rows: Select[Any]
    until: int
    is_full: bool


async def since(connection: AsyncConnection, names: Sequence[str], after: int, limit: int) -> Followed:
    """The events of these names in the transactions after that place, some `limit` of them, each transaction whole."""
    found = await reach(connection, names, after, limit)
    rows = await connection.execute(found.rows)
    return Followed(events=[Told(**row) for row in rows.mappings()], until=found.until, is_full=found.is_full)


async def reach(
    connection: AsyncConnection, names: Sequence[str], after: int, limit: int, *, but_with: str | None = None
) -> Reached:
    """The same, for a statement that reads them. `but_with`: a key of payloads; an event that has it is not meant."""
    running = cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)
    ceiling = int((await connection.execute(select(running))).scalar_one())
    wanted = (
        outbox.c.name.in_(names),
        outbox.c.transaction_id > after,
        outbox.c.transaction_id < ceiling,
        *([] if but_with is None else [outbox.c.payload[but_with].astext.is_(None)]),
    )
    first = select(outbox.c.transaction_id).where(*wanted).order_by(outbox.c.transaction_id).limit(limit)
    transactions = list(await connection.scalars(first))
    is_full = len(transactions) == limit
    until = transactions[-1] if is_full else max(after, ceiling - 1)
    rows = (
        select(outbox.c.name, outbox.c.patient_id, outbox.c.payload)
        .where(*wanted, outbox.c.transaction_id <= until)
        .order_by(outbox.c.transaction_id, outbox.c.at)
    )
    return Reached(rows=rows, until=until, is_full=is_full)


async def begin_again(connection: AsyncConnection) -> bool:
    """In a database that came from another server, whose numbers this one has not reached: place all events before any
    that is to come. Says whether that was so: whoever follows then begins again."""
    reached = cast(cast(func.pg_current_xact_id(), Text), BigInteger)
    ahead = select(func.coalesce(func.max(outbox.c.transaction_id), 0) > reached)
    if not (await connection.execute(ahead)).scalar_one():
        return False
    await connection.execute(update(outbox).values(transaction_id=0))
    return True


async def is_unaddressed(connection: AsyncConnection, patient_id: UUID) -> bool:
    """Whether there is an event of a patient of which nobody found yet who elsewhere is to hear."""
    waiting = select(literal(1)).where(outbox.c.addressed_at.is_(None), outbox.c.patient_id == patient_id)
    return (await connection.execute(waiting.limit(1))).first() is not None
