"""Tables are read once for each network, however many there are, and no network keeps more than a few."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID, uuid4

from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Context
from passerelle.pharmacy.checks.interactions import Interactions
from passerelle.pharmacy.checks.kept_tables import interactions_of
from tests import builders
from tests.conftest import Cloned

NETWORKS = 30


async def _read(context: Context, edition_id: UUID) -> Interactions:
    return await interactions_of(context, edition_id, date(2026, 5, 1))


async def test_no_network_pushes_another_s_tables_out_and_each_keeps_two(
    tenant_database: Cloned, tmp_path: Path
) -> None:
    clock, one = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC)), builders.network(tenant_database.database, tmp_path)
    worlds = [builders.World(replace(one, id=f"essai-{number}"), clock) for number in range(NETWORKS)]
    each_its_own = [(world.context(builders.operator()), uuid4()) for world in worlds]
    first = [await _read(*each) for each in each_its_own]
    again = [await _read(*each) for each in each_its_own]
    assert all(one is other for one, other in zip(first, again, strict=True))

    (context, old), *others = each_its_own
    newer = uuid4()
    kept = await _read(context, newer)
    assert await _read(context, old) is first[0]  # one goes back to the edition before
    await _read(context, uuid4())
    assert await _read(context, old) is first[0]
    assert await _read(context, newer) is not kept
    assert [await _read(*each) for each in others] == first[1:]
