"""A tenant where boards give opinions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from passerelle.kernel.clock import SetClock
from tests.builders import network
from tests.conftest import Cloned
from tests.oncology.sheet_life.opinions import Opinions


@pytest.fixture(scope="module")
def world(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Opinions:
    clock = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC))
    trusted = {"1.2.250.1.213.1.4.10": "qualified"}
    premises = tmp_path_factory.mktemp("premises")
    return Opinions(
        tenant=network(tenant_database.database, premises, identity_status_when_unsaid=trusted), clock=clock
    )
