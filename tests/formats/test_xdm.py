"""XDM exchanges: the manifest against the files, the manifest against the header."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.submission import IncomingSubmission
from passerelle.dossier.formats.xdm import read_xdm
from passerelle.identities.ins import Ins
from passerelle.kernel.errors import InvalidInput
from passerelle_ops.demo.corpus.exchange import Enclosed, pdf, xdm_files, zipped
from passerelle_ops.demo.corpus.write import Paper, unique_id, write
from tests.formats.samples import sound

MANIFEST = "IHE_XDM/SUBSET01/METADATA.XML"
DOCUMENT = "IHE_XDM/SUBSET01/DOC00001.XML"


def enclosed(made: Paper | None = None, **declared: str | int) -> Enclosed:
    made = made or sound(type_code="11502-2")
    return replace(Enclosed(made, write(made)), **declared)  # type: ignore[arg-type]


def in_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def in_zip(root: Path, files: Mapping[str, bytes]) -> Path:
    path = root / "lot.zip"
    path.write_bytes(zipped(files))
    return path


def edited(old: str, new: str, *others: Enclosed) -> dict[str, bytes]:
    """The files of an exchange whose manifest says `new` where it said `old`."""
    files = xdm_files([enclosed(), *others])
    assert old.encode() in files[MANIFEST]
    files[MANIFEST] = files[MANIFEST].replace(old.encode(), new.encode())
    return files


def test_a_folder_and_a_zip_give_the_same(tmp_path: Path) -> None:
    files = xdm_files([enclosed(sound("a")), enclosed(sound("b"))])
    folder, archive = read_xdm(in_folder(tmp_path / "lot", files)), read_xdm(in_zip(tmp_path, files))
    assert folder == archive
    assert [each.metadata.unique_id for each in folder.documents] == [
        unique_id(sound("a").seed),
        unique_id(sound("b").seed),
    ]


def test_the_submission_set(tmp_path: Path) -> None:
    made = sound()
    submission: IncomingSubmission = read_xdm(in_zip(tmp_path, xdm_files([enclosed(made)], seed="7")))
    assert submission.unique_id == unique_id("7/lot")
    assert submission.source_id is not None
    assert (submission.title, submission.content_type) == ("Lot de documents", "SA01")
    assert submission.submission_time is not None
    assert submission.submission_time.earliest == made.at.astimezone(UTC)
    assert submission.author is not None
    assert submission.author.id == made.writer.rpps


def test_the_manifest_speaks_for_the_entry_and_the_header_completes_it(tmp_path: Path) -> None:
    made = sound(type_code="11502-2")
    [document] = read_xdm(in_zip(tmp_path, xdm_files([enclosed(made)]))).documents
    header, read = read_cda(document.content).metadata, document.metadata
    assert document.content == write(made)
    assert (read.type_code, read.class_code) == ("11502-2", "10")
    assert read.authors == header.authors
    assert read.structure_id == made.structure.finess
    assert (read.facility_type, read.practice_setting) == ("SA01", "ETABLISSEMENT")
    assert (read.set_id, read.version_number) == (header.set_id, 1)
    assert read.patient == header.patient
    assert read.format_code == "urn:ihe:lab:xd-lab:2008"
    assert read.creation_time.earliest == datetime(2026, 3, 12, 10, 17, tzinfo=UTC)


def test_times_of_a_manifest_are_in_utc(tmp_path: Path) -> None:
    [document] = read_xdm(in_zip(tmp_path, xdm_files([enclosed()]))).documents
    assert document.metadata.creation_time.given == "20260312101700"
    assert document.metadata.service_start is not None
    assert document.metadata.service_start.earliest == datetime(2026, 3, 12, 10, 17, tzinfo=UTC)


def test_a_replacement_inside_one_exchange_names_the_document(tmp_path: Path) -> None:
    association = (
        '<Association id="rp" associationType="urn:ihe:iti:2007:AssociationType:RPLC" {}/></RegistryObjectList>'
    )
    first, second = enclosed(sound("a")), enclosed(sound("b"))
    files = xdm_files([first, second])
    ids = [line.split(b'"')[1].decode() for line in files[MANIFEST].split(b"<ExtrinsicObject ")[1:]]
    for target, parent in ((ids[0], unique_id(first.paper.seed)), ("urn:uuid:inconnu", "urn:uuid:inconnu")):
        said = association.format(f'sourceObject="{ids[1]}" targetObject="{target}"')
        now = {**files, MANIFEST: files[MANIFEST].replace(b"</RegistryObjectList>", said.encode())}
        submission = read_xdm(in_zip(tmp_path, now))
        assert [each.metadata.replaces_unique_id for each in submission.documents] == [None, parent]


def test_the_status_of_an_identity_where_the_source_says_it(tmp_path: Path) -> None:
    for code, status in (("VALI", "qualified"), ("PROV", "retrieved"), ("DOUTE", None)):
        files = edited("<Value>PID-8|", f"<Value>PID-32|{code}</Value><Value>PID-8|")
        [document] = read_xdm(in_zip(tmp_path, files)).documents
        assert document.metadata.identity_status == status


def test_the_traits_of_a_manifest_where_it_alone_speaks(tmp_path: Path) -> None:
    told = (
        "<Value>PID-3|42^^^&amp;1.2.3&amp;ISO^PI~1^^^&amp;1.2.4&amp;ISO</Value><Value>PID-5|Usage^Rose^^^^^D</Value>"
        "<Value>PID-11|^^^^^^BDL^^31555</Value><Value>PID-40|</Value><Value>PID-8|"
    )
    files = edited("<Value>PID-8|", told)
    files[DOCUMENT] = pdf(["x"])
    digest = hashlib.sha1(files[DOCUMENT], usedforsecurity=False).hexdigest()
    size = len(files[DOCUMENT])
    manifest = files[MANIFEST].decode().replace("text/xml", "application/pdf")
    manifest = re.sub(r'(name="hash"><ValueList><Value>)[^<]*', rf"\g<1>{digest}", manifest)
    files[MANIFEST] = re.sub(r'(name="size"><ValueList><Value>)[^<]*', rf"\g<1>{size}", manifest).encode()
    [document] = read_xdm(in_zip(tmp_path, files)).documents
    read = document.metadata.patient
    assert read.identifiers[1:] == (Ins("1.2.3", "42"), Ins("1.2.4", "1"))
    assert (read.used_name, read.used_given_name, read.birth_place) == ("Usage", "Rose", "31555")


def test_a_hidden_document_stays_hidden_whichever_says_so(tmp_path: Path) -> None:
    masked = enclosed(replace(sound(), confidentiality="MASQUE_PS"))
    files = xdm_files([masked])
    files[MANIFEST] = files[MANIFEST].replace(b'nodeRepresentation="MASQUE_PS"', b'nodeRepresentation="N"')
    [document] = read_xdm(in_zip(tmp_path, files)).documents
    assert document.metadata.masked


def test_a_pdf_in_an_exchange_is_described_by_the_manifest_alone(tmp_path: Path) -> None:
    made = sound()
    files = xdm_files([Enclosed(made, pdf(["Bonjour"]))])
    files[MANIFEST] = files[MANIFEST].replace(b'mimeType="text/xml"', b'mimeType="application/pdf"')
    [document] = read_xdm(in_zip(tmp_path, files)).documents
    assert document.metadata.mime_type == "application/pdf"
    assert document.metadata.patient.ins == made.patient.identifiers[0]
    assert document.metadata.patient.family_name == made.patient.family_name
    assert document.metadata.patient.birth_date == made.patient.birth_date


OTHER = replace(sound("autre"), patient=replace(sound("autre").patient, identifiers=(Ins("1.2.3", "9"),)))

REFUSALS: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({}, "XDM_MANIFEST_MISSING"),
    "no manifest": ({"IHE_XDM/SUBSET01/DOC00001.XML": b"<a/>"}, "XDM_MANIFEST_MISSING"),
    "manifest elsewhere": ({"SUBSET01/METADATA.XML": b"<a/>"}, "XDM_MANIFEST_MISSING"),
    "two sets": ({MANIFEST: b"<a/>", "IHE_XDM/SUBSET02/METADATA.XML": b"<a/>"}, "XDM_SEVERAL_SETS"),
    "manifest not XML": ({MANIFEST: b"rien"}, "NOT_XML"),
    "manifest with an entity": ({MANIFEST: b'<!DOCTYPE a [<!ENTITY x "y">]><a/>'}, "XML_ENTITY"),
    "manifest of nothing": ({MANIFEST: b"<a/>"}, "XDM_MANIFEST_INVALID"),
    "no submission set": (edited("a54d6aa5", "00000000"), "XDM_MANIFEST_INVALID"),
    "wrong hash": (xdm_files([enclosed(declared_hash="f" * 40)]), "XDM_HASH_MISMATCH"),
    "wrong size": (xdm_files([enclosed(declared_size=1)]), "XDM_SIZE_MISMATCH"),
    "no hash": (edited('<Slot name="hash">', '<Slot name="hashes">'), "XDM_HASH_MISSING"),
    "no address": (edited('<Slot name="URI">', '<Slot name="URL">'), "VALUE_MISSING"),
    "no identifier": (edited("urn:uuid:2e82c1f6", "urn:uuid:00000000"), "VALUE_MISSING"),
    "no type": (edited("urn:uuid:f0306f51", "urn:uuid:00000000"), "VALUE_MISSING"),
    "address above": (edited(">DOC00001.XML<", ">../../../DOC00001.XML<"), "PATH_TRAVERSAL"),
    "address absolute": (edited(">DOC00001.XML<", ">C:\\DOC00001.XML<"), "PATH_TRAVERSAL"),
    "address of the web": (edited(">DOC00001.XML<", ">http://exemple.invalid/DOC.XML<"), "PATH_TRAVERSAL"),
    "file missing": (edited(">DOC00001.XML<", ">DOC00009.XML<"), "XDM_FILE_MISSING"),
    "another kind of file": (edited('mimeType="text/xml"', 'mimeType="text/html"'), "XDM_MIME_UNSUPPORTED"),
    "another document": (edited(unique_id(sound().seed), "1.2.3"), "XDM_DOCUMENT_DIFFERS"),
    "another patient": (
        xdm_files([replace(enclosed(), paper=replace(OTHER, seed=sound().seed))]),
        "XDM_DOCUMENT_DIFFERS",
    ),
    "not a CDA": (xdm_files([Enclosed(sound(), b"<note/>")]), "NOT_A_CLINICAL_DOCUMENT"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_refusals(name: str, kind: str, tmp_path: Path) -> None:
    files, code = REFUSALS[name]
    (tmp_path / "lot").mkdir()
    path = in_folder(tmp_path / "lot", files) if kind == "folder" else in_zip(tmp_path, files)
    with pytest.raises(InvalidInput) as refused:
        read_xdm(path)
    assert refused.value.code == code
    assert refused.value.message != code


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "secret.xml"
    outside.write_bytes(write(sound()))
    root = in_folder(tmp_path / "lot", xdm_files([enclosed()]))
    (root / DOCUMENT).unlink()
    (root / DOCUMENT).symlink_to(outside)
    with pytest.raises(InvalidInput, match="PATH_TRAVERSAL"):
        read_xdm(root)


def _archive(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, data in entries:
            archive.writestr(entry, data)
    return packed.getvalue()


def _link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(DOCUMENT)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: _archive(("../x", b"")), "PATH_TRAVERSAL"),
        (lambda: _archive(("/etc/x", b"")), "PATH_TRAVERSAL"),
        (lambda: _archive(("..\\x", b"")), "PATH_TRAVERSAL"),
        (lambda: _archive(("a/../../x", b"")), "PATH_TRAVERSAL"),
        (lambda: _archive((_link(), b"/etc/passwd")), "PATH_TRAVERSAL"),
        (lambda: _archive((MANIFEST, b"<a/>"), (MANIFEST, b"<b/>")), "ZIP_NAME_TWICE"),
        (lambda: _archive((MANIFEST, bytes(8_000_000))), "ZIP_BOMB"),
        (lambda: _archive(*((f"{n}", b"") for n in range(5_001))), "PACKAGE_TOO_LARGE"),
        (lambda: _archive(("x", b"x" * 99)).replace(b"\x08\x00", b"\x0e\x00"), "ZIP_DAMAGED"),
        (lambda: b"PK\x03\x04 rien d'autre", "ZIP_DAMAGED"),
        (lambda: b"", "EMPTY_FILE"),
    ],
)
def test_archives_that_mean_harm(make: object, code: str, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(make())  # type: ignore[operator]
    with pytest.raises(InvalidInput) as refused:
        read_xdm(path)
    assert refused.value.code == code
    assert refused.value.message != code


def test_an_encrypted_archive(tmp_path: Path) -> None:
    data = bytearray(zipped(xdm_files([enclosed()])))
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = data.find(mark)
        while start >= 0:
            data[start + offset] |= 1
            start = data.find(mark, start + 4)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(InvalidInput, match="ZIP_ENCRYPTED"):
        read_xdm(tmp_path / "x.zip")


def test_an_archive_that_lies_about_its_sizes(tmp_path: Path) -> None:
    data = zipped(xdm_files([enclosed()]))
    size = len(write(sound(type_code="11502-2")))
    (tmp_path / "x.zip").write_bytes(data.replace(size.to_bytes(4, "little"), (size - 9).to_bytes(4, "little")))
    with pytest.raises(InvalidInput, match="ZIP_DAMAGED"):
        read_xdm(tmp_path / "x.zip")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="FILE_UNREADABLE"):
        read_xdm(tmp_path / "absent.zip")
    assert list(tmp_path.iterdir()) == []
