"""What documents name is found in the edition in force by its codes, or stays named and unknown."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from passerelle.kernel.clock import SetClock
from passerelle.kernel.database import Database
from passerelle.pharmacy.formats.dispensation import read_dispensation
from passerelle.pharmacy.formats.prescription import read_prescription
from passerelle.pharmacy.formats.products import Product
from passerelle.pharmacy.naming import Known, box_of, cis_of, named
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.reference.loading import load_starter
from tests.conftest import Cloned
from tests.formats.samples import SHARED, needs_shared

CIP13, CIP7, CIS = "3400933516390", "3351639", "63107752"


@pytest.fixture(scope="module")
async def starter(tenant_database: Cloned) -> Database:
    await load_starter(tenant_database.database, SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC)))
    return tenant_database.database


@pytest.mark.parametrize(
    ("codes", "known", "box", "cis"),
    [
        ({"cip13": CIP13, "cis": "60000000"}, Known.CIP13, CIP13, "60000000"),
        ({"cip7": CIP7}, Known.CIP7, CIP13, None),
        ({"cip13": "3400930000007", "cip7": CIP7}, Known.CIP7, "3400930000007", None),
        ({"cis": CIS}, Known.CIS, None, CIS),
        ({"cip13": "3400930000008", "cis": CIS}, Known.CIS, None, CIS),
        ({"cip13": "3400930000007"}, Known.UNKNOWN, "3400930000007", None),
        ({"ucd": "9000001", "atc": "J07BB02"}, Known.UNKNOWN, None, None),
        ({"cis": "6310775"}, Known.UNKNOWN, None, None),
        ({}, Known.UNKNOWN, None, None),
    ],
)
async def test_by_the_finest_code_that_is_known(
    starter: Database, codes: dict[str, str], known: Known, box: str | None, cis: str | None
) -> None:
    product = Product(label="Comme le document le dit", **codes)  # type: ignore[arg-type]
    found = await named(starter, product)
    assert (found.known, found.label) == (known, product.label)
    assert (box_of(product), cis_of(product)) == (box, cis)
    assert (found.medicine is None) == (known is Known.UNKNOWN)
    assert found.code is None or found.medicine is None
    if found.medicine is not None:
        assert (found.medicine.cis, found.product_class) == (CIS, ProductClass.MEDICINE)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ({"ucd": "3400892669236", "atc": "B01AB05"}, "UCD 3400892669236"),
        ({"ucd": "9266923"}, "UCD 9266923"),
        ({"cip13": "3400930000007", "cis": "60000000"}, "CIP 3400930000007"),
        ({"cip7": "3000000", "ucd": "9266923"}, "CIP 3000000"),
        ({"cis": "60000000"}, "CIS 60000000"),
        ({"emdn": "V0806", "lpp": "1283879"}, "LPP 1283879"),
        ({"atc": "B01AB05"}, "ATC B01AB05"),
        ({}, None),
    ],
)
async def test_an_unknown_product_keeps_its_code_and_the_system_of_it(
    starter: Database, codes: dict[str, str], said: str | None
) -> None:
    product = Product(label="Comme le document le dit", **codes)  # type: ignore[arg-type]
    assert (await named(starter, product)).code == said


async def test_an_unknown_product_has_the_class_that_it_shows(starter: Database) -> None:
    classes = {
        ProductClass.VACCINE: Product(label="Grippe", atc="J07BB02"),
        ProductClass.DEVICE: Product(label="Lit médical", emdn="V0806"),
        ProductClass.MEDICINE: Product(label="Préparation magistrale"),
    }
    assert {each: (await named(starter, product)).product_class for each, product in classes.items()} == {
        each: each for each in classes
    }


@needs_shared
async def test_the_published_documents_name_what_is_found_and_what_is_not(starter: Database) -> None:
    folder = SHARED / "cda" / "ci-sis-2022-2025"
    products: list[Product] = []
    for path in sorted(folder.glob("eP-MED-DM_*.xml")):
        products += [each.product for each in read_prescription(path.read_bytes()).lines]
    for path in sorted(folder.glob("eDISP-MED_*.xml")):
        products += [each.product for each in read_dispensation(path.read_bytes()).lines]
    found = [await named(starter, each) for each in products]
    assert Counter((each.known.value, each.product_class.value) for each in found) == {
        ("cip13", "medicine"): 4,  # the same paracetamol each time
        ("unknown", "medicine"): 4,  # a magistral preparation
        ("unknown", "device"): 3,  # a bed
    }
