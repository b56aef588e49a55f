"""The two networks, over databases of a module's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from passerelle.identities.directory import Directory
from passerelle_tenants.federation.kinds.dispensations import Dispensations
from passerelle_tenants.federation.kinds.emergencies import Emergencies
from passerelle_tenants.federation.kinds.recalls import RecallFollowUps, Recalls
from passerelle_tenants.federation.kinds.relations import Relations
from tests.conftest import Cloned, Template
from tests.federation.visits.visiting import Visit, visit


@pytest.fixture(scope="module")
async def elsewhere(tenant_template: Template) -> AsyncIterator[Cloned]:
    async for cloned in tenant_template.clone():
        yield cloned


@pytest.fixture(scope="module")
async def between(
    tenant_database: Cloned,
    elsewhere: Cloned,
    directory_database: Cloned,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Visit]:
    kinds = (Relations(), Emergencies(), Dispensations(), Recalls(), RecallFollowUps())
    databases = [tenant_database.database, elsewhere.database]
    folder = tmp_path_factory.mktemp("networks")
    async with visit(databases, Directory(directory_database.database), folder, kinds) as made:
        yield made
