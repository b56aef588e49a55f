"""Four networks over real databases, for a story to happen in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from passerelle.identities.directory import Directory
from passerelle.kernel.clock import SetClock
from passerelle_tenants.federation import keys
from passerelle_tenants.tables import tenant as recorded
from tests.builders import World, network
from tests.conftest import Cloned, Template
from tests.federation.story import NAMES, Story

_SKEWS = dict(zip(NAMES, map(timedelta, (0,) * 4, (0, 120, -120, 45)), strict=True))
_START = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


@asynccontextmanager
async def four_networks(
    tenant_template: Template, directory_template: Template, folder: Path
) -> AsyncIterator[Callable[[], Story]]:
    """Four networks that know each other; each call gives a new patient's story in them."""
    async with AsyncExitStack() as stack:
        clones = {each: await stack.enter_async_context(_cloned(tenant_template)) for each in NAMES}
        directory = Directory((await stack.enter_async_context(_cloned(directory_template))).database)
        said = {"is_test": True, "settings": {}, "created_at": _START}
        async with directory.database.transaction() as connection:
            rows = [{"tenant_id": each, "name": f"Réseau {each}", **said} for each in NAMES]
            await connection.execute(insert(recorded), rows)
        worlds = {}
        for name, cloned in clones.items():
            tenant = replace(network(cloned.database, folder / name), id=name, name=f"Réseau {name}")
            await keys.publish(tenant, directory.database, SetClock(_START - timedelta(minutes=5)))
            worlds[name] = World(tenant, SetClock(_START))

        def story() -> Story:
            """At the same hour for all: their clocks differ, and the keys that they publish are older than that."""
            latest = max(each.clock.now() for each in worlds.values()) + timedelta(minutes=10)
            for name, world in worlds.items():
                world.clock.set(latest + _SKEWS[name])
            return Story(worlds, directory, clones, tenant_template.postgres.url())

        yield story


@asynccontextmanager
async def _cloned(template: Template) -> AsyncIterator[Cloned]:
    database = template.clone()
    try:
        yield await anext(database)
    finally:
        async for _ in database:
            pass
