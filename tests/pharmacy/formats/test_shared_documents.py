"""The published samples: every prescription, dispensation and allergy of ../shared/data/cda, read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from passerelle.dossier.formats.allergies import allergies
from passerelle.kernel.errors import InvalidInput
from passerelle.pharmacy.formats.dispensation import read_dispensation
from passerelle.pharmacy.formats.prescription import read_prescription
from tests.formats.samples import SHARED, needs_shared

CURRENT = SHARED / "cda" / "ci-sis-2022-2025"
FILES = sorted((SHARED / "cda").glob("*/*.xml"))


@needs_shared
@pytest.mark.parametrize("name", ["2022.01_PosoStruct", "2023.01_PosoNonStruct", "2024.01_PosoStruct"])
def test_prescriptions_of_three_years_name_products_dosages_and_prescriber(name: str) -> None:
    read = read_prescription((CURRENT / f"eP-MED-DM_{name}.xml").read_bytes())
    drug, preparation, bed = read.lines
    assert (drug.product.cis, drug.product.cip13, drug.product.atc) == ("63107752", "3400933516390", "N02BE01")
    assert drug.product.substances == ("Paracetamol",)
    assert (drug.quantity, drug.renewals, drug.period.days, drug.substitution) == (Decimal(2), 3, 6, "N")
    assert drug.dosage is not None
    assert drug.dosage.startswith("1 à 2 comprimés 3 fois/j" if "NonStruct" in name else "1 cp à 2 cp, 3 fois/j")
    assert " puis " in drug.dosage
    assert (preparation.product.cis, preparation.product.cip13) == (None, None)
    assert preparation.product.label.startswith("Préparation magistrale")
    assert preparation.dosage is not None
    assert (bed.kind, bed.product.emdn, bed.product.lpp) == ("device", "V0806", "1215702")
    assert read.prescriber is not None
    assert read.prescriber.rpps == "01234567897"
    assert read.number == "1.2.250.1.215.500.1.1^01S2TBPZ2JCNZZYGHZ"


@needs_shared
def test_the_dispensation_says_which_line_of_which_prescription_it_answers() -> None:
    read = read_dispensation((CURRENT / "eDISP-MED_2024.01.xml").read_bytes())
    assert (read.pharmacy, read.prescription_ids) == ("750512345", ("1.2.250.1.213.1.1.1.39.1.1",))
    given, made = read.lines
    assert (given.product.cip13, given.product.batch, given.quantity) == ("3400933516390", "12345", Decimal(2))
    assert given.dosage == "1 cp, 4 fois/j à partir du 25/01/2021 pendant 2 jours, 1500 mg/j à 3000 mg/j, Voie orale"
    assert (given.substitution, given.is_prescribed) == ("G", True)
    assert given.prescription_item_id == "AADC9C14-F1CA-4177-B2C8-A5178D5B3CA0"
    assert (made.product.cip13, made.dosage, made.prescription_id) == (None, None, "1.2.250.1.213.1.1.1.39.12345.1")


@needs_shared
def test_every_document_with_coded_allergies_gives_them() -> None:
    """And the two that say there are none give none."""
    read = {path.name: found for path in FILES if (found := _allergies(path))}
    assert {name: len(found) for name, found in read.items()} == {
        "01_Modeles_contenus_CDA.xml": 1, "CARD-F-PRC-AVK_2022.01.xml": 4, "CSE-CS24_2025.01.xml": 1,
        "DLU-EHPAD-DLU_2022.01.xml": 2, "DLU_DLU_v1.2.xml": 2, "IPS-FR_2024.01.xml": 1, "LDL-EES_v2.3.xml": 1,
        "OBP-SAP_2024.01.xml": 1, "TLM-DA_2022.01_TCG.xml": 1, "VAC-NOTE_2021.01.xml": 1, "VAC_v3.1.xml": 1,
        "VSM_1.4_2022.01.xml": 1,
    }  # fmt: skip
    assert read["VSM_1.4_2022.01.xml"] == [("60234100", "PARACETAMOL", "inactive")]
    assert read["CSE-CS24_2025.01.xml"] == [(None, "allergie alimentaire", "unknown")]


def _allergies(path: Path) -> list[tuple[str | None, str, str]]:
    try:
        return [(each.code, each.label, each.status) for each in allergies(path.read_bytes())]
    except InvalidInput as refused:
        assert refused.code == "NOT_A_CLINICAL_DOCUMENT", path.name  # noqa: PT017
        return []
