"""A PDF with the metadata that its sender gives."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfWriter

from passerelle.dossier.formats.pdf import check_pdf, read_pdf
from passerelle.dossier.formats.submission import EventCode
from passerelle.kernel.errors import InvalidInput
from passerelle_ops.demo.corpus.exchange import pdf, sidecar
from tests.formats.samples import refusal, sound

PAGE = pdf(["Compte rendu (n° 1)", "L'état est stable."])


def given_metadata(**changes: Any) -> dict[str, Any]:
    return {**sidecar(sound()), **changes}


def test_everything_that_is_given_is_read() -> None:
    made = sound()
    more = {"eventCodes": [{"code": "ZBQK002", "label": "Radiographie"}], "class": "10", "identityStatus": "qualified"}
    document = read_pdf(PAGE, given_metadata(**more, setId="1.2", replaces="1.2^0", serviceStop="2026031212"))
    read = document.metadata
    assert document.content == PAGE
    assert (read.mime_type, read.format_code) == ("application/pdf", "urn:ihe:iti:xds:2017:mimeTypeSufficient")
    assert (read.class_code, read.set_id, read.replaces_unique_id) == ("10", "1.2", "1.2^0")
    assert read.event_codes == (EventCode(code="ZBQK002", label="Radiographie"),)
    assert read.identity_status == "qualified"
    assert read.patient.identifiers == made.patient.identifiers
    assert read.patient.given_names == made.patient.given_names
    assert read.authors[0].id == made.writer.rpps
    assert read.authors[0].is_rpps
    assert (read.authors[0].profession, read.authors[0].specialty) == ("10", "SM54")
    assert read.structure_id == made.structure.finess
    assert read.service_stop is not None
    assert read.service_stop.precision == "hour"


@pytest.mark.parametrize("field", ["uniqueId", "type", "title", "creationTime", "patient"])
def test_a_missing_field_is_named(field: str) -> None:
    metadata = given_metadata()
    del metadata[field]
    with pytest.raises(InvalidInput) as refused:
        read_pdf(PAGE, metadata)
    assert (refused.value.code, refused.value.fields["field"]) == ("METADATA_INVALID", field)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"Inattendu": 1}, "METADATA_INVALID", "inconnu"),
        ({"title": 12}, "METADATA_INVALID", "title"),
        ({"title": "  "}, "VALUE_MISSING", "title"),
        ({"title": "a\x00b"}, "VALUE_MALFORMED", "title"),
        ({"title": "a\ud800b"}, "VALUE_MALFORMED", "title"),
        ({"uniqueId": "x" * 300}, "VALUE_TOO_LONG", "uniqueId"),
        ({"versionNumber": 2**31}, "METADATA_INVALID", "versionNumber"),
        ({"versionNumber": "1"}, "METADATA_INVALID", "versionNumber"),
        ({"patient": {"identifiers": []}}, "METADATA_INVALID", "patient.identifiers"),
        ({"patient": {"identifiers": [{"oid": " ", "value": "1"}]}}, "VALUE_MISSING", "patient.identifiers"),
        ({"identityStatus": "sûre"}, "METADATA_INVALID", "identityStatus"),
        ({"authors": [{"kind": "robot"}]}, "METADATA_INVALID", "authors.0.kind"),
    ],
)
def test_a_field_that_does_not_do_is_named(changes: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_pdf(PAGE, given_metadata(**changes))
    assert (refused.value.code, refused.value.fields["field"]) == (code, field)
    assert refused.value.message != code


def test_a_refusal_does_not_repeat_what_it_was_given() -> None:
    secret = sound().patient.identifiers[0].value
    for field in (secret, f"{secret} Dupont"):
        with pytest.raises(InvalidInput) as refused:
            read_pdf(PAGE, given_metadata(**{field: 1}))
        assert secret not in str(refused.value)
        assert "Dupont" not in str(refused.value)


def _encrypted() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _empty() -> bytes:
    written = io.BytesIO()
    PdfWriter().write(written)
    return written.getvalue()


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: b"", "EMPTY_FILE"),
        (lambda: b"<html/>", "NOT_PDF"),
        (lambda: b"%PDF-1.7\nrien", "PDF_UNREADABLE"),
        (lambda: PAGE[: len(PAGE) // 3], "PDF_UNREADABLE"),
        (_encrypted, "PDF_ENCRYPTED"),
        (_empty, "PDF_UNREADABLE"),
    ],
)
def test_files_that_are_no_readable_pdf(make: Any, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_pdf(make(), given_metadata())
    assert refused.value.code == code
    assert refused.value.message != code


def test_a_pdf_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerelle.dossier.formats.pdf.MAX_BYTES", 10)
    with pytest.raises(InvalidInput, match="PDF_TOO_LARGE"):
        check_pdf(PAGE)


@given(st.integers(0, len(PAGE) - 1), st.binary(max_size=40))
def test_a_pdf_altered_anywhere_is_read_or_refused(at: int, noise: bytes) -> None:
    altered = PAGE[:at] + noise + PAGE[at + len(noise) :]
    code = refusal(lambda: check_pdf(altered))
    assert code in {None, "NOT_PDF", "PDF_UNREADABLE", "PDF_ENCRYPTED", "EMPTY_FILE"}


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


@given(st.sampled_from(sorted(sidecar(sound()))), values)
def test_any_value_in_any_field_is_read_or_refused(field: str, value: Any) -> None:
    refusal(lambda: read_pdf(PAGE, given_metadata(**{field: value})))
