"""Our PDF: readers open it and read the same words, whatever the words are."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from passerelle.dossier.formats.pdf import check_pdf
from passerelle.oncology.formats.plain_pdf import Block, document


def read(data: bytes) -> list[str]:
    check_pdf(data)
    return [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]


def test_words_are_read_back_on_numbered_pages() -> None:
    blocks = [Block("title", "Titre (œuvre) \\ été"), Block("heading", "Section"), *[Block("text", "mot " * 60)] * 40]
    data = document("Titre", blocks)
    assert data == document("Titre", blocks)
    pages = read(data)
    assert len(pages) > 1
    assert "Titre (œuvre) \\ été" in pages[0]
    assert f"Page 2/{len(pages)}" in pages[1]
    assert " ".join(pages).split().count("mot") == 40 * 60
    metadata = PdfReader(io.BytesIO(data)).metadata
    assert metadata is not None
    assert metadata.title == "Titre"


def test_letters_that_the_fonts_lack_keep_their_base() -> None:
    (page,) = read(document("T", [Block("text", "Kovačević Łódź 漢")]))
    assert "Kovacevic" in page
    assert "?" in page


def test_a_heading_does_not_end_a_page() -> None:
    filled = [Block("text", "ligne")] * 46
    for extra in range(8):
        pages = read(
            document("T", [*filled, *[Block("text", "ligne")] * extra, Block("heading", "Suite"), Block("text", "fin")])
        )
        assert ["Suite" in page for page in pages] == ["fin" in page for page in pages]


def test_nothing_is_a_page_too() -> None:
    assert read(document("T", [])) == ["Page 1/1"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.builds(Block, st.sampled_from(["title", "heading", "text"]), st.text(max_size=400)), max_size=6))
def test_any_words_make_a_sound_file(blocks: list[Block]) -> None:
    data = document("Titre", blocks)
    assert read(data)
    body = data.split(b"\n", 2)[2]
    assert all(octet < 128 for octet in body)
