"""The matrix as a lawyer reads it: each case of `cases/*.yaml` gets the answer that the text gives."""

from __future__ import annotations

from collections import Counter

import pytest

from passerelle_policies.decision import decide
from tests.rules.french import Case, cases

ALLOWED = "autorisé"
REFUSED = {
    "refusé": "ACCESS_REFUSED",
    "acte refusé": "ACTION_REFUSED",
    "inconnu": "DOCUMENT_UNKNOWN",
    "dossier non ouvert": "DOSSIER_NOT_OPEN",
    "type hors DMP": "TYPE_NOT_IN_DMP",
    "type refusé": "TYPE_REFUSED",
    "visibilité refusée": "VISIBILITY_REFUSED",
}
ALL = list(cases())


@pytest.mark.parametrize("case", ALL, ids=[case.text for case in ALL])
def test_case(case: Case) -> None:
    decision = decide(case.facts, case.kind, case.action, case.document, overrides=case.overrides)
    assert decision.allowed == (case.expected == ALLOWED), decision
    assert decision.code == (None if case.expected == ALLOWED else REFUSED[case.expected])
    assert decision.rule
    assert decision.source
    assert decision.sentence
    if case.rule is not None:
        assert decision.rule == case.rule


def test_no_case_is_written_twice() -> None:
    questions = Counter(
        (case.facts, case.kind, case.action, case.document, tuple(sorted(case.overrides.items()))) for case in ALL
    )
    assert [question for question, times in questions.items() if times > 1] == []


def test_there_are_cases_enough() -> None:
    assert len(ALL) >= 120
