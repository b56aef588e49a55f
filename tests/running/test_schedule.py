"""Turns of a task: one at a time in each network, and a worker that dies lets go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from passerelle.kernel.clock import Clock, SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.errors import TryLater
from passerelle.kernel.keys import Keys
from passerelle_ops.relay import Subscribers
from passerelle_ops.schedule import Periodic, beat_context, periodic_tasks, run_alone
from passerelle_policies.vocabulary import ActorKind
from tests.conftest import Cloned


@pytest.fixture
def tenant(tenant_database: Cloned, tmp_path: Path) -> Tenant:
    return Tenant(
        id="essai",
        name="Essai",
        is_test=True,
        database=tenant_database.database,
        contents=Contents(tmp_path.as_uri()),
        keys=Keys.create(tmp_path / "key"),
    )


class Slow:
    """A task that waits to be let go."""

    def __init__(self) -> None:
        self.turns = 0
        self.begun, self.let_go = asyncio.Event(), asyncio.Event()

    async def run(self, _tenant: Tenant, _clock: Clock) -> None:
        self.turns += 1
        self.begun.set()
        await self.let_go.wait()


async def test_a_task_that_runs_is_not_started_again(tenant: Tenant, clock: SetClock) -> None:
    slow, other = Slow(), Slow()
    other.let_go.set()
    first = asyncio.create_task(run_alone(Periodic("slow", 1.0, slow.run), tenant, clock))
    await slow.begun.wait()

    assert not await run_alone(Periodic("slow", 1.0, slow.run), tenant, clock)
    assert await run_alone(Periodic("other", 1.0, other.run), tenant, clock)
    slow.let_go.set()
    assert await first
    assert await run_alone(Periodic("slow", 1.0, slow.run), tenant, clock)
    assert (slow.turns, other.turns) == (2, 1)


async def test_one_network_does_not_wait_for_another(
    tenant: Tenant, directory_database: Cloned, clock: SetClock
) -> None:
    slow, quick = Slow(), Slow()
    quick.let_go.set()
    elsewhere = replace(tenant, id="ailleurs", database=directory_database.database)
    first = asyncio.create_task(run_alone(Periodic("task", 1.0, slow.run), tenant, clock))
    await slow.begun.wait()
    assert await run_alone(Periodic("task", 1.0, quick.run), elsewhere, clock)
    slow.let_go.set()
    assert await first


async def test_a_task_that_falls_has_its_next_turn(tenant: Tenant, clock: SetClock) -> None:
    async def fall(_tenant: Tenant, _clock: Clock) -> None:
        raise ZeroDivisionError

    slow = Slow()
    slow.let_go.set()
    with pytest.raises(ZeroDivisionError):
        await run_alone(Periodic("slow", 1.0, fall), tenant, clock)
    assert await run_alone(Periodic("slow", 1.0, slow.run), tenant, clock)


async def test_a_worker_whose_connection_dies_holds_nothing_up(
    tenant: Tenant, tenant_database: Cloned, clock: SetClock
) -> None:
    slow = Slow()
    dying = replace(tenant, database=Database(tenant_database.url))
    turn = asyncio.create_task(run_alone(Periodic("slow", 1.0, slow.run), dying, clock))
    await slow.begun.wait()
    async with tenant.database.transaction() as connection:
        await connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_locks join pg_database on pg_database.oid = database"
                " where locktype = 'advisory' and datname = current_database()"
            )
        )
    slow.let_go.set()
    with pytest.raises(TryLater):
        await turn
    assert await run_alone(Periodic("slow", 1.0, slow.run), tenant, clock)
    await dying.database.close()


def test_the_table_says_each_task_once_and_who_acts(tenant: Tenant, clock: SetClock) -> None:
    tasks = periodic_tasks(Subscribers(), 5.0)
    names = [task.name for task in tasks]
    assert len(set(names)) == len(names)
    assert {
        "relay",
        "seal",
        "announcements",
        "readers",
        "majority",
        "openings",
        "suspensions",
        "erasures",
        "recalls",
    } <= set(names)
    assert all(0 < task.every <= 3600 for task in tasks)
    assert beat_context(tenant, clock).actor.kind is ActorKind.SYSTEM


async def test_every_task_has_its_turn_in_an_empty_network(tenant: Tenant, clock: SetClock) -> None:
    for task in periodic_tasks(Subscribers(), 5.0):
        assert await run_alone(task, tenant, clock), task.name
