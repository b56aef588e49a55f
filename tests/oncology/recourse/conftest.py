"""A network where patients are at home, and another where the experts are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from passerelle.identities.directory import Directory
from passerelle.kernel.clock import SetClock
from tests.builders import network
from tests.conftest import Cloned, Template
from tests.oncology.recourse.two_networks import Between, Exchange
from tests.oncology.sheet_life.opinions import Opinions


@pytest.fixture(scope="module")
async def elsewhere_database(tenant_template: Template) -> AsyncIterator[Cloned]:
    async for cloned in tenant_template.clone():
        yield cloned


@pytest.fixture(scope="module")
def networks(
    tenant_database: Cloned, elsewhere_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Opinions, Opinions]:
    clock = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC))
    trusted = {"1.2.250.1.213.1.4.10": "qualified"}
    home = network(tenant_database.database, tmp_path_factory.mktemp("home"), identity_status_when_unsaid=trusted)
    there = network(elsewhere_database.database, tmp_path_factory.mktemp("there"))
    return Opinions(tenant=home, clock=clock), Opinions(tenant=replace(there, id="ailleurs"), clock=clock)


@pytest.fixture
async def between(networks: tuple[Opinions, Opinions], directory_database: Cloned) -> Between:
    made = Between(*networks, Exchange(Directory(directory_database.database)))
    await made.set_up()
    return made
