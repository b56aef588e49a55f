"""Board sheets as CDA: what is written is read back the same, is valid, and keeps the rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from lxml import etree

from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.rendering import render
from passerelle.oncology.coded import Code, Element, Id, Link, Participation, Section, Statement, Value
from passerelle.oncology.formats import cda_statements, cda_values, frcp
from passerelle.oncology.formats.conformity import broken_rules
from passerelle.oncology.formats.rules.shapes import DocumentKind
from passerelle.oncology.header import Related
from passerelle.oncology.sheet import BoardSheet, Edition
from passerelle.oncology.sheet_fields import answer, begun, items, put
from tests.formats.samples import SHARED, needs_shared, refusal
from tests.oncology.sheets import CIM_10, COMPULSORY, a_header, a_sheet, tumour, who
from tests.oncology.strategies import EDITIONS, any_answers, any_editions, sheet_of

_CDA = "{urn:hl7-org:v3}"


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SHARED / "cda" / "xsd" / "CDA_extended.xsd"))


def tree(data: bytes) -> etree._Element:
    return etree.fromstring(data)


@pytest.mark.parametrize("edition", EDITIONS)
def test_what_is_written_is_read_back_the_same(edition: Edition) -> None:
    sheet = a_sheet(edition=edition)
    document = frcp.written(sheet)
    assert frcp.read(document) == sheet
    assert broken_rules(tree(document), DocumentKind.FRCP) == ()


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("nature", ["organ", "transversal"])
def test_the_least_sheet_keeps_the_rules(edition: Edition, nature: str) -> None:
    least = dict(COMPULSORY)
    if nature == "transversal":
        least |= {"nature": "ORG-132", "organ": None, "organ_system": None, "care": "C3580"}
    document = frcp.written(put(begun(a_header(), edition), **least))
    assert broken_rules(tree(document), DocumentKind.FRCP) == ()


@needs_shared
@pytest.mark.parametrize("edition", EDITIONS)
def test_written_sheets_are_valid(edition: Edition) -> None:
    several = a_sheet(edition=edition, tumours=[tumour(laterality="24028007", other_stage="II"), tumour()])
    for sheet in (a_sheet(edition=edition), several, put(begun(a_header(), edition), **COMPULSORY)):
        schema().assertValid(tree(frcp.written(sheet)))


@given(any_editions(), any_answers())
@settings(max_examples=15)
def test_any_sheet_is_written_and_read_back_the_same(edition: Edition, answers: dict[str, Any]) -> None:
    sheet = sheet_of(edition, answers)
    document = frcp.written(sheet)
    assert frcp.read(document) == sheet
    assert frcp.written(frcp.read(document)) == document
    assert BoardSheet.from_json(json.loads(json.dumps(sheet.to_json()))) == sheet
    assert all_pointed_at_are_there(tree(document))
    if (SHARED / "cda").is_dir():
        schema().assertValid(tree(document))


def test_equal_sheets_give_the_same_octets() -> None:
    assert frcp.written(a_sheet()) == frcp.written(BoardSheet.from_json(a_sheet().to_json()))
    assert frcp.written(a_sheet()) != frcp.written(a_sheet(quorum="ORG-133"))


def test_the_dossier_reads_its_metadata_and_shows_it() -> None:
    replaced = Id(root="1.2.250.1.999.1.1")
    sheet = put(begun(a_header(2, replaces=replaced)), **COMPULSORY)
    metadata = read_cda(frcp.written(sheet)).metadata
    assert (metadata.type_code, metadata.unique_id, metadata.replaces_unique_id) == (
        frcp.TYPE,
        "1.2.250.1.999.1.2",
        "1.2.250.1.999.1.1",
    )
    assert metadata.patient.ins is not None
    assert {each.code for each in metadata.event_codes} >= {"39", "C50.2"}
    page = render(frcp.written(sheet))
    for words in ("Quorum atteint", "Quelle chirurgie proposer ?", "50 Gy en 25 séances", "T1b"):
        assert words in page


def all_pointed_at_are_there(document: etree._Element) -> bool:
    there = {each.get("ID") for each in document.iter() if each.get("ID")}
    pointed = [(each.get("value") or "").removeprefix("#") for each in document.iter(f"{_CDA}reference")]
    return len(pointed) > 20 and set(pointed) <= there


def test_people_in_their_roles() -> None:
    sheet = frcp.read(frcp.written(a_sheet()))
    people = [sheet.coordinator, sheet.requester, sheet.presenter, sheet.attending_physician]
    assert [each.name.part("family") for each in people if each and each.name] == [
        "ESSAI-1",
        "ESSAI-2",
        "ESSAI-3",
        "ESSAI-4",
    ]
    assert len(sheet.members_present) == 3
    assert sheet.board_id == Id(root="1.2.250.1.161.1.20.3.1", extension="27011113")
    assert sheet.correspondents == ()


def test_a_physician_who_is_not_known_is_said_so() -> None:
    unknown = Participation(
        part="participant",
        type_code="INF",
        function=Code(code="PCP", system="2.16.840.1.113883.5.88"),
        entity_class="PROV",
        null_flavor="NA",
    )
    header = a_header()
    kept = [each for each in header.participants if each.type_code != "INF"]
    sheet = BoardSheet(edition="2025.01", header=replace(header, participants=(*kept, unknown)))
    assert frcp.read(frcp.written(sheet)).attending_physician == unknown


NOT_SHEETS: dict[str, Callable[[bytes], bytes]] = {
    "NOT_A_BOARD_SHEET": lambda written: written.replace(b'code="34794-8"', b'code="11488-4"'),
    "NOT_A_CLINICAL_DOCUMENT": lambda written: b"<a/>",
    "NOT_XML": lambda written: written[:-20],
    "XML_DOCTYPE": lambda written: written.replace(b"?>\n", b"?>\n<!DOCTYPE a SYSTEM 'b'>", 1),
    "SHEET_HAS_NO_SECTIONS": lambda written: written.replace(b"structuredBody>", b"nonXMLBody>"),
    "CDA_PATIENT_MISSING": lambda written: written.replace(b"recordTarget>", b"x>"),
}


@pytest.mark.parametrize("code", NOT_SHEETS)
def test_what_is_no_sheet_is_refused(code: str) -> None:
    broken = NOT_SHEETS[code](frcp.written(a_sheet()))
    assert refusal(lambda: frcp.read(broken)) == code


def test_a_document_without_identifier_is_refused() -> None:
    written = frcp.written(a_sheet()).replace(b'<id root="1.2.250.1.999.1.1"/>', b"", 1)
    assert refusal(lambda: frcp.read(written)) == "CDA_ID_MISSING"


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    document = frcp.written(a_sheet())
    monkeypatch.setattr(cda_statements, "MAX_STATEMENTS", 20)
    assert refusal(lambda: frcp.read(document)) == "SHEET_TOO_MANY_STATEMENTS"
    monkeypatch.undo()
    for limit in ("MAX_WORDS", "MAX_ALL_WORDS"):
        with monkeypatch.context() as patch:
            patch.setattr(cda_values, limit, 30)
            assert refusal(lambda: frcp.read(document)) == "VALUE_TOO_LONG"
    monkeypatch.setattr(frcp, "MAX_BYTES", 1000)
    assert refusal(lambda: frcp.read(document)) == "XML_TOO_LARGE"


@pytest.mark.parametrize("lacking", ["authors", "custodian", "created", "encounter"])
def test_a_header_that_cannot_be_written_is_refused(lacking: str) -> None:
    without: dict[str, Any] = {lacking: () if lacking == "authors" else None}
    header = replace(a_header(), **without)
    assert refusal(lambda: frcp.written(BoardSheet(edition="2025.01", header=header))) == "SHEET_HEADER_INCOMPLETE"


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\ufffe", "\ud800"])
def test_what_no_xml_holds_is_refused(bad: str) -> None:
    sheet = replace(a_sheet(), header=replace(a_header(), title=f"RCP {bad}"))
    assert refusal(lambda: frcp.written(sheet)) == "VALUE_MALFORMED"


@pytest.mark.parametrize("name", ['a b="c"', "a/><b", "", "é<"])
def test_what_is_no_name_of_xml_is_refused(name: str) -> None:
    def refused(section: Section) -> str | None:
        return refusal(lambda: frcp.written(replace(a_sheet(), sections=(section,))))

    assert refused(Section(narrative=(Element(name=name),))) == "VALUE_MALFORMED"
    assert refused(Section(others=(Element(name="author", attributes=((name, "1"),)),))) == "VALUE_MALFORMED"
    for kind in (name, "{urn:else}act"):
        assert refused(Section(entries=(Link(statement=Statement(kind=kind)),))) == "VALUE_MALFORMED"
        assert refused(Section(participations=(Participation(part=kind),))) == "VALUE_MALFORMED"


def _in_first_statement(inside: str) -> bytes:
    """Our sheet with something more before the value of its first boolean."""
    written = frcp.written(a_sheet()).decode()
    assert '<value xsi:type="BL"' in written
    return written.replace('<value xsi:type="BL"', f'{inside}<value xsi:type="BL"', 1).encode()


@pytest.mark.parametrize(
    "inside",
    [
        '<repeatNumber><low value="1"/><high value="2"/></repeatNumber>',
        '<repeatNumber value="1"/><languageCode code="fr-FR"/>',
        '<priorityCode code="R" valueSet="1.2.3"/>',
        '<priorityCode code="R" xml:id="a" xmlns:a2="urn:else" a2:b="c"/>',
    ],
)
def test_what_has_no_place_is_kept_as_it_stands(inside: str) -> None:
    document = _in_first_statement(inside)
    sheet = frcp.read(document)
    assert BoardSheet.from_json(sheet.to_json()) == sheet
    again = frcp.written(sheet)
    assert inside.encode() in again
    assert frcp.read(again) == sheet


def test_other_namespaces_and_unknown_children_are_kept() -> None:
    extension = (
        '<sdtc:raceCode xmlns:sdtc="urn:hl7-org:sdtc" code="1"><sdtc:inner a="b">mot</sdtc:inner>'
        '<translation xmlns="urn:hl7-org:v3" code="2"/></sdtc:raceCode>'
    )
    document = frcp.written(a_sheet()).decode()
    for marker in ("</patient>", "</patientRole>", "</encompassingEncounter>", "</order>", "</serviceEvent>"):
        document = document.replace(marker, f"{extension}{marker}", 1)
    document = document.replace("<custodian>", '<custodian typeCode="CST" nullFlavor="NI">', 1)
    sheet = frcp.read(document.encode())
    assert [each.name for each in sheet.header.others] == ["custodian"]
    written = frcp.written(replace(sheet, header=replace(sheet.header, custodian=a_header().custodian)))
    assert written.count(b'<raceCode xmlns="urn:hl7-org:sdtc" code="1"><inner a="b">mot</inner>') == 5
    assert written.count(b'<translation xmlns="urn:hl7-org:v3" code="2"/></raceCode>') == 5


def test_a_received_narrative_stays_until_its_section_changes() -> None:
    written = frcp.written(a_sheet()).replace(b"Quorum atteint</content>", b"Quorum atteint !</content>")
    received = frcp.read(written)
    section = next(each for each in received.sections if each.title == "Statut du dossier et quorum")
    assert section.narrative is not None
    assert frcp.read(frcp.written(received)) == received
    assert b"Quorum atteint !" in frcp.written(received)
    changed = put(received, complete=False)
    assert frcp.read(frcp.written(changed)) == changed == put(a_sheet(), complete=False)


def test_our_references_never_meet_those_that_were_received() -> None:
    """A narrative kept from another hand may use the very identifiers that we would."""
    written = frcp.written(a_sheet()).replace(b"Quorum atteint</content>", b"Quorum atteint !</content>")
    received = frcp.read(written)
    first, *rest = received.sections
    document = tree(frcp.written(replace(received, sections=(*rest, first))))
    names = [each.get("ID") for each in document.iter() if each.get("ID")]
    assert len(names) == len(set(names))
    assert any(name.startswith("q") for name in names if name)


def test_pictures_and_other_values_pass_through() -> None:
    media = (
        '<entry><observationMedia classCode="OBS" moodCode="EVN" ID="copie"><value mediaType="application/pdf"'
        ' representation="B64">JVBERi0xLjQK</value></observationMedia></entry>'
        '<entry><observation classCode="OBS" moodCode="EVN"><code code="x" codeSystem="1.2"/>'
        '<value xsi:type="PQ" value="1.5" unit="mm"/><value xsi:type="IVL_PQ"><low value="1" unit="mm"/></value>'
        '<value xsi:type="ST">trois mots ici</value><value xsi:type="BL" nullFlavor="UNK"/>'
        '<value xsi:type="CD" code="a" codeSystem="1.2"><translation code="b" codeSystem="1.3"/></value></observation>'
        "</entry>"
    )
    document = frcp.written(a_sheet()).decode().replace("</section>", f"{media}</section>", 1).encode()
    sheet = frcp.read(document)
    observation = sheet.sections[0].entries[-1].statement
    assert [each.type for each in observation.values] == ["PQ", "IVL_PQ", "ST", "BL", "CD"]
    assert observation.values[0] == Value(type="PQ", value="1.5", unit="mm")
    assert frcp.read(frcp.written(sheet)) == sheet
    rewritten = put(sheet, recourse_board=True)  # and with a narrative of our own
    assert frcp.read(frcp.written(rewritten)) == rewritten
    page = render(frcp.written(rewritten))
    assert "1.5 mm" in page
    assert "trois mots ici" in page


def test_who_did_what_is_kept_and_shown() -> None:
    sheet, people = a_sheet(), (who("performer", 8), who("author", 9))
    at = next(n for n, each in enumerate(sheet.sections) if each.title == "Compte rendu opératoire")
    first, *others = sheet.sections[at].entries
    first = replace(first, statement=replace(first.statement, participations=people))
    section = replace(sheet.sections[at], entries=(first, *others), participations=(who("author"),))
    sheet = replace(sheet, sections=(*sheet.sections[:at], section, *sheet.sections[at + 1 :]))
    document = frcp.written(sheet)
    assert frcp.read(document) == sheet
    assert broken_rules(tree(document), DocumentKind.FRCP) == ()
    page = render(document)
    for words in ("Réalisé par", "Camille ESSAI-8", "Saisi par : Camille ESSAI-1"):
        assert words in page


def test_a_correction_is_a_new_version() -> None:
    first = a_sheet()
    before = Related(type_code="RPLC", ids=(Id(root="1.2.250.1.999.1.2"),))
    header = replace(first.header, id=Id(root="1.2.250.1.999.1.3"), version=3, related=(before,))
    second = replace(first, header=header)
    metadata = read_cda(frcp.written(second)).metadata
    assert (metadata.version_number, metadata.replaces_unique_id) == (3, "1.2.250.1.999.1.2")
    assert frcp.read(frcp.written(second)) == second


def test_an_older_edition_is_read_as_2022() -> None:
    written = frcp.written(a_sheet(edition="2022.01")).replace(b' extension="2022.01"', b"", 1)
    sheet = frcp.read(written)
    assert sheet.edition == "2022.01"
    assert answer(sheet, "quorum") == answer(a_sheet(), "quorum")
    assert sheet.header.templates[-1] == Id(root=frcp.TEMPLATE)
    assert items(sheet, "tumours")[0]["topography"] == Code(
        code="C50.2", system=CIM_10, label="Quadrant supéro-interne du sein"
    )
