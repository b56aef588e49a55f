"""What a decision says of itself, to whom: enough to understand it, and to the refused nothing of what is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle_policies.decision import (
    DocumentFacts,
    Facts,
    decide,
    decide_under,
    how_to_get_access,
    told_when_refused,
)
from passerelle_policies.facts import FactValue
from passerelle_policies.packs import Overrides, pack_named, pack_on
from passerelle_policies.roles import PROFESSIONAL_ROLES
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Mode, Purpose, Relation, Role
from passerelle_policies.words import ACT_WORDS
from tests.rules import strategies as some

TEAM = Facts(
    role=Role.PHYSICIAN,
    relations=frozenset({Relation.CARE_TEAM}),
    blocked=False,
    dossier_state=DossierState.OPEN,
    mode=Mode.NORMAL,
    purpose=Purpose.CARE,
    day=some.TODAY,
)
OUTSIDER = replace(TEAM, relations=frozenset())
LETTER = DocumentFacts(
    type_code="11488-4",
    status=DocumentStatus.CURRENT,
    masked=False,
    hidden_from_patient=False,
    hidden_from_representatives=False,
    by_actor=False,
)
OBJECTING = replace(TEAM, mode=Mode.BREAK_GLASS, relations=frozenset(), emergency_objection=True)
NOT_SAID = ("masqu", "bloqu", "caché", "cache ", "supprim", "oppos", "annonce", "invisible", "fermé")
A_DOCUMENT, EVERY_ROLE = st.sampled_from(some.ACTS[Kind.DOCUMENT]), st.sampled_from(list(Role))


@pytest.mark.parametrize(
    ("facts", "document", "rule", "used"),
    [
        (
            TEAM,
            LETTER,
            "read-physician",
            {
                "role": "physician",
                "relations": ("care_team",),
                "dossier_state": "open",
                "type_code": "11488-4",
                "masked": False,
            },
        ),
        (
            replace(TEAM, relations=frozenset({Relation.CARE_TEAM, Relation.AUTHOR})),
            replace(LETTER, masked=True, by_actor=True),
            "read-author",
            {
                "role": "physician",
                "relations": ("author",),
                "dossier_state": "open",
                "type_code": "11488-4",
                "by_actor": True,
            },
        ),
        (TEAM, replace(LETTER, masked=True), "document-masked", {"relations": ("care_team",), "masked": True}),
        (TEAM, replace(LETTER, withheld=True), "document-withheld", {"withheld": True, "by_actor": False}),
        (replace(TEAM, blocked=True), LETTER, "block", {"blocked": True, "mode": "normal"}),
        (
            replace(TEAM, dossier_state=DossierState.CLOSED),
            LETTER,
            "dossier-not-open",
            {"relations": ("care_team",), "dossier_state": "closed"},
        ),
        (
            TEAM,
            replace(LETTER, type_code="ATTEST-RESID"),
            "read-physician-not-residence",
            {"role": "physician", "relations": ("care_team",), "type_code": "ATTEST-RESID"},
        ),
        (
            OBJECTING,
            None,
            "emergency-objection",
            {"mode": "break_glass", "emergency_objection": True},
        ),
        (OUTSIDER, None, "default-deny", {"role": "physician", "relations": ("none",), "mode": "normal"}),
    ],
)
def test_the_facts_that_the_rule_looked_at(
    facts: Facts, document: DocumentFacts | None, rule: str, used: dict[str, FactValue]
) -> None:
    kind = Kind.DOCUMENT if document else Kind.DOSSIER
    decision = decide(facts, kind, Action.BREAK_GLASS if facts is OBJECTING else Action.READ, document)
    assert (decision.rule, dict(decision.facts_used)) == (rule, used)
    assert decision.as_json()["facts_used"] == used


@given(some.facts, some.questions, some.documents, some.overrides)
def test_what_the_refused_reads_depends_on_nothing_that_is_there(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    decision = decide(facts, *question, document, overrides=overrides)
    said = decision.sentence_for_professional
    if decision.allowed:
        line = pack_on(facts.day).line(decision.rule)
        assert line is not None
        assert said == line.to_professional
        return
    assert decision.code is not None
    pack = pack_on(facts.day)
    codes = {decision.code, "DOCUMENT_UNKNOWN"} if decision.code == "DOSSIER_NOT_OPEN" else {decision.code}
    if question[0] is Kind.DOSSIER:
        codes |= {"ACCESS_REFUSED"}
    assert said in {told_when_refused(code, facts.role, pack, overrides, kind=question[0]) for code in codes}
    assert not any(word in said.lower() for word in NOT_SAID)


@given(some.facts, A_DOCUMENT, some.documents, some.overrides)
def test_absent_masked_withheld_and_blocked_read_alike(
    facts: Facts, action: Action, document: DocumentFacts, overrides: Overrides
) -> None:
    """Whatever hides it, a document that the actor may not know of gets the sentence of one that does not exist."""
    absent = told_when_refused("DOCUMENT_UNKNOWN", facts.role, pack_on(facts.day), overrides)
    reading = decide(facts, Kind.DOCUMENT, Action.READ, document, overrides=overrides)
    acting = decide(facts, Kind.DOCUMENT, action, document, overrides=overrides)
    if not reading.allowed and not acting.allowed and action is not Action.PUBLISH:
        assert acting.sentence_for_professional == reading.sentence_for_professional == absent


@given(some.facts, some.questions, some.overrides, st.sampled_from([*DossierState, None]))
def test_whoever_has_no_title_learns_no_state_of_the_record(
    facts: Facts, question: tuple[Kind, Action], overrides: Overrides, state: DossierState | None
) -> None:
    kind, action = question
    if kind is not Kind.DOSSIER or facts.role not in PROFESSIONAL_ROLES:
        return
    outsider = replace(facts, relations=frozenset())
    one = decide(outsider, kind, action, overrides=overrides)
    other = decide(replace(outsider, dossier_state=state), kind, action, overrides=overrides)
    if not one.allowed and not other.allowed:
        assert one.sentence_for_professional == other.sentence_for_professional


@given(EVERY_ROLE, some.overrides, some.days)
def test_the_ways_in_are_those_that_the_rules_offer(role: Role, overrides: Overrides, day: date) -> None:
    pack = pack_on(day)
    ways = how_to_get_access(role, pack, overrides)
    if role not in PROFESSIONAL_ROLES or role in (Role.SECRETARY, Role.OTHER):
        assert ways == ()
        return
    asked = replace(OUTSIDER, role=role, day=day)
    for word, relation, mode, action in (
        ("autoriser", Relation.AUTHORIZED, Mode.NORMAL, Action.READ),
        ("équipe de soins", Relation.CARE_TEAM, Mode.NORMAL, Action.READ),
        ("brisez la glace", Relation.NONE, Mode.BREAK_GLASS, Action.BREAK_GLASS),
        ("centre 15", Relation.NONE, Mode.REGULATION_CENTRE, Action.READ),
    ):
        entering = replace(asked, relations=frozenset({relation}), mode=mode)
        opens = decide(entering, Kind.DOSSIER, action, overrides=overrides).allowed
        assert opens == any(word in way for way in ways), word


def test_the_ways_in_of_a_physician_in_each_era() -> None:
    def said(pack: str, role: Role = Role.PHYSICIAN) -> str:
        return " ".join(how_to_get_access(role, pack_named(pack)))

    assert "équipe" not in said("2012-dmp")
    assert "a consenti" in said("2021-mon-espace-sante")
    assert "a consenti" not in said("2023-10-26-habilitations")
    assert "a consenti" in said("2025-10-15-team-consent")
    assert said("2025-10-15-team-consent", Role.SOCIAL_WORKER).count(".") == 2


def test_a_citizen_refused_is_told_of_no_announcement() -> None:
    patient = replace(TEAM, role=Role.PERSON, relations=frozenset({Relation.PATIENT}))
    hidden = decide(patient, Kind.DOCUMENT, Action.READ, replace(LETTER, hidden_from_patient=True))
    stranger = decide(replace(patient, relations=frozenset()), Kind.DOCUMENT, Action.READ, LETTER)
    assert (hidden.sentence, hidden.sentence_for_professional) == (
        stranger.sentence,
        stranger.sentence_for_professional,
    )
    assert "hidden_from_patient" not in hidden.facts_used


def test_every_act_that_somebody_may_do_says_by_what_title_in_every_era() -> None:
    for name in ("2012-dmp", "2025-10-15-team-consent"):
        pack = pack_named(name)
        for line in pack.lines:
            if line.effect == "allow":
                assert line.to_professional.startswith(("Vous ", "Le patient vous ", "C’est ", "Ce", "Tâche de "))
    assert all(
        decide_under(pack_named("2012-dmp"), TEAM, *act).sentence_for_professional
        for act in ACT_WORDS
        if act[0] is not Kind.DOCUMENT
    )
