"""One network of pharmacies for each module."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from passerelle.identities.directory import Directory
from passerelle.kernel.clock import SetClock
from tests.builders import World, network
from tests.pharmacy.recalls.counter import Counter

if TYPE_CHECKING:
    from tests.conftest import Cloned


@pytest.fixture(scope="module")
async def counter(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> Counter:
    tenant = network(tenant_database.database, tmp_path_factory.mktemp("recalls"))
    world = World(tenant, SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC)))
    return Counter(world, Directory(directory_database.database))
