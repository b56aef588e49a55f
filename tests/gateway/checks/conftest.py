"""The starter set of medicines, and a patient before a pharmacist."""

from __future__ import annotations

import pytest

from passerelle.identities.directory import Establishment
from passerelle.pharmacy.reference.loading import load_starter
from tests.gateway.checks.counter import (
    TOWN,
    Counter,
    at_counter,
)
from tests.gateway.serving import TENANT, Serving
from tests.pharmacy.lines import PHARMACY


@pytest.fixture(scope="module")
async def loaded(serving: Serving) -> Serving:
    await load_starter(serving.world.tenant.database, serving.world.clock)
    establishments = [
        Establishment(finess=finess, name="Essai", basin="essai", tenant_id=TENANT, category=category)
        for finess, category in ((PHARMACY, "SA33"), (TOWN, "SA07"))
    ]
    await serving.directory.register_establishments(establishments)
    return serving


@pytest.fixture
async def counter(loaded: Serving) -> Counter:
    return await at_counter(loaded)
