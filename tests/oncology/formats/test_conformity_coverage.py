"""Which rows of the official assertions are checked, and that those which are not are told with a reason."""

from __future__ import annotations

import csv
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Final

from lxml import etree

from passerelle.oncology.formats.rules import GROUPS
from tests.formats.samples import SHARED, needs_shared
from tests.oncology.formats.test_conformity import NEWEST, RULES, SAMPLES

UNCHECKED: Final = tomllib.loads(Path(__file__).with_name("unchecked_rules.toml").read_text("utf-8"))
WHY: Final[dict[str, str]] = UNCHECKED.pop("why")
Row = tuple[str, int]


@cache
def published() -> dict[Row, str]:
    """The context of every row."""
    seen: Counter[str] = Counter()
    rows: dict[Row, str] = {}
    with (SHARED / "cda" / "rules" / "ci-sis-schematron-assertions.csv").open(encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            seen[line["schematron_file"]] += 1
            rows[line["schematron_file"], seen[line["schematron_file"]]] = line["context"]
    return rows


def checked() -> set[Row]:
    parts = [(group, re.fullmatch(r"([a-z]+)(\d+)", row)) for group, rule in RULES for row in rule.rows]
    return {(group.sources[part[1]], int(part[2])) for group, part in parts if part}


def left_out() -> dict[Row, str]:
    found: dict[Row, str] = {}
    for file, reasons in UNCHECKED.items():
        for why, given in reasons.items():
            found.update(dict.fromkeys(_named(file, given), why))
    return found


def _named(file: str, given: Any) -> set[Row]:
    if isinstance(given, list):
        return {(file, each) for each in given}
    every = {row for row in published() if row[0] == file}
    if given == "all":
        return every
    assert given == "rest"
    listed = {each for rows in UNCHECKED[file].values() if isinstance(rows, list) for each in rows}
    return {row for row in every - checked() if row[1] not in listed}


@needs_shared
def test_every_row_of_the_files_is_checked_or_told() -> None:
    files = {file for group in GROUPS for file in group.sources.values()} | set(UNCHECKED)
    rows = {row for row in published() if row[0] in files}
    assert checked() | set(left_out()) == rows
    assert not checked() & set(left_out())


@needs_shared
def test_no_file_that_oncology_documents_touch_is_forgotten() -> None:
    files = {file for group in GROUPS for file in group.sources.values()} | set(UNCHECKED)
    borne: set[str] = set()
    for name in (*NEWEST, *SAMPLES):
        tree = etree.parse(SHARED / "cda" / "ci-sis-2022-2025" / name, etree.XMLParser(huge_tree=True))
        borne |= {each.get("root") or "" for each in tree.iter("{urn:hl7-org:v3}templateId")}
    touched = {
        file
        for (file, _), context in published().items()
        if set(re.findall(r"\d+(?:\.\d+){5,}", context)) & borne
        and ("specificationsVolets" not in file or re.search("FRCP|PPS", file))
    }
    assert touched <= files
    assert {file for file, _ in published() if re.search("CANCER-(FRCP|PPS)|FRCP_ANS", file)} <= files


def test_reasons_are_given() -> None:
    assert {why for reasons in UNCHECKED.values() for why in reasons} == set(WHY)


def test_most_of_what_a_document_is_asked_is_checked() -> None:
    """How many rows: told in decision 0122, held here so that none is lost in passing."""
    own = {row for row in checked() if "structurationMinimale" not in row[0]}
    assert (len(own), len(checked() - own)) == (485, 75)
