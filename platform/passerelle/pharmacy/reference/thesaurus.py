"""The thesaurus of interactions (ANSM), as its yearly tables were published, and which substance is of which family.

Columns are found by their names. The levels of a pair are read in its description, where a pair may have several
(« CI - ASDEC - APEC »): the `niveau` of the 2019 table keeps only the least severe.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.resources import files as files_of
from pathlib import Path
from typing import Any

from passerelle.kernel.errors import InvalidInput
from passerelle.pharmacy.reference.lines import Figures, records
from passerelle.pharmacy.reference.names import folded, substance_name
from passerelle.pharmacy.reference.parts import Part

_PAIR = ("protagoniste1", "protagoniste2", "description_interaction")
_MEMBER = ("molecule", "famille")

_SHORT = {"ci": 4, "asdec": 3, "pe": 2, "apec": 1}
_SEVERAL = re.compile(r"(?:ci|asdec|pe|apec)\b(?:\s*-\s*(?:ci|asdec|pe|apec)\b)*", re.IGNORECASE)
_ALONE = (
    (re.compile(r"contre\s*-?\s*indication", re.IGNORECASE), 4),
    (re.compile(r"association\s+d[eé]conseill[eé]e", re.IGNORECASE), 3),
    (re.compile(r"pr[eé]caution\s+d['’ ]\s*emploi", re.IGNORECASE), 2),
    (re.compile(r"[aà]\s+prendre\s+en\s+compte", re.IGNORECASE), 1),
)
_COLUMNS = {"ci": 4, "ad": 3, "pe": 2, "pc": 1}
_DATED = re.compile(r"(20\d\d)[-_](\d\d)(?:[-_](\d\d))?")
_SEE_ALSO = re.compile(r"\A\s*voir aussi\s*:\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tables:
    """The files of one edition: its pairs, and the families that go with them, if they came too."""

    pairs: Path
    families: Path | None
    dated: date | None


def tables(path: Path) -> list[Tables]:
    """The tables of pairs at a path, file or folder, the oldest first. Refused: REFERENCE_FILE_MISSING."""
    beside = sorted((path if path.is_dir() else path.parent).iterdir())
    files = [each for each in beside if each.suffix.lower() in {".csv", ".tsv", ".txt"}]
    families = next((each for each in files if _has(each, _MEMBER)), None)
    pairs = [each for each in (files if path.is_dir() else [path]) if _has(each, _PAIR)]
    if not pairs:
        raise InvalidInput("REFERENCE_FILE_MISSING", file="thesaurus")
    found = [Tables(each, families, dated_by(each.name)) for each in pairs]
    return sorted(found, key=lambda each: (each.dated or date.max, each.pairs.name))


def dated_by(name: str) -> date | None:
    """The day that the name of a file or folder gives: its month's first day when it gives a month."""
    found = _DATED.search(name)
    try:
        return date(int(found[1]), int(found[2]), int(found[3] or 1)) if found else None
    except ValueError:
        return None


def parts(source: Tables, files: list[Figures]) -> Iterator[Part]:
    """The tables of one edition; what became of each file's lines is added to `files`."""
    members: dict[tuple[str, str], None] = {}
    yield Part(
        "interaction",
        ("left", "right", "level", "number", "left_label", "right_label", "text", "mechanism"),
        _interactions(source.pairs, files, members),
    )
    if source.families is not None:
        _families(source.families, files, members)
    _complete(members)
    yield Part("interaction_family", ("substance", "family"), members)


def levels(description: str, columns: dict[str, str] | None = None) -> list[int]:
    """The levels of a pair, the gravest first: 4 contre-indication … 1 à prendre en compte. None when unreadable.

    `columns` are the table's own CI, AD, PE and PC: a level they fill counts too.
    """
    text = description.strip()
    found = {level for name, level in _COLUMNS.items() if (columns or {}).get(name, "").strip()}
    if short := _SEVERAL.match(text):
        found |= {_SHORT[each.strip().lower()] for each in short[0].split("-")}
    else:
        found |= {level for heading, level in _ALONE if heading.match(text)}
    return sorted(found, reverse=True)


def families_of(name: str, remark: str) -> Iterator[tuple[str, str]]:
    """What the remark beside a name tells: its families (« Voir aussi : »), or, in brackets, its members."""
    if see_also := _SEE_ALSO.match(remark):
        for family in remark[see_also.end() :].split(" - "):
            yield substance_name(name), substance_name(family)
    elif members := _bracketed(remark.strip()):
        for member in _listed(members):
            yield substance_name(member), substance_name(name)


def _interactions(path: Path, files: list[Figures], members: dict[tuple[str, str], None]) -> Iterator[tuple[Any, ...]]:
    figures = Figures(path.name)
    files.append(figures)
    for number, record in records(path, figures, _PAIR):
        labels = [record["protagoniste1"], record["protagoniste2"]]
        found = levels(record["description_interaction"], record)
        if not all(folded(label) for label in labels):
            figures.refuse(number, "NAME")
            continue
        if not found:
            figures.refuse(number, "LEVEL")
            continue
        figures.kept += 1
        for member in families_of(labels[0], record.get("description_medoc", "")):
            if all(member) and member[0] != member[1]:
                members.setdefault(member)
        (left, left_label), (right, right_label) = sorted((substance_name(label), label) for label in labels)
        text, mechanism = record["description_interaction"], record.get("mecanisme", "")
        for level in found:
            yield left, right, level, number, left_label, right_label, text, mechanism


def _families(path: Path, files: list[Figures], members: dict[tuple[str, str], None]) -> None:
    figures = Figures(path.name)
    files.append(figures)
    for number, record in records(path, figures, _MEMBER):
        member = (substance_name(record["molecule"]), substance_name(record["famille"]))
        if all(member):
            members.setdefault(member)
            figures.kept += 1
        else:
            figures.refuse(number, "NAME")


def _complete(members: dict[tuple[str, str], None]) -> None:
    """Give members to the families that the tables name without listing any."""
    listed = {family for _, family in members}
    text = files_of("passerelle.pharmacy.reference").joinpath("families.toml").read_text("utf-8")
    for family, substances in tomllib.loads(text).items():
        if family not in listed:
            members |= dict.fromkeys((substance, family) for substance in substances)


def _has(path: Path, columns: tuple[str, ...]) -> bool:
    with path.open("rb") as file:
        names = {name.strip(' "\r\n').lower() for name in re.split(r"[\t;,]", file.readline(4096).decode("latin-1"))}
    return names.issuperset(columns)


def _bracketed(text: str) -> str:
    """What the last bracket holds; one that was cut off holds the rest."""
    if not text.endswith(")"):
        _, _, rest = text.rpartition("(")
        return "" if ")" in rest or rest == text else rest
    depth = 0
    for place in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[place], 0)
        if depth == 0:
            return text[place + 1 : -1]
    return ""


def _listed(text: str) -> Iterator[str]:
    depth, begun = 0, 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            yield text[begun:place].strip()
            begun = place + 1
    yield text[begun:].strip()
