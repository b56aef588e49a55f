"""From the outbox to those who listen: events by name, at least once, in the order of their writing as long as none
fails.

Whoever listens is idempotent on the event's id. Bound here, in ops, so that no domain imports another for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from passerelle.audit.outbox import Waiting, mark_attempted, mark_relayed, waiting
from passerelle.kernel import tracing
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle_ops import logs
from passerelle_ops.watching.worked import RELAYED

_log = structlog.get_logger("passerelle.relay")
AT_ONCE: Final = 100
#: Seconds. Longer than a gateway of messages that is alive takes to answer.
PATIENCE: Final = 10.0
#: Seconds after which no further event of a run is begun, well within the ten minutes that the broker gives a message.
TURN: Final = 60.0
LONGEST: Final = timedelta(hours=1)

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
    """What one run did. What failed stays in the outbox and is tried again later."""

    delivered: int
    failed: int


async def relay(
    tenant: Tenant, subscribers: Subscribers, clock: Clock, limit: int = AT_ONCE, *, patience: float = PATIENCE
) -> Relayed:
    """Deliver the oldest events of a tenant that are due and mark them relayed, those nobody listens to included.

    One that fails is tried again after `delay_after`. Who does not answer within `patience` seconds is called no more
    in this run, and what is left when the run has lasted `TURN` stays for the next: the rows are locked meanwhile.
    """
    delivered: list[UUID] = []
    silent: set[Subscriber] = set()
    failed, end = 0, time.monotonic() + TURN
    async with tenant.database.transaction() as connection:
        for event in await waiting(connection, clock.now(), limit):
            if time.monotonic() > end:
                break
            with tracing.as_request(event.request_id or tracing.request_id()):
                error = await _deliver(tenant, event, subscribers.of(event.name), silent, patience)
                if error is None:
                    delivered.append(event.event_id)
                    continue
                failed += 1
                _log.warning(
                    "not delivered",
                    tenant=tenant.id,
                    event_name=event.name,
                    event_id=str(event.event_id),
                    attempts=event.attempts + 1,
                    **logs.place(error),
                )
            again = clock.now() + delay_after(event.attempts + 1)
            await mark_attempted(connection, event.event_id, again)
        if delivered:
            await mark_relayed(connection, delivered, clock.now())
    RELAYED.add(tenant.id, "delivered", by=len(delivered))
    RELAYED.add(tenant.id, "failed", by=failed)
    return Relayed(len(delivered), failed)


def delay_after(attempts: int) -> timedelta:
    """How long an event waits that so many deliveries failed: twice as long each time, an hour at most."""
    return min(timedelta(seconds=2 ** min(attempts, 20)), LONGEST)


async def _deliver(
    tenant: Tenant, event: Waiting, listeners: tuple[Subscriber, ...], silent: set[Subscriber], patience: float
) -> Exception | None:
    """Call each listener but the silent ones; the first thing that went wrong. None keeps the event from another."""
    wrong: list[Exception] = []
    for listener in listeners:
        if listener in silent:
            wrong.append(TimeoutError())
            continue
        try:
            async with asyncio.timeout(patience) as allowed:
                await listener(tenant, event)
        except Exception as error:  # noqa: BLE001 - one event that fails does not hold the others
            wrong.append(error)
            if allowed.expired():
                silent.add(listener)
    return wrong[0] if wrong else None
