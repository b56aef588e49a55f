"""A tenant whose doors are open to the use cases themselves; its keys last as long as its database."""

from __future__ import annotations

import pytest

from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.keys import Keys
from tests.builders import World
from tests.conftest import Cloned


@pytest.fixture(scope="module")
def tenant(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    premises = tmp_path_factory.mktemp("premises")
    return Tenant(
        id="essai",
        name="Réseau d'essai",
        is_test=True,
        database=tenant_database.database,
        contents=Contents((premises / "contents").as_uri()),
        keys=Keys.create(premises / "tenant.key"),
    )


@pytest.fixture
def world(tenant: Tenant, clock: SetClock) -> World:
    return World(tenant=tenant, clock=clock)
