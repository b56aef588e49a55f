"""What an outbox holds reaches those who listen, at least once, whatever one of them does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from passerelle.audit.outbox import Event, Waiting, publish
from passerelle.audit.transactions import transaction
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.keys import Keys
from passerelle_ops import relay as relaying
from passerelle_ops.relay import Relayed, Subscribers, delay_after, relay
from passerelle_policies.vocabulary import ActorKind
from tests.conftest import Cloned


@dataclass(frozen=True, slots=True, kw_only=True)
class Rang(Event):
    name: ClassVar[str] = "house.bell_rang"
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck(Event):
    name: ClassVar[str] = "house.clock_struck"
    times: int


@pytest.fixture
async def context(tenant_database: Cloned, tmp_path: Path, clock: SetClock) -> AsyncIterator[Context]:
    tenant = Tenant(
        id="essai",
        name="Essai",
        is_test=True,
        database=tenant_database.database,
        contents=Contents(tmp_path.as_uri()),
        keys=Keys.create(tmp_path / "key"),
    )
    actor = Actor(kind=ActorKind.SYSTEM, id="bell", name="bell")
    yield Context(tenant=tenant, actor=actor, clock=clock, request_id="r")
    async with tenant.database.transaction() as connection:
        await connection.execute(text("update outbox set relayed_at = now()"))


async def ring(context: Context, times: int) -> UUID:
    async with transaction(context) as act:
        return await publish(act, Rang(patient_id=uuid4(), times=times))


async def test_an_event_is_delivered_once_and_marked(context: Context) -> None:
    heard: list[Waiting] = []

    async def listen(_: Tenant, event: Waiting) -> None:
        heard.append(event)

    subscribers = Subscribers()
    subscribers.bind(Rang.name, listen)
    event_id = await ring(context, 3)
    assert await relay(context.tenant, subscribers, context.clock) == Relayed(1, 0)
    assert await relay(context.tenant, subscribers, context.clock) == Relayed(0, 0)
    assert [(each.event_id, each.payload) for each in heard] == [(event_id, {"times": 3})]


async def test_an_event_nobody_listens_to_does_not_wait_for_ever(context: Context) -> None:
    await ring(context, 1)
    assert await relay(context.tenant, Subscribers(), context.clock) == Relayed(1, 0)


async def test_what_fails_waits_and_holds_nothing_else_up(context: Context, clock: SetClock) -> None:
    is_deaf = True

    async def listen(_: Tenant, event: Waiting) -> None:
        if is_deaf and event.payload["times"] == 1:
            raise ConnectionError("deaf")

    subscribers = Subscribers()
    subscribers.bind(Rang.name, listen)
    await ring(context, 1)
    await ring(context, 2)
    assert await relay(context.tenant, subscribers, context.clock) == Relayed(1, 1)
    async with context.tenant.database.transaction() as connection:
        attempts = await connection.execute(text("select attempts from outbox where relayed_at is null"))
        assert attempts.scalars().all() == [1]
    is_deaf = False
    assert await relay(context.tenant, subscribers, context.clock) == Relayed(0, 0)  # not due yet
    clock.advance(delay_after(1))
    assert await relay(context.tenant, subscribers, context.clock) == Relayed(1, 0)


async def test_what_always_fails_is_tried_ever_more_rarely_and_never_given_up(
    context: Context, clock: SetClock
) -> None:
    async def deaf(_: Tenant, __: Waiting) -> None:
        raise ConnectionError("deaf")

    subscribers = Subscribers()
    subscribers.bind(Rang.name, deaf)
    await ring(context, 1)
    begun, tried = clock.now(), []
    for attempt in range(1, 15):
        assert await relay(context.tenant, subscribers, context.clock) == Relayed(0, 1)
        tried.append(int((clock.now() - begun).total_seconds()))
        clock.advance(delay_after(attempt) - timedelta(seconds=1))
        assert await relay(context.tenant, subscribers, context.clock) == Relayed(0, 0)
        clock.advance(timedelta(seconds=1))
    waits = [after - before for before, after in itertools.pairwise(tried)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    assert delay_after(10**9) == timedelta(hours=1)


async def test_who_hangs_is_let_go_and_keeps_nothing_from_the_others(context: Context, clock: SetClock) -> None:
    asked: list[int] = []
    heard: list[int] = []

    async def hang(_: Tenant, event: Waiting) -> None:
        asked.append(event.payload["times"])
        await asyncio.Event().wait()

    async def hear(_: Tenant, event: Waiting) -> None:
        heard.append(event.payload["times"])

    subscribers = Subscribers()
    subscribers.bind(Rang.name, hang)
    subscribers.bind(Rang.name, hear)
    subscribers.bind(Struck.name, hear)
    for times in range(5):
        await ring(context, times)
    async with transaction(context) as act:
        await publish(act, Struck(patient_id=uuid4(), times=12))

    done = await relay(context.tenant, subscribers, context.clock, patience=1.0)
    assert (done, len(asked)) == (Relayed(1, 5), 1)  # asked once, and so waited for once
    assert sorted(heard) == [0, 1, 2, 3, 4, 12]
    clock.advance(delay_after(1))
    assert await relay(context.tenant, subscribers, context.clock, patience=0.1) == Relayed(0, 5)


async def test_a_run_that_lasts_leaves_the_rest_to_the_next(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    async def slow(_: Tenant, __: Waiting) -> None:
        nonlocal now
        now += 0.4 * relaying.TURN

    subscribers = Subscribers()
    subscribers.bind(Rang.name, slow)
    for times in range(6):
        await ring(context, times)
    monkeypatch.setattr(relaying, "time", SimpleNamespace(monotonic=lambda: now))
    assert await relay(context.tenant, subscribers, context.clock) == Relayed(3, 0)
    assert await relay(context.tenant, subscribers, context.clock) == Relayed(3, 0)
