"""The corpus: the same for the same seed, valid against the HL7 schema, every quirk of the published samples."""

from __future__ import annotations

import csv
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.pdf import check_pdf
from passerelle.identities.ins import check
from passerelle_ops.demo.corpus.cases import cases
from passerelle_ops.demo.corpus.exchange import pdf
from passerelle_ops.demo.corpus.kinds import KINDS, SHARED
from passerelle_ops.demo.corpus.people import patient, structure, writer
from passerelle_ops.demo.corpus.quirks import paper, quirks
from passerelle_ops.demo.corpus.write import write
from passerelle_policies import nomenclatures
from tests.formats.samples import SHARED as SAMPLES
from tests.formats.samples import needs_shared


def test_the_same_seed_gives_the_same_octets() -> None:
    first, second = quirks("5"), quirks.__wrapped__("5")
    assert {name: each.files for name, each in first.items()} == {name: each.files for name, each in second.items()}
    assert quirks("6")["utf-8-bom"].data != first["utf-8-bom"].data


def test_no_two_sound_quirks_share_an_identifier() -> None:
    stored = [each for each in quirks().values() if each.expected == "stored" and each.filename.endswith(".xml")]
    identifiers = [read_cda(each.data).metadata.unique_id for each in stored]
    assert len(set(identifiers)) == len(identifiers)


@given(st.integers())
def test_invented_people_have_sound_numbers(seed: int) -> None:
    someone, who, where = patient(seed), writer(seed), structure(seed)
    assert [check(each) for each in someone.identifiers] == [[]]
    assert re.fullmatch(r"8998\d{7}", who.rpps)
    assert re.fullmatch(r"00\d{7}", where.finess)


@pytest.mark.parametrize("type_code", KINDS)
def test_each_kind_is_a_type_of_the_public_lists_under_its_name(type_code: str) -> None:
    kind, known = KINDS[type_code], nomenclatures.document_type(type_code)
    assert known is not None
    assert known.is_exchanged
    assert known.label == kind.label
    assert known.in_dmp == (type_code in SHARED)
    read = read_cda(write(paper("genre", type_code=type_code))).metadata
    assert read.type_code == type_code
    assert (read.format_code is None) == (kind.template is None)


def test_cases_befall_who_they_may() -> None:
    assert {sex for case in cases() for sex in case.sexes} == {"F", "M"}
    assert min(case.youngest for case in cases()) < 10


def test_a_made_pdf_is_a_pdf() -> None:
    check_pdf(pdf(["Une (ligne)", "avec \\ tout", "œuvre"]))


@needs_shared
@pytest.mark.parametrize("type_code", KINDS)
def test_each_kind_is_valid_against_the_hl7_schema(type_code: str, schema: etree.XMLSchema) -> None:
    for seed in range(3):
        document = etree.fromstring(write(paper(f"schema-{seed}", type_code=type_code)))
        assert schema.validate(document), schema.error_log


@needs_shared
def test_each_sound_quirk_is_valid_but_the_one_that_is_not(schema: etree.XMLSchema) -> None:
    for quirk in quirks().values():
        if quirk.expected == "stored" and quirk.filename.endswith(".xml"):
            root = etree.fromstring(quirk.data)
            document = next(root.iter("{urn:hl7-org:v3}ClinicalDocument"))
            expected = quirk.name not in {"CDA XSD invalid", "effectiveTime broken"}
            assert schema.validate(document) == expected, (quirk.name, schema.error_log)


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SAMPLES / "cda" / "xsd" / "CDA_extended.xsd"))


NAMED = {
    "nonXMLBody application/pdf": "nonXMLBody application/pdf",
    "base64 part(s)": "base64 PDF part",
    "INS-C not 15 chars": "INS-C beside the INS",
    "INS-NIR not 15 chars": "INS-NIR not 15 chars",
    "no INS-NIR/NIA": "INS-C only",
    "invalid NIR key": "invalid NIR key",
    "production INS OID": "production INS OID",
    "odd effectiveTime": "effectiveTime date only",
    "relatedDocument RPLC": "relatedDocument RPLC",
    "version": "version 1",
    "CDA XSD valid": "uniqueId",
    "CDA XSD invalid": "CDA XSD invalid",
    "no encoding declaration": "no encoding declaration",
    "ExtrinsicObject": "XDM zip",
}


@needs_shared
def test_every_quirk_that_the_samples_are_known_for_is_in_the_corpus() -> None:
    made = quirks()
    with (SAMPLES / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith(("cda/", "xdm/"))]
    notes = {note for row in rows for note in row["notes"].split(" | ") if note and not note.endswith(" lines")}
    for note in notes:
        named = [quirk for known, quirk in NAMED.items() if known in note]
        assert named, note
        assert set(named) <= set(made)
    assert "utf-8-bom" in {row["encoding"] for row in rows}
    assert {"utf-8-bom", "auto-présentable"} <= set(made)
