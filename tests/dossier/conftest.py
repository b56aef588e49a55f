"""A tenant whose doors are open to the use cases themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.keys import Keys
from tests.builders import World
from tests.conftest import Cloned


@pytest.fixture
def world(tenant_database: Cloned, tmp_path: Path, clock: SetClock) -> World:
    tenant = Tenant(
        id="essai",
        name="Réseau d'essai",
        is_test=True,
        database=tenant_database.database,
        contents=Contents((tmp_path / "contents").as_uri()),
        keys=Keys.create(tmp_path / "tenant.key"),
        identity_status_when_unsaid={"1.2.250.1.213.1.4.10": "qualified"},
    )
    return World(tenant=tenant, clock=clock)
