"""From the outbox to those who listen: events by name, at least once, in the order of their writing.

Whoever listens is idempotent on the event's id. Bound here, in ops, so that no domain imports another for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from passerelle.audit.outbox import Waiting, mark_attempted, mark_relayed, waiting
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle_ops import logs

_log = structlog.get_logger("passerelle.relay")
AT_ONCE = 100

Subscriber = Callable[[Tenant, Waiting], Awaitable[None]]


class Subscribers:
    """Who listens to which event."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Subscriber]] = defaultdict(list)

    def bind(self, event: str, subscriber: Subscriber) -> None:
        self._by_name[event].append(subscriber)

    def of(self, event: str) -> tuple[Subscriber, ...]:
        return tuple(self._by_name.get(event, ()))


@dataclass(frozen=True, slots=True)
class Relayed:
    """What one run did. What failed stays in the outbox and is tried again by the next run."""

    delivered: int
    failed: int


async def relay(tenant: Tenant, subscribers: Subscribers, clock: Clock, limit: int = AT_ONCE) -> Relayed:
    """Deliver the oldest waiting events of a tenant and mark them relayed, an event nobody listens to included."""
    async with tenant.database.transaction() as connection:
        events = await waiting(connection, limit)
        delivered = []
        for event in events:
            try:
                for subscriber in subscribers.of(event.name):
                    await subscriber(tenant, event)
            except Exception as error:  # noqa: BLE001 - one event that fails does not hold the others
                _log.warning(
                    "not delivered",
                    tenant=tenant.id,
                    event_name=event.name,
                    event_id=str(event.event_id),
                    attempts=event.attempts + 1,
                    **logs.place(error),
                )
                await mark_attempted(connection, event.event_id)
            else:
                delivered.append(event.event_id)
        if delivered:
            await mark_relayed(connection, delivered, clock.now())
    return Relayed(len(delivered), len(events) - len(delivered))
