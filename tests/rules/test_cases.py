"""The matrix as a lawyer reads it: each case of `policies/…/cases` gets the answer that the text gives."""

from __future__ import annotations

from collections import Counter

import pytest

from passerelle_policies.cases import Case, InvalidCase, cases, cases_of, lines_without_case, read_cases
from passerelle_policies.comparison import compare
from passerelle_policies.packs import packs

ALL = cases()


@pytest.mark.no_cover
@pytest.mark.parametrize("case", ALL, ids=[f"{case.article} · {case.text}" for case in ALL])
def test_case(case: Case) -> None:
    answer = case.answer()
    assert case.agrees(answer), answer
    assert answer.allowed == (case.code is None)
    assert answer.rule
    assert answer.source
    assert answer.sentence


def test_no_case_is_written_twice() -> None:
    questions = Counter(
        (case.facts, case.kind, case.action, case.document, tuple(sorted(case.overrides.items()))) for case in ALL
    )
    assert [question for question, times in questions.items() if times > 1] == []


def test_there_are_cases_enough() -> None:
    assert len(ALL) >= 300


def test_every_line_in_force_is_tried_by_a_case() -> None:
    last = packs()[-1]
    answers = [case.answer() for case in cases_of(last)]
    assert lines_without_case(last, answers) == ()
    without = [each for each in answers if each.rule != "read-physician"]
    assert lines_without_case(last, without) == ("read-physician",)


def test_every_line_that_an_earlier_pack_changed_is_tried_in_its_days() -> None:
    """What the texts of 2012 and of 2021 opened or closed for good: the cases that tell those days from others."""
    before, after = packs()[:2]
    changed = compare(before, after).rights
    assert len(changed) > 20
    for pack in (before, after):
        tried = {(case.kind, case.action) for case in cases_of(pack)}
        assert {(each.kind, each.action) for each in changed} - tried == set(), pack.name


def test_every_case_belongs_to_one_pack_and_every_pack_has_some() -> None:
    by_pack = [cases_of(pack) for pack in packs()]
    assert all(by_pack)
    assert sum(map(len, by_pack)) == len(ALL)


QUESTION = "{qui: médecin, lien: équipe de soins, fait: lire, sur: 11488-4, attendu: %s, règle: %s}"


@pytest.mark.parametrize(
    ("answer", "rule", "agrees"),
    [
        ("autorisé", "read-physician", True),
        ("autorisé", "read-author", False),
        ("inconnu", "read-physician", False),
    ],
)
def test_a_case_may_disagree_by_its_answer_or_by_its_rule(answer: str, rule: str, agrees: bool) -> None:
    (case,) = read_cases(f"- article: X\n  cas: [{QUESTION % (answer, rule)}]", "x.yaml")
    assert case.agrees(case.answer()) == agrees


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- cas: []\n  x: [", "x.yaml"),
        ("- article: X\n  cas: [{qui: médecin}]", "'fait'"),
        ("- article: X\n  cas: [{qui: voisin, fait: lire, attendu: autorisé}]", "voisin"),
        ("- article: X\n  cas: [{qui: médecin, fait: lire, attendu: peut-être}]", "peut-être"),
        ("- article: X\n  cas: [{qui: médecin, fait: lire, quand: demain, attendu: autorisé}]", "quand"),
        ("- article: X\n  cas: [{qui: médecin, fait: lire, sur: [11488-4, égaré], attendu: inconnu}]", "égaré"),
        ("trois mots", "x.yaml"),
    ],
)
def test_a_case_that_cannot_be_understood_is_refused(text: str, fault: str) -> None:
    with pytest.raises(InvalidCase, match=fault):
        list(read_cases(text, "x.yaml"))
