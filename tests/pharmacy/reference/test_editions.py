"""One edition of each source is in force; the one before comes back when asked; the starter set takes nobody's."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy.reference.editions import editions, in_force, restore
from passerelle.pharmacy.reference.loading import load_published, load_starter
from passerelle.pharmacy.reference.sources import ReferenceOrigin, Source
from tests.conftest import Cloned


async def test_an_edition_is_restored_and_brought_back(
    tenant_database: Cloned, clock: SetClock, tmp_path: Path
) -> None:
    database = tenant_database.database
    (tmp_path / "thesaurus_2018_01.csv").write_text(
        "protagoniste1;protagoniste2;description_interaction\nABCINE;XYZOL;CONTRE-INDICATION\n"
    )
    with pytest.raises(Conflict) as refused:
        await restore(database, clock, Source.INTERACTIONS)
    assert refused.value.code == "REFERENCE_NOTHING_BEFORE"

    (first,) = await load_published(database, clock, Source.INTERACTIONS, tmp_path)
    (second,) = await load_published(
        database, clock, Source.INTERACTIONS, tmp_path / "thesaurus_2018_01.csv", dated=date(2018, 2, 1)
    )
    held = []
    for _ in range(3):
        async with database.transaction() as connection:
            held.append((await in_force(connection))[Source.INTERACTIONS].edition_id)
        await restore(database, clock, Source.INTERACTIONS)
    assert held == [second.edition_id, first.edition_id, second.edition_id]


async def test_the_starter_set_fills_what_is_empty_and_nothing_else(tenant_database: Cloned, clock: SetClock) -> None:
    database = tenant_database.database
    before = [each.edition_id for each in await editions(database)]

    (loaded,) = await load_starter(database, clock)  # the interactions were loaded above

    assert (loaded.source, loaded.origin, loaded.is_in_force) == (Source.BDPM, ReferenceOrigin.STARTER, True)
    assert not any(each["refused"] for each in loaded.files)
    assert await load_starter(database, clock) == []
    assert [each.edition_id for each in await editions(database)] == [loaded.edition_id, *before]
