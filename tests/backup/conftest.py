"""A network to back up, and its operator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from passerelle.kernel.clock import SetClock
from passerelle.kernel.database import Database
from passerelle_ops.backup.envelope import Opener, Recipient, create_keys
from passerelle_ops.backup.ledger import Ledger
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.sources import Source
from passerelle_ops.migrations import TENANT
from passerelle_tenants.onboarding import Site
from tests.backup.house import House
from tests.builders import World, network
from tests.conftest import Cloned


@pytest.fixture
def world(tenant_database: Cloned, tmp_path: Path, clock: SetClock) -> World:
    return World(tenant=network(tenant_database.database, tmp_path), clock=clock)


@pytest.fixture
async def house(tenant_database: Cloned, postgres: Any, world: World, tmp_path: Path) -> AsyncIterator[House]:
    owner = Database(tenant_database.owner_url, pool_size=2)
    tenant = replace(world.tenant, database=owner)
    create_keys(tmp_path / "operator", tmp_path / "operator.pub")
    ledger = Ledger(Place(str(tmp_path / "ledger")), tenant)
    source = Source(
        name="essai",
        site=Site(owner_url=tenant_database.owner_url, serving_url=tenant_database.url, admin_url=postgres.url()),
        history=TENANT,
        keys=tenant.keys,
        database=owner,
        ledger=ledger,
        tenant=tenant,
    )
    yield House(
        world=world,
        source=source,
        place=Place(str(tmp_path / "backups")),
        recipient=Recipient.load(tmp_path / "operator.pub"),
        opener=Opener.load(tmp_path / "operator"),
        ledger=ledger,
        premises=Path(urlsplit(tenant.contents.url).path),
    )
    await owner.close()
