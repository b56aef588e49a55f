"""Care plans as CDA: read, written with their copy in PDF, equal in everything coded, valid."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pypdf import PdfReader

from passerelle.dossier.formats import cda
from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.pdf import check_pdf
from passerelle.oncology.care_plan import COPY, CarePlan, section_of
from passerelle.oncology.coded import Code, Id, unreferenced
from passerelle.oncology.formats import frcp, pps
from passerelle.oncology.formats.conformity import broken_rules
from passerelle.oncology.formats.rules.shapes import DocumentKind
from passerelle.oncology.plan_items import Kind, PlanItem, items, with_items
from passerelle.oncology.plan_status import handed_over, in_state, state
from tests.formats.samples import SHARED, needs_shared, refusal
from tests.oncology.formats.coding import Coded, coded
from tests.oncology.formats.rule_faults import found
from tests.oncology.formats.test_frcp import schema
from tests.oncology.plans import a_plan, handed_on
from tests.oncology.sheets import a_sheet, who

PLANS = ["CANCER-PPS_2022.01_Autopresentable.xml", "CANCER-PPS_2025.01.xml"]
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co"))
_WORDS = (
    st.none()
    | st.sampled_from(["50 Gy", "Trois cures\n\npuis bilan", "a & b < c", "É : œdème"])
    | st.text(_LETTERS, min_size=1, max_size=20).filter(lambda it: it == " ".join(it.split()))
)
_DAYS = st.none() | st.sampled_from(["20260601", "202606", "2026"])
_ITEMS = st.builds(
    PlanItem,
    kind=st.sampled_from(Kind),
    what=st.none() | st.sampled_from([Code(code="C15313", system="2.16.840.1.113883.3.26.1.1", label="radiothérapie")]),
    words=_WORDS,
    is_done=st.booleans(),
    rank=st.none() | st.sampled_from(["1", "2"]),
    starts=_DAYS,
    ends=_DAYS,
    planned_from=_DAYS,
    planned_to=_DAYS,
    is_regular=st.booleans(),
    rhythm=_WORDS,
    mode=st.none() | st.sampled_from([Code(code="20062000", system="0.4.0.127.0.16.1.1.2.1", label="Autre(s)")]),
    side_effects=_WORDS,
    comment=_WORDS,
    performers=st.sampled_from([(), (who("performer", 3, type_code="PRF"),)]),
)


def sample(name: str) -> bytes:
    return (SHARED / "cda" / "ci-sis-2022-2025" / name).read_bytes()


def by_section(lines: tuple[PlanItem, ...]) -> list[PlanItem]:
    return sorted(lines, key=lambda each: each.kind in {Kind.SUPPORT_CARE, Kind.SOCIAL_SUPPORT})


def same(left: object, right: object) -> bool:
    """Whether two are equal, without the words that would tell how large ones differ."""
    return left == right


def tree(document: bytes) -> etree._Element:
    return etree.fromstring(document)


def said(given: Coded) -> Coded:
    """What is coded, without what only the writing of the names decides: the prefix of a type, a value by default."""
    kept = Coded()
    for (path, attributes, words), count in given.items():
        plain = tuple(
            (name, value.rpartition(":")[2] if name == _XSI_TYPE else value)
            for name, value in attributes
            if (name, value) != ("classCode", "ASSIGNED")
            and (name, value) != ("extension", "2022.01")
            and (name, value) != ("extension", "2025.01")
        )
        kept[path, plain, words] += count
    return kept


@needs_shared
@pytest.mark.parametrize("name", PLANS)
def test_what_is_written_of_a_published_plan_says_the_same(name: str) -> None:
    plan = pps.read(sample(name))
    document = pps.written(plan)
    before, after = said(coded(cda.clinical_document(sample(name)))), said(coded(cda.clinical_document(document)))
    assert not before - after
    added = {path[:4] for path, _, _ in after - before}
    assert len(added) <= (4 if plan.edition == "2022.01" else 0)  # the section of the copy, which 2025 asks for
    schema().assertValid(tree(document))
    assert broken_rules(tree(document), DocumentKind.CARE_PLAN) == ()
    assert same(pps.read(document), pps.newest(plan))
    assert same(CarePlan.from_json(json.loads(json.dumps(plan.to_json()))), plan)


@needs_shared
@pytest.mark.parametrize("name", PLANS)
def test_a_published_plan_that_is_edited_keeps_what_was_not_touched(name: str) -> None:
    plan = pps.read(sample(name))
    lines = list(items(plan))
    assert [each.kind for each in lines[:4]] == [Kind.TREATMENT] * 4
    assert with_items(plan, lines) is plan
    lines[1] = replace(lines[1], comment="Reporté d'une semaine", planned_from="20260608")
    changed = with_items(plan, lines)
    assert section_of(changed, COPY) is None
    document = pps.written(changed)
    schema().assertValid(tree(document))
    assert broken_rules(tree(document), DocumentKind.CARE_PLAN) == ()
    again = pps.read(document)
    assert same(again, pps.newest(changed))
    assert items(again)[1].comment == "Reporté d'une semaine"
    assert [each for each in items(again) if each.kind is Kind.SUPPORT_CARE] == [
        each for each in lines if each.kind is Kind.SUPPORT_CARE
    ]
    assert "29463-7" in document.decode()  # the weight that gives the reason of a diet


@needs_shared
def test_there_are_two_published_plans() -> None:
    """Of all that is published, these two bear the template; a plan of another kind (PAERPA) is refused."""
    bearing = [
        path.name
        for path in sorted((SHARED / "cda").glob("*/*.xml"))
        if b'"1.2.250.1.213.1.1.1.26"' in path.read_bytes()
    ]
    assert bearing == PLANS
    other = (SHARED / "cda" / "ci-sis-2021" / "PPS-PAERPA_2021.01.xml").read_bytes()
    assert refusal(lambda: pps.read(other)) == "NOT_A_CARE_PLAN"


def test_a_plan_is_written_with_its_copy_and_read_back() -> None:
    plan = a_plan()
    document = pps.written(plan)
    assert document == pps.written(plan)
    assert same(pps.read(document), plan)
    assert broken_rules(tree(document), DocumentKind.CARE_PLAN) == ()
    assert read_cda(document).metadata.type_code == "18776-5"
    (media,) = found(tree(document), "//cda:section[cda:title='Copie du document']//cda:observationMedia/cda:value")
    copy = b64decode(media.text or "")
    check_pdf(copy)
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(copy)).pages)
    for words in (
        "Programme personnalisé de soins",
        "PAT-TROIS",
        "Traitement : radiothérapie",
        "50 Gy en 25 séances",
        "IRM mammaire",
        "ESSAI-1",
    ):
        assert words in text


def test_a_copy_of_others_is_kept() -> None:
    document = pps.written(a_plan()).replace(b"Copie du document</title>", b"Copie du document</title>", 1)
    parsed = tree(document)
    (media,) = found(parsed, "//cda:observationMedia/cda:value")
    media.text = "JVBERi0xLjQ="
    plan = pps.read(etree.tostring(parsed))
    assert section_of(plan, COPY) is not None
    assert b"JVBERi0xLjQ=" in pps.written(plan)
    # Once it is edited, the copy no longer says the same: ours stands in its place.
    edited = handed_over(plan, "20260610")
    assert b"JVBERi0xLjQ=" not in pps.written(edited)


@needs_shared
@settings(max_examples=8, deadline=None)
@given(st.lists(_ITEMS, max_size=4))
def test_any_lines_are_written_valid_and_read_back(lines: list[PlanItem]) -> None:
    plan = with_items(a_plan(), lines)
    document = pps.written(plan)
    schema().assertValid(tree(document))
    assert broken_rules(tree(document), DocumentKind.CARE_PLAN) == ()
    again = pps.read(document)
    assert same(again, plan)
    assert same(list(items(again)), by_section(tuple(lines)))


@needs_shared
def test_a_plan_whose_narratives_are_ours_is_valid() -> None:
    for name in PLANS:
        plan = pps.read(sample(name))
        ours = replace(plan, sections=tuple(unreferenced(each) for each in plan.sections))
        document = pps.written(ours)
        schema().assertValid(tree(document))
        assert broken_rules(tree(document), DocumentKind.CARE_PLAN) == ()


def test_what_a_plan_says_of_itself() -> None:
    plan = in_state(a_plan(), "9571008", "20260605")
    given_to = handed_over(plan, "20260606", who("participant", 2))
    document = pps.written(given_to)
    again = pps.read(document)
    assert (state(again), handed_on(again)) == (state(given_to), "20260606")
    approved = state(again)
    assert approved is not None
    assert approved.code == "9571008"
    assert broken_rules(tree(document), DocumentKind.CARE_PLAN) == ()
    assert refusal(lambda: in_state(plan, "autre", "20260605")) == "SHEET_CODE_NOT_IN_SET"
    later = handed_over(given_to, "20260607")
    assert handed_on(later) == "20260607"


def test_what_is_no_plan_is_refused() -> None:
    assert refusal(lambda: pps.read(frcp.written(a_sheet()))) == "NOT_A_CARE_PLAN"
    bare = pps.written(a_plan())
    assert refusal(lambda: pps.read(b" " * (pps.MAX_BYTES + 1))) == "XML_TOO_LARGE"
    parsed = tree(bare)
    for component in list(found(parsed, "cda:component")):
        parsed.remove(component)
    assert refusal(lambda: pps.read(etree.tostring(parsed))) == "PLAN_HAS_NO_SECTIONS"
    plan = a_plan()
    headless = replace(plan, header=replace(plan.header, custodian=None))
    assert refusal(lambda: pps.written(headless)) == "PLAN_HEADER_INCOMPLETE"
    assert refusal(lambda: CarePlan.from_json({"edition": "2025.01"})) == "SHEET_MALFORMED"
    assert plan.header.id == Id(root="1.2.250.1.999.9.1")
