"""A sheet takes what its sources code, says from which, and leaves what a person wrote."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from passerelle.dossier import visibility
from passerelle.kernel.errors import InvalidInput
from passerelle.oncology import attachments, sources
from passerelle.oncology.attachments import AttachmentNature
from passerelle.oncology.coded import Code
from passerelle.oncology.extraction import taken
from passerelle.oncology.formats import frcp
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_fields import answer, begun, items, put
from tests.builders import document
from tests.formats.samples import SHARED, needs_shared
from tests.oncology.cases import papers
from tests.oncology.cases.meetings import Heard, Meetings
from tests.oncology.sheets import COMPULSORY, a_header, tumour

PATHOLOGY, LABORATORY, SUMMARY, FRCP = "11526-1", "11502-2", "60591-5", "34794-8"


async def attached(world: Meetings, it: Heard, type_code: str, content: bytes, at: str = "20261101") -> str:
    """A document filed and attached to the case; its id as `sources` has it."""
    made = document(type_code=type_code, content=content, at=f"{at}090000+0100")
    paper = await world.publish(it.patient_id, made)
    await world.do(it.doctor, attachments.attach, it.id, paper)
    return str(paper)


async def filled(world: Meetings, it: Heard, sheet: BoardSheet, by: Any = None, known: Any = None) -> sources.Prefilled:
    done: sources.Prefilled = await world.do(by or it.doctor, sources.prefilled, it.case, sheet, known)
    return done


async def test_what_is_coded_is_not_typed_again(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    pathology = await attached(world, it, PATHOLOGY, papers.pathology("Carcinome infiltrant, marges saines."))
    results = [(f"Examen {number}", f"{number}.5", "g/L") for number in range(40)]
    laboratory = await attached(world, it, LABORATORY, papers.laboratory(*results))
    summary = await attached(world, it, SUMMARY, papers.summary())
    before = len(await world.lines())
    done = await filled(world, it, begun(a_header()))

    assert answer(done.sheet, "pathology_conclusion") == "Carcinome infiltrant, marges saines."
    assert answer(done.sheet, "pathology_at") == "20261101"
    (found,) = items(done.sheet, "tumours")
    codes = {name: each.code for name, each in found.items() if isinstance(each, Code)}
    assert {each: codes[each] for each in ("topography", "morphology", "tnm_t", "tnm_n")} == {
        "topography": "C50.4",
        "morphology": "8500/3",
        "tnm_t": "T1c",
        "tnm_n": "N1a",
    }
    assert answer(done.sheet, "medical_history") == "Pneumonie, 2014\nAppendicectomie\nProthèse de hanche"
    assert answer(done.sheet, "comorbidities") == "Diabète de type 2"
    status = answer(done.sheet, "performance_status")
    assert isinstance(status, Code)
    assert status.code == "LA9623-5"
    examinations = str(answer(done.sheet, "examinations")).split("\n")
    assert examinations[0] == "01/11/2026 Examen 0 : 0.5 g/L"
    assert len(examinations) == 30
    assert done.sources == {
        "pathology_conclusion": pathology,
        "pathology_at": pathology,
        "tumours": pathology,
        "examinations": laboratory,
        "medical_history": summary,
        "comorbidities": summary,
        "performance_status": summary,
    }
    lines = (await world.lines())[before:]
    assert {str(each.document_id) for each in lines} == {pathology, laboratory, summary}
    assert {(each.kind, each.action, each.outcome) for each in lines} == {("document", "read", "allowed")}


async def test_an_earlier_sheet_hands_on_its_tumours_and_the_newest_document_wins(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    earlier = put(begun(a_header()), **COMPULSORY)
    earlier = put(earlier, tumours=[tumour()], pathology_conclusion="Ancienne", comorbidities="Asthme")
    old = await attached(world, it, FRCP, frcp.written(earlier), "20260901")
    new = await attached(world, it, PATHOLOGY, papers.pathology("Nouvelle"), "20261101")
    done = await filled(world, it, begun(a_header(2)))
    assert answer(done.sheet, "pathology_conclusion") == "Nouvelle"
    assert answer(done.sheet, "comorbidities") == "Asthme"
    assert answer(done.sheet, "nature") is None  # of that board, not of this one
    assert done.sources["pathology_conclusion"] == done.sources["tumours"] == new
    assert done.sources["comorbidities"] == old


async def test_what_a_person_wrote_stays_and_what_a_document_said_is_said_anew(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    first = await attached(world, it, PATHOLOGY, papers.pathology("Première"), "20261001")
    sheet = put(begun(a_header()), tumours=[tumour()], comorbidities="Saisi")
    once = await filled(world, it, sheet)
    assert once.sources == {"pathology_conclusion": first, "pathology_at": first}
    await attached(world, it, SUMMARY, papers.summary())
    second = await attached(world, it, PATHOLOGY, papers.pathology("Seconde"), "20261102")
    again = await filled(world, it, once.sheet, known=once.sources)
    assert answer(again.sheet, "pathology_conclusion") == "Seconde"
    assert again.sources["pathology_conclusion"] == second
    assert answer(again.sheet, "comorbidities") == "Saisi"
    assert items(again.sheet, "tumours") == items(sheet, "tumours")
    assert "tumours" not in again.sources
    by_hand = put(again.sheet, pathology_conclusion="Relue")
    known = {name: each for name, each in again.sources.items() if name != "pathology_conclusion"}
    assert answer((await filled(world, it, by_hand, known=known)).sheet, "pathology_conclusion") == "Relue"


async def test_nothing_is_taken_of_what_may_not_be_read_or_cannot_be(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    masked = await attached(world, it, PATHOLOGY, papers.pathology("Masqué"))
    await attached(world, it, LABORATORY, b"%PDF-1.4 pas une CDA")
    await attached(world, it, FRCP, papers.document(FRCP, papers.section("1-1", "sans modèle")))
    await world.do(it.person, visibility.mask, UUID(masked))
    before = begun(a_header())
    done = await filled(world, it, before)
    assert (done.sheet, done.sources) == (before, {})
    assert UUID(masked) not in {each.document_id for each in (await world.lines())[-2:]}
    assert (await filled(world, it, before, by=board_.secretary)).sources == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("pT1c: taille", "T1c"),
        ("ypT2 après traitement", "T2"),
        ("pTis", "Tis"),
        ("pTX", "TX"),
        ("Tumeur de 2 cm", None),
        ("T12", None),
        ("", None),
    ],
)
def test_a_stage_is_read_off_its_label_or_not_at_all(said: str, expected: str | None) -> None:
    found: Any = taken(AttachmentNature.PATHOLOGY, papers.pathology("C", said), "20261101", results_max=1)
    stage = found["tumours"][0].get("tnm_t")
    assert (stage.code if stage else None) == expected


def test_what_is_no_structured_document_is_refused() -> None:
    for octets in (b"%PDF", papers.document(PATHOLOGY).replace(b"structuredBody", b"nonXMLBody")):
        with pytest.raises(InvalidInput):
            taken(AttachmentNature.PATHOLOGY, octets, "20261101", results_max=1)


@needs_shared
def test_the_published_reports_are_read() -> None:
    cda = SHARED / "cda"
    acp: Any = taken(
        AttachmentNature.PATHOLOGY,
        (cda / "legacy-2016-2020" / "CR_ACP_sein_DCC_v1.5.xml").read_bytes(),
        "20261101",
        results_max=1,
    )
    assert {name: each.code for name, each in acp["tumours"][0].items()} == {"morphology": "688", "tnm_t": "T1c"}
    found = 0
    for path in sorted((cda / "ci-sis-2022-2025").glob("BIO-CR-BIO*.xml")):
        found += "examinations" in taken(AttachmentNature.LABORATORY, path.read_bytes(), "20261101", results_max=30)
    assert found >= 11
    vsm = (cda / "ci-sis-2022-2025" / "VSM_1.4_2022.01.xml").read_bytes()
    assert set(taken(AttachmentNature.SUMMARY, vsm, "20261101", results_max=1)) == {"medical_history", "comorbidities"}
    earlier = (cda / "ci-sis-2022-2025" / "CANCER-FRCP_2022.01_Appareil.xml").read_bytes()
    assert {"tumours", "past_treatments", "performance_status"} <= set(
        taken(AttachmentNature.BOARD_SHEET, earlier, "20261101", results_max=1)
    )
