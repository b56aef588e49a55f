"""The official samples (../shared/data), each of them: what its header says, and what becomes of it.

`dossier/shared_data.csv` holds, by file hash (that of METADATA.XML for an exchange), the outcome of a first run over
cda/ and xdm/ in a fresh test tenant that calls every live INS qualified, and the rule behind it.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
from functools import cache
from pathlib import Path

import pytest

from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.hl7v3 import NAMESPACE
from passerelle.dossier.formats.recognise import gather, read
from passerelle.dossier.formats.rendering import render
from passerelle.dossier.formats.xdm import read_xdm
from passerelle.identities.ins import check
from passerelle.kernel import xml
from passerelle.kernel.errors import InvalidInput
from tests.formats.samples import SHARED, needs_shared
from tests.formats.test_rendering import harmless

pytestmark = needs_shared

RULES_OF_READERS = {"FORMAT_UNKNOWN", "NOT_A_CLINICAL_DOCUMENT", "XDM_HASH_MISMATCH"}


@cache
def manifest() -> dict[str, dict[str, str]]:
    """The rows of MANIFEST.csv about CDA documents, by file."""
    with (SHARED / "MANIFEST.csv").open(encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file) if row["kind"].startswith("cda")}


@cache
def outcomes() -> dict[str, dict[str, str]]:
    with (Path(__file__).parents[1] / "dossier" / "shared_data.csv").open(encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


DOCUMENTS = sorted(str(path.relative_to(SHARED)) for path in SHARED.glob("cda/*/*.xml")) + sorted(
    str(path.relative_to(SHARED)) for path in SHARED.glob("xdm/*/IHE_XDM/SUBSET01/DOC*.XML")
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_header_says_what_the_manifest_noted(name: str) -> None:
    data, row = (SHARED / name).read_bytes(), manifest()[name]
    document = read_cda(data)
    read = document.metadata
    assert document.content == data
    assert read.type_code == row["type_code"]
    assert read.title == " ".join(row["title"].split())
    assert read.creation_time.given == row["effective_time"]
    assert not read.creation_time.is_broken
    given = [tuple(each.split("^")) for each in row["patient_id"].split("; ")]
    assert [(each.value, each.oid) for each in read.patient.identifiers] == given
    notes = row["notes"]
    assert (read.replaces_unique_id is not None) == ("RPLC" in notes)
    assert read.version_number in {None, 1} or f"version {read.version_number}" in notes
    assert (read.patient.ins is None) == ("no INS-NIR/NIA" in notes)
    warnings = {code for each in read.patient.identifiers for code in check(each)}
    assert ("INS_KEY_WRONG" in warnings) == ("invalid NIR key" in notes)
    assert ("INS_WITHOUT_KEY" in warnings) == ("INS-NIR not 15 chars" in notes)
    assert ("INS_C_DEAD" in warnings) == (
        "1.2.250.1.213.1.4.2" in row["patient_id"].replace(";", " ").replace("^", " ").split()
    )
    assert read.authors
    assert read.patient.family_name
    assert read.facility_type
    assert read.practice_setting
    assert read.structure_id


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_document_is_shown_with_every_word_of_its_narrative(name: str) -> None:
    data = (SHARED / name).read_bytes()
    page = harmless(render(data))
    shown = "".join(page.text.split())
    for block in xml.parse(data).iter(f"{{{NAMESPACE}}}text"):
        if block.getparent().tag == f"{{{NAMESPACE}}}section":  # type: ignore[union-attr]
            for words in block.itertext():
                assert "".join(str(words).split()) in shown


def test_each_file_has_its_outcome_and_the_readers_agree_with_it() -> None:
    seen = set()
    for path in gather([SHARED / "cda", SHARED / "xdm"]):
        name = str(path.relative_to(SHARED))
        row = outcomes()[name]
        hashed = path / "IHE_XDM/SUBSET01/METADATA.XML" if path.is_dir() else path
        assert hashlib.sha256(hashed.read_bytes()).hexdigest() == row["sha256"], name
        try:
            read(path)
            code = None
        except InvalidInput as refused:
            code = refused.code
        assert code == (row["code"] if row["code"] in RULES_OF_READERS else None), name
        seen.add(name)
    assert seen == set(outcomes())


def _restored(name: str, folder: Path) -> Path:
    """The exchange as it was sent: its documents had lines ending in CRLF."""
    copy = folder / name
    for path in (SHARED / "xdm" / name).rglob("*"):
        if path.is_file():
            to = copy / path.relative_to(SHARED / "xdm" / name)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            if path.name.startswith("DOC"):
                to.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    return copy


def test_an_exchange_is_whole_again_once_its_line_ends_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="XDM_HASH_MISMATCH"):
        read_xdm(SHARED / "xdm" / "XDM_2-CR-BIO")
    submission = read_xdm(_restored("XDM_2-CR-BIO", tmp_path))
    first, second = submission.documents
    assert submission.unique_id == "1.2.250.1.213.1.1.9.8.1.2.635973781821450393810.20160712153440331412"
    assert submission.source_id == "1.2.250.1.213.1.1.9.8.1.635973781821450393810"
    assert first.metadata.unique_id == "1.2.250.1.213.1.1.9^CHARMES_1"
    assert second.metadata.unique_id == "1.2.250.1.213.1.1.9.8.1.63451613409007762772^100"
    assert (first.metadata.class_code, first.metadata.format_code) == ("10", "urn:ihe:lab:xd-lab:2008")
    assert first.metadata.creation_time.given == "20160104150525"  # UTC; the header says 16:05:25+0100
    header = read_cda(first.content).metadata
    assert first.metadata.creation_time.earliest == header.creation_time.earliest
    assert first.metadata.patient.ins is None


def test_the_other_exchange_lost_more_than_its_line_ends(tmp_path: Path) -> None:
    # Five octets short of the size in its manifest even so.
    with pytest.raises(InvalidInput, match="XDM_HASH_MISMATCH"):
        read_xdm(_restored("XDM_VSM", tmp_path))
