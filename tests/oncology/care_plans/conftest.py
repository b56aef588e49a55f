"""A tenant where patients are treated."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from passerelle.kernel.clock import SetClock
from tests.builders import network
from tests.conftest import Cloned
from tests.oncology.care_plans.caring import Caring


@pytest.fixture(scope="module")
def world(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Caring:
    clock = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC))
    trusted = {"1.2.250.1.213.1.4.10": "qualified"}
    premises = tmp_path_factory.mktemp("premises")
    return Caring(tenant=network(tenant_database.database, premises, identity_status_when_unsaid=trusted), clock=clock)
