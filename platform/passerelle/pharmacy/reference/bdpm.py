"""The public list of medicines (BDPM): its files as the ANSM publishes them, several years' layouts.

What is kept in memory grows with the number of medicines and substances; boxes and shortages pass line by line.
A line that cannot be used is refused and named: the reasons are in `kernel/messages/reference.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from passerelle.kernel.errors import InvalidInput
from passerelle.pharmacy.reference.cip import is_cip7, is_cip13, is_cis
from passerelle.pharmacy.reference.lines import Figures, Row, rows
from passerelle.pharmacy.reference.names import folded, known_as, substance_name, words
from passerelle.pharmacy.reference.parts import Part
from passerelle.pharmacy.reference.product_classes import product_class

_ATC = re.compile(r"\A[A-Z]([0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?)?\Z")
_STATUS = {"1": "out", "2": "strained", "3": "stopped", "4": "back"}
_GENERIC_TYPES = frozenset("0124")
_NEEDED = ("cis_bdpm", "cis_cip_bdpm", "cis_compo_bdpm")


@dataclass(frozen=True, slots=True)
class _Substance:
    element: str
    code: str
    name: str
    strength: str
    reference: str
    nature: str
    link: int


@dataclass(slots=True)
class _Medicine:
    name: str
    form: str
    routes: list[str]
    holder: str
    is_marketed: bool
    atc: str | None = None
    is_major_interest: bool = False
    conditions: list[str] = field(default_factory=list)
    groups: dict[str, tuple[int, str]] = field(default_factory=dict)
    substances: list[_Substance] = field(default_factory=list)


def parts(folder: Path, files: list[Figures]) -> Iterator[Part]:
    """The tables of one edition; what became of each file's lines is added to `files`.

    Refused: REFERENCE_FILE_MISSING without the medicines, the boxes or the composition.
    """
    found = _files(folder)
    medicines = _medicines(found["cis_bdpm"], files)
    _compositions(found["cis_compo_bdpm"], files, medicines)
    for name, read in (("cis_gener_bdpm", _generics), ("cis_cpd_bdpm", _conditions), ("cis_mitm", _major_interests)):
        if name in found:
            read(found[name], files, medicines)
    yield Part(
        "medicine",
        (
            *("cis", "name", "search_name", "search_words", "form", "routes", "holder", "is_marketed", "atc"),
            *("product_class", "generic_group", "generic_type", "is_major_interest", "conditions"),
        ),
        (_medicine_row(cis, each) for cis, each in medicines.items()),
    )
    yield Part(
        "medicine_word",
        ("word", "cis"),
        ((word, cis) for cis, each in medicines.items() for word in _words(each)),
    )
    yield Part(
        "generic_member",
        ("generic_group", "cis", "generic_type", "label"),
        ((group, cis, *kind) for cis, each in medicines.items() for group, kind in each.groups.items()),
    )
    yield Part(
        "medicine_substance",
        (
            *("cis", "number", "element", "substance_code", "name", "search_name", "known_as"),
            *("strength", "reference", "nature", "link"),
        ),
        (row for cis, each in medicines.items() for row in _substance_rows(cis, each.substances)),
    )
    yield Part(
        "presentation",
        ("cip13", "cip7", "cis", "label", "is_marketed"),
        _presentations(found["cis_cip_bdpm"], files, medicines),
    )
    if "cis_cip_dispo_spec" in found:
        yield Part(
            "shortage",
            ("cis", "number", "cip13", "status", "since", "updated_on", "expected_back", "link"),
            _shortages(found["cis_cip_dispo_spec"], files, medicines),
        )


def _files(folder: Path) -> dict[str, Path]:
    known = (*_NEEDED, "cis_gener_bdpm", "cis_cpd_bdpm", "cis_mitm", "cis_cip_dispo_spec")
    found = {
        name: path
        for path in sorted(folder.iterdir() if folder.is_dir() else ())
        for name in known
        if path.suffix.lower() in {".txt", ".tsv"} and path.stem.lower().startswith(name)
    }
    for name in _NEEDED:
        if name not in found:
            raise InvalidInput("REFERENCE_FILE_MISSING", file=f"{name.upper()}.txt")
    return found


def _read(path: Path, files: list[Figures], *, at_least: int, usual: int) -> tuple[Figures, Iterator[Row]]:
    figures = Figures(path.name)
    files.append(figures)
    return figures, rows(path, figures, at_least=at_least, usual=usual)


def _known(
    figures: Figures, lines: Iterable[Row], column: int, medicines: dict[str, _Medicine]
) -> Iterator[tuple[Row, str, _Medicine]]:
    """The lines whose medicine is in the list; the others are refused."""
    for row in lines:
        cis = row[column]
        if not is_cis(cis):
            figures.refuse(row.line, "CIS")
        elif (found := medicines.get(cis)) is None:
            figures.refuse(row.line, "CIS_UNKNOWN")
        else:
            yield row, cis, found


def _medicines(path: Path, files: list[Figures]) -> dict[str, _Medicine]:
    figures, lines = _read(path, files, at_least=4, usual=12)
    found: dict[str, _Medicine] = {}
    for row in lines:
        if not is_cis(row[0]):
            figures.refuse(row.line, "CIS")
        elif row[0] in found:
            figures.refuse(row.line, "TWICE")
        elif not folded(row[1]):
            figures.refuse(row.line, "NAME")
        else:
            routes = [each.strip() for each in row[3].split(";") if each.strip()]
            found[row[0]] = _Medicine(row[1], row[2], routes, row[10], not folded(row[6]).startswith("non "))
            figures.kept += 1
    return found


def _compositions(path: Path, files: list[Figures], medicines: dict[str, _Medicine]) -> None:
    figures, lines = _read(path, files, at_least=4, usual=8)
    for row, _, medicine in _known(figures, lines, 0, medicines):
        nature, link = row[6] or "SA", row[7] or "0"
        if nature not in ("SA", "FT"):
            figures.refuse(row.line, "NATURE")
        elif not link.isdecimal() or len(link) > 9:
            figures.refuse(row.line, "NUMBER")
        elif not folded(row[3]):
            figures.refuse(row.line, "NAME")
        else:
            medicine.substances.append(_Substance(row[1], row[2], row[3], row[4], row[5], nature, int(link)))
            figures.kept += 1


def _generics(path: Path, files: list[Figures], medicines: dict[str, _Medicine]) -> None:
    figures, lines = _read(path, files, at_least=4, usual=5)
    for row, _, medicine in _known(figures, lines, 2, medicines):
        if row[3] not in _GENERIC_TYPES or not row[0]:
            figures.refuse(row.line, "GENERIC_TYPE")
        elif row[0] in medicine.groups:
            figures.refuse(row.line, "TWICE")
        else:
            medicine.groups[row[0]] = (int(row[3]), row[1])
            figures.kept += 1


def _conditions(path: Path, files: list[Figures], medicines: dict[str, _Medicine]) -> None:
    figures, lines = _read(path, files, at_least=2, usual=2)
    for row, _, medicine in _known(figures, lines, 0, medicines):
        medicine.conditions.append(row[1])
        figures.kept += 1


def _major_interests(path: Path, files: list[Figures], medicines: dict[str, _Medicine]) -> None:
    figures, lines = _read(path, files, at_least=2, usual=4)
    for row, _, medicine in _known(figures, lines, 0, medicines):
        if row[1] and not _ATC.match(row[1]):
            figures.refuse(row.line, "ATC")
        else:
            medicine.atc, medicine.is_major_interest = row[1] or None, True
            figures.kept += 1


def _presentations(path: Path, files: list[Figures], medicines: dict[str, _Medicine]) -> Iterator[tuple[Any, ...]]:
    figures, lines = _read(path, files, at_least=7, usual=13)
    seen: set[str] = set()
    for row, cis, _ in _known(figures, lines, 0, medicines):
        cip7, cip13 = row[1], row[6]
        if not is_cip13(cip13):
            figures.refuse(row.line, "CIP13")
        elif not is_cip7(cip7):
            figures.refuse(row.line, "CIP7")
        elif cip13 in seen:
            figures.refuse(row.line, "TWICE")
        else:
            seen.add(cip13)
            figures.kept += 1
            yield cip13, cip7, cis, row[2], "arret" not in folded(row[4]).split()


def _shortages(path: Path, files: list[Figures], medicines: dict[str, _Medicine]) -> Iterator[tuple[Any, ...]]:
    figures, lines = _read(path, files, at_least=5, usual=8)
    numbers: dict[str, int] = {}
    for row, cis, _ in _known(figures, lines, 0, medicines):
        days = [_day(row[column]) for column in (4, 5, 6)]
        if row[2] not in _STATUS:
            figures.refuse(row.line, "STATUS")
        elif row[1] and not is_cip13(row[1]):
            figures.refuse(row.line, "CIP13")
        elif days[0] is None or any(day is None and row[4 + place] for place, day in enumerate(days)):
            figures.refuse(row.line, "DATE")
        else:
            numbers[cis] = number = numbers.get(cis, 0) + 1
            figures.kept += 1
            yield cis, number, row[1] or None, _STATUS[row[2]], *days, row[7]


def _medicine_row(cis: str, each: _Medicine) -> tuple[Any, ...]:
    group = min(each.groups, key=lambda name: (each.groups[name][0], len(name), name), default=None)
    return (
        *(cis, each.name, folded(each.name), f" {' '.join(_words(each))} ", each.form, each.routes, each.holder),
        *(
            each.is_marketed,
            each.atc,
            product_class(each.atc, each.name, [one.name for one in each.substances]),
            group,
            each.groups[group][0] if group else None,
        ),
        *(each.is_major_interest, each.conditions),
    )


def _words(each: _Medicine) -> list[str]:
    return words(" ".join([each.name, *(substance.name for substance in each.substances)]))


def _substance_rows(cis: str, substances: list[_Substance]) -> Iterator[tuple[Any, ...]]:
    fractions: dict[tuple[str, int], list[str]] = {}
    for each in substances:
        if each.nature == "FT" and each.link:
            fractions.setdefault((each.element, each.link), []).append(each.name)
    for number, each in enumerate(substances, start=1):
        salt_of = [] if each.nature == "FT" else fractions.get((each.element, each.link), [])
        names = [each.name, *salt_of]
        yield (
            *(cis, number, each.element, each.code, each.name, substance_name(each.name), known_as(names)),
            *(each.strength, each.reference, each.nature, each.link),
        )


def _day(text: str) -> date | None:
    try:
        day, month, year = text.split("/")
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
