"""The published board sheets (../shared/data/cda), each of them: read, written again, equal in everything coded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from passerelle.dossier.formats import cda
from passerelle.oncology.coded import Code
from passerelle.oncology.formats import frcp
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_fields import answer, items, missing, put
from tests.formats.samples import SHARED, needs_shared, refusal
from tests.oncology.formats.coding import coded
from tests.oncology.formats.test_frcp import schema

pytestmark = needs_shared

ORGAN = SHARED / "cda" / "ci-sis-2022-2025" / "CANCER-FRCP_2022.01_Appareil.xml"
TRANSVERSAL = SHARED / "cda" / "ci-sis-2022-2025" / "CANCER-FRCP_2025.01_Transversale.xml"
SHEETS = [ORGAN, TRANSVERSAL]


def test_every_published_sheet_is_here() -> None:
    mark = f'root="{frcp.TEMPLATE}"'.encode()
    assert [path for path in sorted((SHARED / "cda").glob("*/*.xml")) if mark in path.read_bytes()] == SHEETS


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_what_is_written_is_equal_in_its_coded_content(path: Path) -> None:
    sheet = frcp.read(path.read_bytes())
    assert BoardSheet.from_json(json.loads(json.dumps(sheet.to_json()))) == sheet
    written = frcp.written(sheet)
    schema().assertValid(etree.fromstring(written))
    assert coded(cda.clinical_document(written)) == coded(cda.clinical_document(path.read_bytes()))
    assert frcp.read(written) == sheet
    assert missing(sheet) == []


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_a_published_sheet_that_is_corrected_stays_valid(path: Path) -> None:
    sheet = frcp.read(path.read_bytes())
    changed = put(sheet, quorum="ORG-133", recourse_board=True, case_summary="Autre question")
    written = frcp.written(changed)
    schema().assertValid(etree.fromstring(written))
    assert frcp.read(written) == changed
    assert items(changed, "tumours") == items(sheet, "tumours")
    before, after = coded(cda.clinical_document(frcp.written(sheet))), coded(cda.clinical_document(written))
    assert sum((before - after).values()) < 60


def test_the_fields_of_a_published_sheet() -> None:
    sheet = frcp.read(ORGAN.read_bytes())
    quorum = answer(sheet, "quorum")
    assert isinstance(quorum, Code)
    assert quorum.code == "ORG-126"
    assert answer(sheet, "paediatric_board") is True
    assert answer(sheet, "performance_status_at") == "20190215"
    assert answer(sheet, "pathology_conclusion") == "Texte de la conclusion du CR-ACP"
    (tumour,) = items(sheet, "tumours")
    assert {name: each.code for name, each in tumour.items() if isinstance(each, Code)} == {
        "topography": "C50.2",
        "laterality": "24028007",
        "morphology": "8000/3",
        "stage": "IB",
        "tnm_version": "7",
        "tnm_t": "T1b",
        "tnm_n": "N1",
        "tnm_m": "M0",
    }
    assert [each["rank"] for each in items(sheet, "proposals")] == ["1", "2", "3"]
    assert len(items(sheet, "past_treatments")) == 2
    assert [len(sheet.members_present), len(sheet.correspondents)] == [2, 1]


def test_the_fields_of_a_sheet_of_2025() -> None:
    sheet = frcp.read(TRANSVERSAL.read_bytes())
    care = answer(sheet, "care")
    assert isinstance(care, Code)
    assert (care.code, answer(sheet, "organ_system")) == ("C15747", None)
    assert [each.get("score") for each in items(sheet, "evaluations")][:1] == [12]
    assert len(items(sheet, "requests")) == 3
    assert items(sheet, "patient_wishes") == ({"wish": "texte libre", "wished": "20190215"},)
    assert answer(sheet, "gravidity") == 2


def test_an_older_document_of_the_record_is_no_sheet() -> None:
    path = SHARED / "cda" / "legacy-2016-2020" / "CR_ACP_sein_DCC_v1.5.xml"
    assert refusal(lambda: frcp.read(path.read_bytes())) == "NOT_A_BOARD_SHEET"
