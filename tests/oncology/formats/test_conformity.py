"""Every rule that is checked finds its fault and nothing else; sound documents break none."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from string import Formatter
from typing import Final

import pytest
from lxml import etree

from passerelle.kernel.messages import catalogue
from passerelle.oncology.formats.conformity import MAX_FINDINGS, broken_rules, edition_of, place
from passerelle.oncology.formats.rules import GROUPS
from passerelle.oncology.formats.rules.shapes import DocumentKind, Group, Rule
from tests.formats.samples import SHARED, needs_shared
from tests.oncology.formats.rule_documents import whole
from tests.oncology.formats.rule_faults import break_it, found, places

RULES: Final = [(group, rule) for group in GROUPS for rule in group.rules]
SAMPLES: Final = {
    "CANCER-FRCP_2022.01_Appareil.xml": DocumentKind.FRCP,
    "CANCER-FRCP_2025.01_Transversale.xml": DocumentKind.FRCP,
    "CANCER-PPS_2022.01_Autopresentable.xml": DocumentKind.CARE_PLAN,
    "CANCER-PPS_2025.01.xml": DocumentKind.CARE_PLAN,
}
NEWEST: Final = ("CANCER-FRCP_2025.01_Transversale.xml", "CANCER-PPS_2025.01.xml")
_BODY_GONE: Final = (
    "frcp.cancer-diagnosis frcp.care-plan frcp.case-status frcp.document-status frcp.event-outcome"
    " frcp.frame-of-proposal frcp.present-illness frcp.progress-note frcp.reason-for-referral"
)
ALSO: Final = {
    "header.code": "frcp.code",
    "header.component": _BODY_GONE,
    "header.documentationof-serviceevent": "frcp-act.code header.act-performer header.act-time",
    "patient.role": (
        "header.ins-traits patient.patientrole-patient-name-family patient.patientrole-patient-name-given"
    ),
    "patient.patientrole-patient-name-family": "header.ins-traits",
    "patient.patientrole-patient-name-given": "header.ins-traits",
    "encompassing-encounter.location-healthcarefacility": (
        "frcp-encounter.facility-address frcp-encounter.facility-name"
    ),
    "pps-document.template": "header.template-document",
    "active-problems.templates": "active-problems.parent",
    "active-problems.parent": "active-problems.templates",
    "care-plan.templates": "care-plan.parent",
    "care-plan.section": "frcp.care-plan",
    "event-outcome.section": "frcp.event-outcome",
    "event-outcome.templates": "event-outcome.parent frcp.event-outcome",
    "event-outcome.parent": "frcp.event-outcome",
    "functional-status.templates": "functional-status.ccd",
    "coded-functional-status.templates": "coded-functional-status.parent",
    "progress-note.section": "frcp.progress-note",
    "present-illness.section": "frcp.present-illness",
    "document-status-section.section": "frcp.document-status",
    "reason-for-referral.section": "frcp.reason-for-referral",
    "cancer-diagnosis-section.section": "active-problems.section frcp.cancer-diagnosis",
    "cancer-diagnosis-section.code-system": "active-problems.code-system",
    "cancer-diagnosis-section.tumour": "cancer-diagnosis.ihe cancer-problems.diagnosis",
    "cancer-diagnosis-section.problems": (
        "active-problems.entry cancer-diagnosis-section.tumour frcp-tumour.diagnosis frcp-tumour.m frcp-tumour.n"
        " frcp-tumour.t frcp-tumour.tnm"
    ),
    "cancer-diagnosis-section.ccd": "active-problems.parent",
    "frcp-tumour.diagnosis": "cancer-diagnosis.code",
    "cancer-diagnosis.ihe": "cancer-diagnosis-section.tumour cancer-problems.diagnosis",
    "cancer-diagnosis.problem": "concern.problem",
    "cancer-diagnosis.code": "frcp-tumour.diagnosis",
    "cancer-diagnosis.effectivetime": "problem.start",
    "cancer-diagnosis.comment": "problem-comment.relation",
    "cancer-problems.diagnosis": "cancer-diagnosis-section.tumour cancer-diagnosis.ihe",
    "cancer-problems.effectivetime": "cancer-problems.effectivetime-low concern.start",
    "cancer-problems.effectivetime-low": "concern.start",
    "case-status-section.section": "frcp.case-status",
    "concern.templates": "active-problems.entry concern.ccd",
    "concern.ccd": "problem-concern.templates",
    "concern.parent": "problem-concern.templates",
    "problem-concern.templates": "concern.parent",
    "problem-concern.problem": "active-problems.entry cancer-diagnosis-section.problems",
    "encounter.templates": "encounter.ccd-planned",
    "observation-request.ccd": "observation-request.templates",
    "observation-request.templates": "observation-request.ccd",
    "procedure.templates": "procedure.ans procedure.ccd-done",
    "external-references.parent": "referenced-documents.entry",
    "pain-score.ihe": "pain-scale.entry",
    "social-history.templates": "social-history.ccd",
    "survey.templates": "survey.ccd",
    "vital-sign.templates": "vital-sign.ccd",
    "pregnancy.templates": "simple-observation.ihe",
    "problem.value-twice": "problem.original-text",
    "problem.templates": "problem.ccd",
    "problem-comment.relation": "cancer-diagnosis.comment",
}
"""What the fault of a rule breaks besides, because the rules themselves overlap."""


def key(group: Group, rule: Rule) -> str:
    return f"{group.key}.{rule.name}"


@pytest.mark.parametrize("kind", DocumentKind)
def test_a_sound_document_breaks_no_rule(kind: DocumentKind) -> None:
    assert broken_rules(whole(kind), kind) == ()


@pytest.mark.parametrize("group", GROUPS, ids=[group.key for group in GROUPS])
def test_each_rule_finds_its_fault_and_no_other(group: Group) -> None:
    for rule in group.rules:
        name = key(group, rule)
        kind, document = next(
            (kind, document)
            for kind in sorted(group.kinds, reverse=True)
            for document in (whole(kind),)
            if break_it(group, rule, document)
        )
        findings = broken_rules(document, kind)
        ours = [each for each in findings if each.rule == name]
        assert ours, name
        assert {each.rule for each in findings} - {name} == set(ALSO.get(name, "").split()), name
        assert ours[0].message.startswith(f"{group.named} : ")
        assert "{" not in ours[0].message
        assert ours[0].sources == group.files(rule) != ()


def test_what_is_allowed_besides_is_of_rules_that_are() -> None:
    known = {key(*each) for each in RULES}
    assert len(known) == len(RULES)
    assert {each for names in (" ".join(ALSO), *ALSO.values()) for each in names.split()} <= known


def test_sentences_are_given_what_they_name() -> None:
    for group, rule in RULES:
        named = {field for _, field, _, _ in Formatter().parse(catalogue()[rule.says]) if field}
        assert named <= {"named", *rule.fields}, key(group, rule)


def test_a_finding_says_where_and_tells_nothing_of_the_patient() -> None:
    document = whole(DocumentKind.FRCP)
    note = next(found(document, "//cda:section[cda:code/@code='18733-6']"))
    code = next(found(note, "cda:code"))
    code.set("code", "PAT-TROIS")
    (finding,) = broken_rules(document, DocumentKind.FRCP)
    assert finding.rule == "progress-note.code"
    assert next(found(document, "/".join(f"cda:{step}" for step in finding.place.split("/")))) is note
    assert "PAT-TROIS" not in repr(finding)


def test_rules_of_2025_are_not_asked_of_a_plan_of_2022() -> None:
    document = whole(DocumentKind.CARE_PLAN)
    for gone in list(found(document, "//cda:component[cda:section/cda:code/@code='55108-5']")):
        parent = gone.getparent()
        assert parent is not None
        parent.remove(gone)
    assert [each.rule for each in broken_rules(document, DocumentKind.CARE_PLAN)] == ["pps.pdf-copy"]
    next(found(document, "cda:templateId[@extension]")).set("extension", "2022.01")
    assert edition_of(document, DocumentKind.CARE_PLAN) == "2022.01"
    assert broken_rules(document, DocumentKind.CARE_PLAN) == ()


def test_so_many_faults_are_told_and_no_more() -> None:
    document = whole(DocumentKind.FRCP)
    comment = next(found(document, "//cda:act[cda:code/@code='48767-8']"))
    for text in list(found(comment, "cda:text")):
        comment.remove(text)
    for _ in range(2 * MAX_FINDINGS):
        comment.addnext(deepcopy(comment))
    assert len(broken_rules(document, DocumentKind.FRCP)) == MAX_FINDINGS


def test_the_document_itself_has_a_place() -> None:
    assert place(whole(DocumentKind.FRCP)) == "ClinicalDocument"


@cache
def _kept(name: str) -> etree._Element:
    """An official document without what it attaches and what it narrates, which are heavy and which no rule reads."""
    root = etree.parse(SHARED / "cda" / "ci-sis-2022-2025" / name, etree.XMLParser(huge_tree=True)).getroot()
    document = next(root.iter("{urn:hl7-org:v3}ClinicalDocument"))
    for media in found(document, "//cda:observationMedia/cda:value"):
        media.text = "JVBERi0="
    for narrative in found(document, "//cda:section/cda:text"):
        for each in list(narrative):
            narrative.remove(each)
    return etree.fromstring(etree.tostring(document))


def _sample(name: str) -> etree._Element:
    return deepcopy(_kept(name))


@needs_shared
@pytest.mark.parametrize("name", SAMPLES)
def test_official_documents_break_no_rule(name: str) -> None:
    assert broken_rules(_sample(name), SAMPLES[name]) == ()


@needs_shared
@pytest.mark.parametrize("group", GROUPS, ids=[group.key for group in GROUPS])
def test_faults_are_found_in_official_documents_too(group: Group) -> None:
    """In the first official document of 2025 that has the place; what neither has, the made documents have."""
    having = [name for name in NEWEST if SAMPLES[name] in group.kinds and places(group, _kept(name))]
    for rule in group.rules:
        for name in having:
            document = _sample(name)
            if break_it(group, rule, document):
                assert key(group, rule) in {each.rule for each in broken_rules(document, SAMPLES[name])}
                break
