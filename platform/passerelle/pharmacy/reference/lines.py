"""The lines of a published file: in whichever encoding it came, cut into cells, those that cannot be read named.

Encodings differ by file. A file is UTF-8 when more of its lines with accents are than are not; otherwise it is
Windows-1252. What is then not to be read is refused by itself, with its line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from passerelle.kernel.errors import InvalidInput

# Longer than any line of these files: a file of another kind is not taken into memory.
_LONGEST = 65_536
# Beyond, refused lines are counted by reason and not named one by one.
_NAMED = 50


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that was left out."""

    line: int
    why: str


@dataclass(slots=True)
class Figures:
    """What became of the lines of one file."""

    file: str
    encoding: str = "utf-8"
    read: int = 0
    kept: int = 0
    refused: int = 0
    wider: int = 0
    unread: list[Unread] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    def refuse(self, line: int, why: str) -> None:
        """Count a line as refused, and name it."""
        self.refused += 1
        self.reasons[why] = self.reasons.get(why, 0) + 1
        if len(self.unread) < _NAMED:
            self.unread.append(Unread(line, why))

    def told(self) -> dict[str, object]:
        """For the edition's row and for `--json`."""
        return {
            "file": self.file,
            "encoding": self.encoding,
            "read": self.read,
            "kept": self.kept,
            "refused": self.refused,
            "wider": self.wider,
            "reasons": dict(self.reasons),
            "lines": [{"line": each.line, "why": each.why} for each in self.unread],
        }


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number in the file, its cells without blanks around. A missing cell is empty."""

    line: int
    cells: list[str]

    def __getitem__(self, index: int) -> str:
        return self.cells[index] if index < len(self.cells) else ""


def rows(path: Path, figures: Figures, *, at_least: int, usual: int, separator: str = "\t") -> Iterator[Row]:
    """The lines of a file without header. Fewer cells than `at_least` is refused, more than `usual` is counted.

    What a caller cannot use it refuses itself on `figures`; what it keeps it counts there.
    """
    for number, text in _decoded(path, figures):
        cells = _cells(text, separator)
        if cells is None:
            figures.refuse(number, "QUOTES")
        elif len(cells) < at_least:
            figures.refuse(number, "COLUMNS")
        else:
            figures.wider += any(cells[usual:])
            yield Row(number, cells)


def records(path: Path, figures: Figures, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a file whose first line names its columns, whichever separator it uses.

    Refused: REFERENCE_HEADER when a needed column is not there.
    """
    lines = _decoded(path, figures)
    _, header = next(lines, (0, ""))
    figures.read = 0
    separator = max("\t;,", key=header.count)
    names = [name.lower() for name in _cells(header, separator) or ()]
    if any(name not in names for name in needed):
        raise InvalidInput("REFERENCE_HEADER", file=path.name)
    least = 1 + max(names.index(name) for name in needed)
    for number, text in lines:
        cells = _cells(text, separator)
        if cells is None:
            figures.refuse(number, "QUOTES")
        elif len(cells) < least:
            figures.refuse(number, "COLUMNS")
        else:
            figures.wider += any(cells[len(names) :])
            yield number, dict(zip(names, cells, strict=False))


def _cells(text: str, separator: str) -> list[str] | None:
    """Null when its quotes do not close. Files of the BDPM have no quoting: theirs are part of the text."""
    if '"' not in text or (separator == "\t" and not text.startswith('"')):
        return [cell.strip() for cell in text.split(separator)]
    try:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=separator, strict=True))]
    except csv.Error:
        return None


def _decoded(path: Path, figures: Figures) -> Iterator[tuple[int, str]]:
    figures.encoding = _encoding_of(path)
    for number, octets in _octets(path):
        if not octets.strip():
            continue
        figures.read += 1
        if len(octets) >= _LONGEST:
            figures.refuse(number, "TOO_LONG")
            continue
        try:
            yield number, octets.rstrip(b"\r\n").decode(figures.encoding)
        except UnicodeDecodeError:
            figures.refuse(number, "ENCODING")


def _encoding_of(path: Path) -> str:
    balance = 0
    for _, octets in _octets(path):
        if not octets.isascii():
            try:
                octets.decode("utf-8")
                balance += 1
            except UnicodeDecodeError:
                balance -= 1
    return "utf-8" if balance >= 0 else "cp1252"


def _octets(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        for number in count(1):
            octets = file.readline(_LONGEST)
            if not octets:
                return
            yield number, octets
            while len(octets) == _LONGEST and not octets.endswith(b"\n"):
                octets = file.readline(_LONGEST)
