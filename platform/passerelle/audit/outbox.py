"""Facts on their way to others: written with the change, relayed after the commit, at least once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.tables import outbox
from passerelle.audit.transactions import Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact that a domain publishes. Subclasses name it and carry ids and codes, never a health datum."""

    name: ClassVar[str]
    patient_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An event as the relay reads it back."""

    event_id: UUID
    name: str
    patient_id: UUID
    payload: Mapping[str, Any]
    at: datetime
    attempts: int


async def publish(act: Act, event: Event) -> UUID:
    """Write the event beside the change that it tells of."""
    event_id = uuid4()
    await act.connection.execute(insert(outbox).values(_row(act, event, event_id)))
    return event_id


async def publish_all(act: Act, events: Iterable[Event]) -> None:
    """Write many events at once beside the change that they tell of."""
    rows = [_row(act, each, uuid4()) for each in events]
    if rows:
        await act.connection.execute(insert(outbox), rows)


def _row(act: Act, event: Event, event_id: UUID) -> dict[str, Any]:
    payload = {
        name: str(value) if isinstance(value, UUID) else value
        for name, value in asdict(event).items()
        if name != "patient_id"
    }
    return {
        "event_id": event_id,
        "name": event.name,
        "patient_id": event.patient_id,
        "payload": payload,
        "at": act.now,
    }


async def waiting(connection: AsyncConnection, now: datetime, limit: int = 100) -> list[Waiting]:
    """The oldest events not yet relayed and due, locked against a second relay until the transaction ends.

    Those that failed come after those that did not: however many fail, they hold up nothing else.
    """
    rows = await connection.execute(
        select(*(outbox.c[name] for name in Waiting.__dataclass_fields__))
        .where(
            outbox.c.relayed_at.is_(None),
            or_(outbox.c.next_attempt_at.is_(None), outbox.c.next_attempt_at <= now),
        )
        .order_by(outbox.c.attempts, outbox.c.at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Waiting(**row) for row in rows.mappings()]


async def mark_relayed(connection: AsyncConnection, event_ids: Iterable[UUID], at: datetime) -> None:
    await connection.execute(update(outbox).where(outbox.c.event_id.in_(list(event_ids))).values(relayed_at=at))


async def mark_attempted(connection: AsyncConnection, event_id: UUID, next_attempt_at: datetime) -> None:
    """Count a delivery that failed; the event waits, until then at least."""
    await connection.execute(
        update(outbox)
        .where(outbox.c.event_id == event_id)
        .values(attempts=outbox.c.attempts + 1, next_attempt_at=next_attempt_at)
    )
