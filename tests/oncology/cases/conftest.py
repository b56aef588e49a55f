"""A tenant where boards meet."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from passerelle.kernel.clock import SetClock
from tests.builders import network
from tests.conftest import Cloned
from tests.oncology.cases.meetings import Meetings


@pytest.fixture
def world(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Meetings:
    clock = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC))
    trusted = {"1.2.250.1.213.1.4.10": "qualified"}
    premises = tmp_path_factory.mktemp("premises")
    return Meetings(
        tenant=network(tenant_database.database, premises, identity_status_when_unsaid=trusted), clock=clock
    )
