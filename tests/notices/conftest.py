"""A tenant whose doors are open to the use cases themselves; its keys last as long as its database."""

from __future__ import annotations

import pytest

from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Tenant
from tests.builders import World, network
from tests.conftest import Cloned


@pytest.fixture(scope="module")
def tenant(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return network(tenant_database.database, tmp_path_factory.mktemp("premises"))


@pytest.fixture
def world(tenant: Tenant, clock: SetClock) -> World:
    return World(tenant=tenant, clock=clock)
