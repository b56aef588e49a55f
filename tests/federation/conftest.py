"""Two networks that a patient is known to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from passerelle.kernel.clock import SetClock
from tests.conftest import Cloned, Template
from tests.federation.dossier_travels import Networks, networks


@pytest.fixture(scope="module")
async def elsewhere(tenant_template: Template) -> AsyncIterator[Cloned]:
    async for cloned in tenant_template.clone():
        yield cloned


@pytest.fixture
def both(
    tenant_database: Cloned, elsewhere: Cloned, tmp_path_factory: pytest.TempPathFactory, clock: SetClock
) -> Networks:
    return networks(tenant_database, elsewhere, tmp_path_factory.mktemp("premises"), clock)
