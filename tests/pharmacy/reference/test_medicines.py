"""Medicines are found by code, by words of their names and substances, and by generic group."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from passerelle.kernel.clock import SetClock
from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.pharmacy.reference import medicines
from passerelle.pharmacy.reference.loading import load_starter
from tests.conftest import Cloned


@pytest.fixture(scope="module")
async def starter(tenant_database: Cloned) -> Database:
    with pytest.raises(Conflict) as refused:
        await medicines.search(tenant_database.database, "doliprane", least=3, first=5)
    assert refused.value.code == "MEDICINES_NOT_LOADED"
    await load_starter(tenant_database.database, SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC)))
    return tenant_database.database


async def _names(database: Database, asked: str, first: int = 50) -> list[str]:
    return [each.name for each in (await medicines.search(database, asked, least=3, first=first)).medicines]


async def test_a_code_finds_its_medicine(starter: Database) -> None:
    found = (await medicines.search(starter, "kardegic", least=3, first=1)).medicines[0]
    box = found.presentations[0]

    assert found.name.startswith("KARDEGIC 75 mg")
    assert found.dated == date(2026, 5, 1)
    assert (found.atc, found.product_class, found.is_major_interest) == ("B01AC06", "medicine", True)
    assert await medicines.medicine(starter, cis=found.cis) == found
    assert await medicines.medicine(starter, cip13=box.cip13) == found
    assert await medicines.medicine(starter, cip7=box.cip7) == found
    assert await medicines.medicine(starter, cip13="3400930000007") is None
    aspirin = found.substances[-1]
    assert "acide acetylsalicylique" in aspirin.known_as
    assert "anticoagulants oraux" not in aspirin.families


@pytest.mark.parametrize(
    ("codes", "refusal"),
    [
        ({"cip13": "3400930000008"}, "CIP_INVALID"),
        ({"cip7": "123"}, "CIP_INVALID"),
        ({"cis": "x"}, "CIS_INVALID"),
        ({}, "MEDICINE_ONE_CODE"),
        ({"cis": "60003620", "cip7": "3696350"}, "MEDICINE_ONE_CODE"),
    ],
)
async def test_a_code_that_cannot_be_is_refused(starter: Database, codes: dict[str, str], refusal: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await medicines.medicine(starter, **codes)
    assert refused.value.code == refusal


async def test_words_in_any_order_without_accents_find_names_and_substances(starter: Database) -> None:
    assert await _names(starter, "doliprane 500") == await _names(starter, "500 DOLI") != []
    assert set(await _names(starter, "doliprane")) < set(await _names(starter, "Paracétamol"))
    assert [name.split()[0] for name in await _names(starter, "hydrogenosulfate clopidogrel")] == [
        "CLOPIDOGREL",
        "PLAVIX",
    ]
    assert await _names(starter, "rien de tel") == []
    for never in ("%%%", "__", "'", "a b", ""):
        with pytest.raises(InvalidInput) as refused:
            await medicines.search(starter, never, least=3, first=5)
        assert refused.value.code == "MEDICINE_SEARCH_SHORT"


async def test_pages_follow_one_another_and_miss_nothing(starter: Database) -> None:
    whole = await _names(starter, "comprime", 100)
    read: list[str] = []
    after = None
    while True:
        page = await medicines.search(starter, "comprime", least=3, first=7, after=after)
        read += [each.name for each in page.medicines]
        after = page.after
        if after is None:
            break
    assert read == whole
    assert len(whole) > 14
    with pytest.raises(InvalidInput) as refused:
        await medicines.search(starter, "comprime", least=3, first=7, after="abc")
    assert refused.value.code == "CURSOR_INVALID"


async def test_a_generic_group_gives_alternatives_and_says_who_is_short(starter: Database) -> None:
    found = (await medicines.search(starter, "glucophage", least=3, first=1)).medicines[0]
    others = await medicines.alternatives(starter, found.cis, most=10)
    assert [each.name for each in others] == ["METFORMINE ALMUS 1000 mg, comprimé pelliculé"]
    lithium = (await medicines.search(starter, "teralithe", least=3, first=1)).medicines[0]
    assert lithium.is_short
    assert [each.status for each in lithium.shortages] == ["strained"]
    assert not others[0].is_short


async def test_products_come_in_one_statement_with_substances_and_families(starter: Database) -> None:
    box = (await medicines.search(starter, "xarelto", least=3, first=1)).medicines[0].presentations[0].cip13
    async with starter.transaction() as connection:
        found = await medicines.products(connection, [box, "3400930000007"])
    assert set(found) == {box}
    assert {"rivaroxaban", "anticoagulants oraux"} <= found[box].names
