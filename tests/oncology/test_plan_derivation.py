"""The plan that a decision gives: what was proposed, in its order, for the people who care for the patient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from passerelle.oncology.coded import Code
from passerelle.oncology.formats import frcp, pps
from passerelle.oncology.formats.conformity import broken_rules
from passerelle.oncology.formats.rules.shapes import DocumentKind
from passerelle.oncology.plan_items import Kind, PlanItem, items, with_items
from passerelle.oncology.plan_status import board_day, state
from tests.formats.samples import needs_shared
from tests.oncology.formats.test_frcp import schema, tree
from tests.oncology.formats.test_frcp_samples import SHEETS
from tests.oncology.plans import CREATED, a_plan, handed_on
from tests.oncology.sheets import a_sheet


def said(item: PlanItem) -> tuple[Kind, str | None, str | None, str | None]:
    return item.kind, item.what.code if item.what else None, item.words, item.planned_from


def test_what_was_proposed_is_planned_in_its_order() -> None:
    sheet = a_sheet(
        proposals=[
            {"treatment": "C15632", "rank": "10", "precision": "Après la chirurgie"},
            {"treatment": "C547", "rank": "3", "starts": "20261001", "ends": "20311001"},
            {"treatment": "387713003", "rank": "2", "starts": "20260301"},
            {"treatment": "C15747", "precision": "Diététicienne"},
        ]
    )
    assert [said(each) for each in items(a_plan(sheet=sheet))] == [
        (Kind.TREATMENT, "387713003", None, "20260301"),
        (Kind.TREATMENT, "C15445", None, "20261001"),
        (Kind.TREATMENT, "C15632", "Après la chirurgie", None),
        (Kind.TREATMENT, "MED-226", "Tous les six mois", None),
        (Kind.FOLLOW_UP, "GEN-092.04.06", "IRM mammaire", "20260218"),
        (Kind.FOLLOW_UP, "GEN-092.04.06", "TEP", None),
        (Kind.SUPPORT_CARE, "GEN-092.04.07", "Diététicienne", None),
    ]
    assert [each.rank for each in items(a_plan(sheet=sheet))[:3]] == ["2", "3", "10"]


def test_it_is_in_progress_and_follows_the_board() -> None:
    plan = a_plan()
    begun = state(plan)
    assert begun is not None
    assert (begun.code, board_day(plan), handed_on(plan)) == ("385651009", "20260218", None)
    assert plan.header.patient == a_sheet().header.patient
    assert plan.header.created is not None
    assert plan.header.created.value == CREATED
    document = pps.written(plan).decode()
    assert f'root="{a_sheet().header.id.root}"' in document  # the sheet, as referenced document
    caring = {(each.type_code, each.function.code if each.function else None) for each in plan.header.participants}
    assert caring == {("INF", "PCP"), ("PRF", "353")}


@pytest.mark.parametrize("is_child", [True, False])
def test_a_child_s_plan_says_so(is_child: bool) -> None:
    document = tree(pps.written(a_plan(sheet=a_sheet(paediatric_board=is_child))))
    values = [
        each.find("{urn:hl7-org:v3}value").get("value")  # type: ignore[union-attr]
        for each in document.iter("{urn:hl7-org:v3}observation")
        if (code := each.find("{urn:hl7-org:v3}code")) is not None and code.get("code") == "ORG-116"
    ]
    assert values == ["true" if is_child else "false"]


def test_it_is_editable_afterwards() -> None:
    plan = a_plan()
    first, *others = items(plan)
    support = PlanItem(
        kind=Kind.SUPPORT_CARE,
        what=Code(code="ORG-175", system="1.2.250.1.213.1.1.4.322", label="Activité physique adaptée"),
        words="Deux fois par semaine",
        is_regular=True,
    )
    edited = with_items(plan, [replace(first, is_done=True, starts="20260302", ends="20260410"), *others, support])
    document = pps.written(edited)
    assert broken_rules(tree(document), DocumentKind.CARE_PLAN) == ()
    again = items(pps.read(document))
    assert (again[0].is_done, again[0].starts, again[0].ends, again[0].words) == (
        True,
        "20260302",
        "20260410",
        first.words,
    )
    assert again[-1] == support
    assert items(with_items(edited, [])) == ()


@needs_shared
@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_a_published_sheet_gives_a_valid_plan(path: Path) -> None:
    sheet = frcp.read(path.read_bytes())
    plan = a_plan(sheet=sheet)
    document = pps.written(plan)
    schema().assertValid(tree(document))
    assert broken_rules(tree(document), DocumentKind.CARE_PLAN) == ()
    assert (pps.read(document) == plan) is True
    assert [each.rank for each in items(plan)][:3] == ["1", "2", "3"]
