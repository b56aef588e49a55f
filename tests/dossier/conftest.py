"""A tenant whose doors are open to the use cases themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from passerelle.kernel.clock import SetClock
from tests.builders import World, network
from tests.conftest import Cloned


@pytest.fixture
def world(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory, clock: SetClock) -> World:
    trusted = {"1.2.250.1.213.1.4.10": "qualified"}
    premises = tmp_path_factory.mktemp("premises")
    return World(tenant=network(tenant_database.database, premises, identity_status_when_unsaid=trusted), clock=clock)


@pytest.fixture
def test_network(world: World) -> World:
    """The same tenant with the rules of a test network: every INS OID is worth a qualified identity, and
    feeding opens the record that is missing."""
    status = {f"1.2.250.1.213.1.4.{each}": "qualified" for each in (8, 9, 10, 11)}
    return World(
        tenant=replace(world.tenant, identity_status_when_unsaid=status, opens_dossier=True), clock=world.clock
    )
