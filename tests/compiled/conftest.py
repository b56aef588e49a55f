"""The compiler and the reference over two databases of a test module's own, and some worlds in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from passerelle_ops.bench._alike import Alike, Ground, alike_over
from passerelle_ops.bench._worlds import Seeded
from tests.conftest import Cloned, Template

WORLDS = 4


@pytest.fixture(scope="module")
async def alike(
    tenant_template: Template, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Alike]:
    began = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
    async for left in tenant_template.clone():
        async for right in tenant_template.clone():
            databases, folder = (left.database, right.database), tmp_path_factory.mktemp("alike")
            async with alike_over(databases, directory_database.database, folder, began) as made:
                yield made


@pytest.fixture(scope="module")
async def grounds(alike: Alike) -> Sequence[Ground]:
    """Generated worlds, each in both databases."""
    return [await alike.begin(number, Seeded(f"alike-{number}")) for number in range(WORLDS)]
