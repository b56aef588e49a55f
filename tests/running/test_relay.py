"""What an outbox holds reaches those who listen, at least once, whatever one of them does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
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
from passerelle_ops.relay import Relayed, Subscribers, relay
from passerelle_policies.vocabulary import ActorKind
from tests.conftest import Cloned


@dataclass(frozen=True, slots=True, kw_only=True)
class Rang(Event):
    name: ClassVar[str] = "house.bell_rang"
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


async def test_what_fails_waits_and_holds_nothing_else_up(context: Context) -> None:
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
    assert await relay(context.tenant, subscribers, context.clock) == Relayed(1, 0)
