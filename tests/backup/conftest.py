"""A network to back up."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.kernel.clock import SetClock
from tests.builders import World, network
from tests.conftest import Cloned


@pytest.fixture
def world(tenant_database: Cloned, tmp_path: Path, clock: SetClock) -> World:
    return World(tenant=network(tenant_database.database, tmp_path), clock=clock)
