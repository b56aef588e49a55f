"""A plain text as a PDF: A4 pages of headings, paragraphs and rows, in the fonts that every reader has.

Source: ISO 32000-1, 9.6.2.2 (the standard fonts need no file), annex D (WinAnsiEncoding). Nothing is compressed and
nothing is dated, so that equal texts give the same octets. Letters that the encoding lacks lose their accent.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["title", "heading", "text"]

_WIDTH: Final = 595
_HEIGHT: Final = 842
_MARGIN: Final = 54
_INDENT: Final = 14
_SIZES: Final[dict[Kind, float]] = {"title": 16, "heading": 12, "text": 10}
_BEFORE: Final[dict[Kind, float]] = {"title": 0, "heading": 12, "text": 2}
_LEADING: Final = 1.3
_BOLD_IS_WIDER: Final = 1.08
# Of Helvetica, in thousandths of its size, from the space to the tilde (Adobe Core 14 metrics).
_ADVANCES: Final = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
)  # fmt: skip
_OTHER: Final = 600


@dataclass(frozen=True, slots=True)
class Block:
    """Words that stand together."""

    kind: Kind
    words: str


@dataclass(frozen=True, slots=True)
class _Line:
    kind: Kind
    words: str
    x: float
    y: float


def document(title: str, blocks: Iterable[Block], *, foot: str = "Page") -> bytes:
    """The PDF of these blocks, its pages numbered."""
    pages = list(_pages(blocks))
    first = 5
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /Lang (fr-FR) /ViewerPreferences << /DisplayDocTitle true >> >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(f'{first + 2 * n} 0 R' for n in range(len(pages)))}] >>",
        *(
            f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
            for name in ("Helvetica", "Helvetica-Bold")
        ),
    ]
    for number, lines in enumerate(pages, 1):
        content = "\n".join([*map(_drawn, lines), _drawn(_foot(f"{foot} {number}/{len(pages)}"))])
        fonts = "<< /Font << /F1 3 0 R /F2 4 0 R >> >>"
        place = f"/Parent 2 0 R /MediaBox [0 0 {_WIDTH} {_HEIGHT}] /Contents {first + 2 * number - 1} 0 R"
        objects.append(f"<< /Type /Page {place} /Resources {fonts} >>")
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    objects.append(f"<< /Title {_literal(title)} >>")
    return _file(objects)


def _pages(blocks: Iterable[Block]) -> Iterator[list[_Line]]:
    page: list[_Line] = []
    y = float(_HEIGHT - _MARGIN)
    for block in blocks:
        size = _SIZES[block.kind]
        x = _MARGIN + (_INDENT if block.kind == "text" else 0)
        y -= _BEFORE[block.kind]
        # A heading takes its first words with it to the next page.
        ahead = 3 if block.kind == "heading" else 1
        for line in _wrapped(block.words, block.kind, _WIDTH - _MARGIN - x):
            if page and y - ahead * size * _LEADING < _MARGIN:
                yield page
                page, y = [], float(_HEIGHT - _MARGIN)
            y -= size * _LEADING
            page.append(_Line(block.kind, line, x, y))
    yield page


def _wrapped(words: str, kind: Kind, room: float) -> Iterator[str]:
    line = ""
    for word in _encodable(words).split():
        for piece in _fitting(word, kind, room):
            longer = f"{line} {piece}".strip()
            if line and _width(longer, kind) > room:
                yield line
                line = piece
            else:
                line = longer
    if line:
        yield line


def _fitting(word: str, kind: Kind, room: float) -> Iterator[str]:
    """A word, cut where it is longer than a line."""
    piece = ""
    for letter in word:
        if piece and _width(piece + letter, kind) > room:
            yield piece
            piece = ""
        piece += letter
    yield piece


def _width(words: str, kind: Kind) -> float:
    total = sum(_advance(letter) for letter in words)
    return total * _SIZES[kind] / 1000 * (1 if kind == "text" else _BOLD_IS_WIDER)


def _advance(letter: str) -> int:
    base = unicodedata.normalize("NFKD", letter)[0]
    at = ord(base) - ord(" ")
    return _ADVANCES[at] if 0 <= at < len(_ADVANCES) else _OTHER


def _encodable(words: str) -> str:
    """The words in letters that WinAnsi has, as near as can be."""
    composed = unicodedata.normalize("NFC", words)
    try:
        composed.encode("cp1252")
    except UnicodeEncodeError:
        return "".join(map(_nearest, composed))
    return composed


def _nearest(letter: str) -> str:
    for form in (letter, unicodedata.normalize("NFKD", letter)[0]):
        try:
            form.encode("cp1252")
        except UnicodeEncodeError:
            continue
        return form
    return "?"


def _foot(words: str) -> _Line:
    return _Line("text", words, _WIDTH - _MARGIN - _width(words, "text"), _MARGIN - 24)


def _drawn(line: _Line) -> str:
    font = "F1" if line.kind == "text" else "F2"
    return f"BT /{font} {_SIZES[line.kind]:g} Tf {line.x:.1f} {line.y:.1f} Td {_literal(line.words)} Tj ET"


def _literal(words: str) -> str:
    """A string of PDF, as the octets of WinAnsi written in ASCII."""
    octets = _encodable(words).encode("cp1252", "replace")
    return (
        "("
        + "".join(chr(each) if 32 <= each < 127 and each not in b"()\\" else f"\\{each:03o}" for each in octets)
        + ")"
    )


def _file(objects: list[str]) -> bytes:
    written = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(written))
        written += f"{number} 0 obj\n{each}\nendobj\n".encode("ascii")
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R /Info {len(objects)} 0 R >>\nstartxref\n{len(written)}\n%%EOF\n"
    return written + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode("ascii")
