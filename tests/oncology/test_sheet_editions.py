"""A sheet of 2022 as one of 2025 and back: nothing that it answers is lost, and it keeps the rules of its edition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from passerelle.oncology.coded import Code, Id, Value
from passerelle.oncology.formats import frcp
from passerelle.oncology.formats.conformity import broken_rules
from passerelle.oncology.formats.rules.shapes import DocumentKind
from passerelle.oncology.sheet import BoardSheet, Edition
from passerelle.oncology.sheet_editions import in_edition
from passerelle.oncology.sheet_fields import answer, items
from passerelle.oncology.sheet_paths import section_of
from passerelle.oncology.sheet_table import table
from tests.formats.samples import needs_shared
from tests.oncology.formats.test_frcp import schema
from tests.oncology.formats.test_frcp_samples import ORGAN, TRANSVERSAL
from tests.oncology.sheets import a_sheet


def answers(sheet: BoardSheet) -> dict[str, Any]:
    """Everything it answers, but what only sheets of 2025 say by themselves."""
    declared = table()
    single = [each.name for each in declared.fields.values() if each.section and each.type != "group"]
    said: dict[str, Any] = {name: answer(sheet, name) for name in single if name != "personal_data"}
    return said | {name: items(sheet, name) for name in declared.records}


def test_a_sheet_of_2022_becomes_the_one_that_2025_would_have_made() -> None:
    assert in_edition(a_sheet(edition="2022.01"), "2025.01") == a_sheet(edition="2025.01")
    assert in_edition(a_sheet(), "2025.01") == a_sheet()


@pytest.mark.parametrize(("before", "after"), [("2022.01", "2025.01"), ("2025.01", "2022.01")])
def test_nothing_is_lost_and_the_rules_are_kept(before: Edition, after: Edition) -> None:
    sheet = a_sheet(edition=before)
    other = in_edition(sheet, after)
    assert answers(other) == answers(sheet)
    document = frcp.written(other)
    assert frcp.read(document) == other
    assert broken_rules(etree.fromstring(document), DocumentKind.FRCP) == ()
    assert answers(in_edition(other, before)) == answers(sheet)


def test_what_the_newer_edition_has_no_section_for_stays_when_it_says_something() -> None:
    sheet = a_sheet(edition="2022.01")
    at = next(n for n, each in enumerate(sheet.sections) if each.sections)
    outer = sheet.sections[at]
    (entry,) = outer.sections[0].entries
    score = replace(entry.statement, values=(Value(type="INT", value="7"),))
    pain = replace(outer.sections[0], entries=(replace(entry, statement=score),))
    outer = replace(outer, sections=(pain, *outer.sections[1:]))
    sheet = replace(sheet, sections=(*sheet.sections[:at], outer, *sheet.sections[at + 1 :]))
    moved = in_edition(sheet, "2025.01")
    kept = section_of(moved, "functional_status")
    assert kept is not None
    assert kept.sections == (pain,)
    assert answers(moved) == answers(sheet)


def test_a_code_of_another_time_moves_as_it_is() -> None:
    old = Code(code="1", system="1.2.250.1.213.1.1.4.322", label="Grade 1")
    sheet = a_sheet(edition="2022.01")
    at = next(n for n, each in enumerate(sheet.sections) if each.sections)
    outer = sheet.sections[at]
    inner = outer.sections[1]
    entry, *rest = inner.entries
    entry = replace(entry, statement=replace(entry.statement, values=(Value(type="CD", code=old),)))
    outer = replace(outer, sections=(outer.sections[0], replace(inner, entries=(entry, *rest))))
    sheet = replace(sheet, sections=(*sheet.sections[:at], outer, *sheet.sections[at + 1 :]))
    assert answer(in_edition(sheet, "2025.01"), "performance_status") == old


def test_the_template_of_the_header_follows() -> None:
    header = replace(a_sheet().header, templates=(Id(root=frcp.TEMPLATE, extension="2022.01"), Id(root="1.2.3")))
    moved = in_edition(replace(a_sheet(edition="2022.01"), header=header), "2025.01")
    assert moved.header.templates == (Id(root=frcp.TEMPLATE, extension="2025.01"), Id(root="1.2.3"))


@needs_shared
@pytest.mark.parametrize(
    ("path", "after"), [(ORGAN, "2025.01"), (TRANSVERSAL, "2022.01")], ids=["organ", "transversal"]
)
def test_published_sheets_in_the_other_edition(path: Any, after: Edition) -> None:
    sheet = frcp.read(path.read_bytes())
    other = in_edition(sheet, after)
    assert answers(other) == answers(sheet)
    document = frcp.written(other)
    assert frcp.read(document) == other
    schema().assertValid(etree.fromstring(document))
    assert broken_rules(etree.fromstring(document), DocumentKind.FRCP) == ()
