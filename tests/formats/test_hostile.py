"""Whatever octets are fed, a reader reads or refuses: nothing else leaves it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.recognise import read
from passerelle.dossier.formats.rendering import render
from passerelle.dossier.formats.xdm import read_xdm
from passerelle.kernel.errors import LimitExceeded
from passerelle_ops.demo.corpus.exchange import Enclosed, stylesheet, xdm_files, zipped
from passerelle_ops.demo.corpus.quirks import huge
from passerelle_ops.demo.corpus.write import write
from tests.formats.samples import refusal, sound

CDA = write(sound())
AUTO = stylesheet(sound())
FILES = xdm_files([Enclosed(sound(), CDA)])
MANIFEST = "IHE_XDM/SUBSET01/METADATA.XML"
ZIP = zipped(FILES)


def cut(data: bytes) -> st.SearchStrategy[bytes]:
    """`data` with a stretch of it replaced, doubled or moved."""

    def altered(start: int, length: int, put: bytes, times: int) -> bytes:
        stretch = data[start : start + length]
        return data[:start] + put + stretch * times + data[start + length :]

    noise = st.one_of(
        st.binary(max_size=6),
        st.sampled_from([b"<", b">", b'"', b"&#0;", b"&#x1;", b"<id/>", b"<!--", b"]]>", b' root=""', b"\xff", b"<a>"]),
    )
    return st.builds(altered, st.integers(0, len(data)), st.integers(0, 60), noise, st.integers(0, 2))


@settings(max_examples=300)
@given(st.one_of(cut(CDA), cut(AUTO), st.binary()))
def test_a_cda_altered_anywhere(data: bytes) -> None:
    code = refusal(lambda: read_cda(data))
    # What is read is shown.
    assert refusal(lambda: render(data)) == code


@settings(max_examples=200)
@given(cut(ZIP))
def test_a_zip_altered_anywhere(data: bytes) -> None:
    refusal(lambda: read_xdm(data))


@settings(max_examples=200)
@given(cut(FILES[MANIFEST]))
def test_a_manifest_altered_anywhere(manifest: bytes) -> None:
    refusal(lambda: read_xdm(zipped({**FILES, MANIFEST: manifest})))


@given(st.one_of(st.binary(), cut(CDA), cut(ZIP)))
def test_any_file(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fichier"
        path.write_bytes(data)
        refusal(lambda: read(path))


def test_a_document_over_a_hundred_megabytes() -> None:
    with pytest.raises(LimitExceeded, match="XML_TOO_LARGE"):
        read_cda(huge())
