"""(b) Two worlds that differ in one document which the reader may not see answer him octet for octet alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from passerelle_ops.bench._twins import CROSSED, Twins, twins_over
from passerelle_ops.bench._worlds import Seeded
from tests.conftest import Cloned, Template
from tests.proofs.conftest import Drawn

pytestmark = pytest.mark.no_cover  # test_bench_leak passes the same lines
_worlds = count(1)


@pytest.fixture(scope="module")
async def twins(
    tenant_template: Template, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Twins]:
    began = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
    async for left in tenant_template.clone():
        async for right in tenant_template.clone():
            databases, folder = (left.database, right.database), tmp_path_factory.mktemp("twins")
            async with twins_over(databases, directory_database.database, folder, began) as made:
                yield made


@settings(
    max_examples=7,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
async def test_a_document_out_of_sight_changes_no_octet(twins: Twins, data: st.DataObject) -> None:
    compared = await twins.compare(next(_worlds), Drawn(data), whole=False)
    assert compared.leaks == []


async def test_both_executors_answer_alike(twins: Twins) -> None:
    """In generated worlds, whoever asks: the one compiles, the other does not."""
    for seed in ("one", "two"):
        compared = await twins.compare(next(_worlds), Seeded(f"executors-{seed}"), whole=False, pairs=[CROSSED])
        assert compared.leaks == []
        assert compared.examples


async def test_nor_whatever_is_asked(twins: Twins) -> None:
    """Everything that can be asked, in a world where most of it answers."""
    compared = await twins.compare(next(_worlds), Seeded("whole"), rounds=1, whole=True)
    assert compared.leaks == []
    assert compared.examples
    assert compared.answers > 50 * compared.examples
