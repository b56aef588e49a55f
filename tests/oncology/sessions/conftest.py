"""A network with its boards, for each test module."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from passerelle.kernel.clock import SetClock
from tests import builders
from tests.conftest import Cloned
from tests.oncology.sessions.region import Region


@pytest.fixture(scope="module")
def region(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Region:
    premises: Path = tmp_path_factory.mktemp("premises")
    clock = SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC))
    return Region(builders.World(builders.network(tenant_database.database, premises), clock))
