"""What a path holds is told by its octets; a folder is gathered in a stable order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from passerelle.dossier.formats.recognise import Format, gather, read, recognise
from passerelle.kernel.errors import InvalidInput
from passerelle_ops.demo.corpus.exchange import pdf, sidecar_octets, xdm_files, zipped
from passerelle_ops.demo.corpus.quirks import quirks
from passerelle_ops.demo.corpus.write import unique_id, write
from tests.formats.samples import sound
from tests.formats.test_xdm import enclosed, in_folder

PAGE = pdf(["x"])


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (write(sound()), Format.CDA),
        (b"\xef\xbb\xbf<a/>", Format.CDA),
        ("\ufeff <a/>".encode("utf-16-be"), Format.CDA),
        (PAGE, Format.PDF),
        (zipped({"x": b""}), Format.XDM),
        (b"GIF89a", Format.UNKNOWN),
        (b"Ceci n'est pas un document", Format.UNKNOWN),
    ],
)
def test_a_file_is_told_by_its_octets_whatever_its_name(data: bytes, form: Format, tmp_path: Path) -> None:
    (tmp_path / "nom.trompeur").write_bytes(data)
    assert recognise(tmp_path / "nom.trompeur") is form


def test_each_format_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(write(sound()))
    (tmp_path / "a.pdf").write_bytes(PAGE)
    (tmp_path / "a.pdf.json").write_bytes(sidecar_octets(sound("pdf")))
    (tmp_path / "a.zip").write_bytes(zipped(xdm_files([enclosed()])))
    assert read(tmp_path / "a.xml").documents[0].metadata.unique_id == unique_id(sound().seed)
    assert read(tmp_path / "a.pdf").documents[0].metadata.unique_id == unique_id(sound("pdf").seed)
    assert read(tmp_path / "a.zip").unique_id is not None
    assert read(tmp_path / "a.xml").unique_id is None


@pytest.mark.parametrize("beside", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_sidecar_that_is_no_object_is_refused(beside: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(PAGE)
    (tmp_path / "a.pdf.json").write_bytes(beside)
    with pytest.raises(InvalidInput, match="METADATA_INVALID"):
        read(tmp_path / "a.pdf")


def test_a_file_over_the_limit_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerelle.dossier.formats.recognise.MAX_SIDECAR_BYTES", 3)
    (tmp_path / "a.pdf").write_bytes(PAGE)
    (tmp_path / "a.pdf.json").write_bytes(b"{    }")
    with pytest.raises(InvalidInput, match="FILE_TOO_LARGE"):
        read(tmp_path / "a.pdf")


def test_a_folder_is_gathered_in_order_with_exchanges_whole_and_sidecars_left_to_their_pdf(tmp_path: Path) -> None:
    in_folder(tmp_path / "b" / "lot", xdm_files([enclosed()]))
    for name in ("z.xml", "a/1.xml", "a/2.pdf", "a/2.pdf.json", "a/seul.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    gathered = [str(each.relative_to(tmp_path)) for each in gather([tmp_path])]
    assert gathered == ["z.xml", "a/1.xml", "a/2.pdf", "a/seul.json", "b/lot"]
    assert list(gather([tmp_path / "b" / "lot", tmp_path / "z.xml", tmp_path / "absent"])) == [
        tmp_path / "b" / "lot",
        tmp_path / "z.xml",
        tmp_path / "absent",
    ]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    root = in_folder(tmp_path / "lot", xdm_files([enclosed()]))
    os.mkfifo(root / "IHE_XDM" / "TUYAU")
    os.mkfifo(tmp_path / "tuyau.xml")
    for path in (root, tmp_path / "tuyau.xml"):
        with pytest.raises(InvalidInput, match="FILE_UNREADABLE"):
            read(path)


def test_what_is_not_there_or_not_known(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "absent", "FILE_UNREADABLE"), (tmp_path, "FORMAT_UNKNOWN")):
        with pytest.raises(InvalidInput, match=code):
            read(path)


@pytest.mark.parametrize("name", quirks())
def test_each_quirk_is_read_or_refused_with_the_code_of_its_reader(name: str, tmp_path: Path) -> None:
    quirk = quirks()[name]
    in_folder(tmp_path, quirk.files)
    # What a rule of ingest refuses or sets aside, a reader reads.
    by_rule = {"stored", "replaced", "IDENTITY_NOT_QUALIFIED", "PARENT_UNKNOWN", "UNIQUE_ID_REUSED"}
    by_rule |= {"TYPE_NOT_IN_DMP", "TYPE_UNKNOWN"}
    if quirk.expected in by_rule:
        for document in read(tmp_path / quirk.filename).documents:
            assert document.content in quirk.files.values() or quirk.filename.endswith(".zip")
    else:
        with pytest.raises(InvalidInput) as refused:
            read(tmp_path / quirk.filename)
        assert refused.value.code == quirk.expected
        assert refused.value.message != quirk.expected
