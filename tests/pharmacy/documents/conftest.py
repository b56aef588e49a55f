"""A pharmacy and a patient whose record it opened, with the starter set of medicines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from passerelle.kernel.clock import SetClock
from passerelle.pharmacy.reference.loading import load_starter
from tests.builders import network
from tests.conftest import Cloned
from tests.pharmacy.documents.papers import Papers


@pytest.fixture(scope="module")
async def loaded(tenant_database: Cloned) -> Cloned:
    await load_starter(tenant_database.database, SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC)))
    return tenant_database


@pytest.fixture
def world(loaded: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Papers:
    premises = tmp_path_factory.mktemp("premises")
    clock = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC))
    return Papers(tenant=network(loaded.database, premises), clock=clock)
