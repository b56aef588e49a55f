"""Facts on their way to others: written with the change, relayed after the commit, at least once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    ScalarSelect,
    Select,
    Text,
    cast,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.tables import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.kernel.database import Database, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact that a domain publishes. Subclasses name it and carry ids and codes, never a health datum."""

    name: ClassVar[str]
    patient_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An event as the relay reads it back; `request_id`: of the request that published it, as its journal has it."""

    event_id: UUID
    name: str
    patient_id: UUID
    payload: Mapping[str, Any]
    at: datetime
    attempts: int
    request_id: str | None = None


_KEPT = tuple(name for name in Waiting.__dataclass_fields__ if name != "request_id")


async def publish(act: Act, event: Event) -> UUID:
    """Write the event beside the change that it tells of."""
    event_id = uuid4()
    await act.connection.execute(insert(outbox).values(_row(act, event, event_id)))
    return event_id


async def publish_all(act: Act, events: Iterable[Event], *, is_addressed: bool = False) -> None:
    """Write many events at once beside the change that they tell of; `is_addressed`: no other network is to hear."""
    at = act.now if is_addressed else None
    rows = [_row(act, each, uuid4()) | {"addressed_at": at} for each in events]
    if rows:
        await act.connection.execute(insert(outbox), rows)


def published_by(
    of: type[Event], facts: Select[Any], *, at: ColumnElement[datetime], is_addressed: bool = False
) -> CTE:
    """A data-modifying CTE that writes an event for each row of `facts` (`patient_id`, `payload`), of a kind that no
    subscriber is bound to: who follows hears of it and, unless it `is_addressed`, other networks do."""
    fact = facts.subquery()
    row = {
        "event_id": func.gen_random_uuid(),
        "name": literal(of.name, Text()),
        "patient_id": fact.c.patient_id,
        "payload": fact.c.payload,
        "at": at,
        "relayed_at": at,
        **({"addressed_at": at} if is_addressed else {}),
    }
    return insert(outbox).from_select(list(row), select(*row.values())).cte("published")


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
        select(*(outbox.c[name] for name in _KEPT), _request_id().label("request_id"))
        .where(
            outbox.c.relayed_at.is_(None),
            or_(outbox.c.next_attempt_at.is_(None), outbox.c.next_attempt_at <= now),
        )
        .order_by(outbox.c.attempts, outbox.c.at)
        .limit(limit)
        .with_for_update(of=outbox, skip_locked=True)
    )
    return [Waiting(**row) for row in rows.mappings()]


def _request_id() -> ScalarSelect[str | None]:
    """SQL: the request in whose transaction an event was written: the line that it wrote there about that patient."""
    return (
        select(journal.c.request_id)
        .where(
            cast(journal.c.transaction_id, BigInteger) == outbox.c.transaction_id,
            journal.c.patient_id == outbox.c.patient_id,
        )
        .limit(1)
        .scalar_subquery()
    )


def unaddressed(at: ColumnElement[datetime], limit: ColumnElement[int]) -> CTE:
    """SQL: the oldest events of which nobody found who elsewhere is to hear, marked so `at`.

    Columns `name`, `patient_id`, `payload`, `at`.
    """
    row: ColumnElement[str] = literal_column("outbox.ctid", Text())
    oldest = (
        select(row.label("row"))
        .where(outbox.c.addressed_at.is_(None))
        .order_by(outbox.c.at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("oldest")
    )
    return (
        update(outbox)
        .where(row == func.any(func.array(select(oldest.c.row).scalar_subquery())))
        .values(addressed_at=at)
        .returning(outbox.c.name, outbox.c.patient_id, outbox.c.payload, outbox.c.at)
        .cte("event")
    )


def unaddressed_about(patient_id: UUID, key: str, value: str) -> Select[Any]:
    """SQL: `payload` and `at` of those of these events that are about a patient and say so in their payload."""
    return select(outbox.c.payload, outbox.c.at).where(
        outbox.c.addressed_at.is_(None), outbox.c.patient_id == patient_id, outbox.c.payload[key].astext == value
    )


def first_unaddressed() -> ScalarSelect[datetime | None]:
    """SQL: when the oldest of those events was published; null when there is none."""
    return select(func.min(outbox.c.at)).where(outbox.c.addressed_at.is_(None)).scalar_subquery()


async def is_anything_unaddressed(database: Database) -> bool:
    """Whether there is such an event."""
    [(first,)] = await database.fetch(_FIRST_UNADDRESSED, {})
    return first is not None


async def mark_relayed(connection: AsyncConnection, event_ids: Iterable[UUID], at: datetime) -> None:
    await connection.execute(update(outbox).where(outbox.c.event_id.in_(list(event_ids))).values(relayed_at=at))


async def mark_attempted(connection: AsyncConnection, event_id: UUID, next_attempt_at: datetime) -> None:
    """Count a delivery that failed; the event waits, until then at least."""
    await connection.execute(
        update(outbox)
        .where(outbox.c.event_id == event_id)
        .values(attempts=outbox.c.attempts + 1, next_attempt_at=next_attempt_at)
    )


_FIRST_UNADDRESSED: Final = Statement(select(first_unaddressed()))
