"""What holds for every actor, record and document, whatever the matrix says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle_policies.decision import (
    DocumentFacts,
    Facts,
    Reach,
    decide,
    decide_under,
    is_above_blocks,
    reach,
    reach_under,
)
from passerelle_policies.matrix import Concealment, Line
from passerelle_policies.packs import Overrides, pack_on
from passerelle_policies.roles import PROFESSIONAL_ROLES
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Mode, Purpose, Relation, Role
from tests.rules import strategies as some

EXISTING = [action for action in some.ACTS[Kind.DOCUMENT] if action is not Action.PUBLISH]


@given(some.facts, some.questions, some.documents, some.overrides)
def test_every_answer_says_why(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    decision = decide(facts, *question, document, overrides=overrides)
    assert decision.rule
    assert decision.source
    assert decision.sentence.endswith(".")
    assert decision.pack == pack_on(facts.day).name
    assert (decision.code is None) == decision.allowed


@given(some.facts, some.questions, some.documents, some.overrides)
def test_whoever_has_no_role_gets_nothing(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    assert not decide(replace(facts, role=Role.OTHER), *question, document, overrides=overrides).allowed


@given(some.facts, some.questions, some.documents)
def test_without_relation_nothing_is_read_in_normal_mode(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts
) -> None:
    outsider = replace(facts, relations=frozenset({Relation.NONE}), mode=Mode.NORMAL)
    about = replace(document, by_actor=False)
    kind, action = question
    if action is Action.READ and kind not in (Kind.PATIENT, Kind.RECALL):  # a recall is about no patient
        assert not decide(outsider, kind, action, about).allowed


@settings(max_examples=300)
@given(some.facts, some.documents, st.sampled_from(some.ACTS[Kind.DOCUMENT]), some.overrides)
def test_filter_and_decision_agree(facts: Facts, document: DocumentFacts, action: Action, overrides: Overrides) -> None:
    facts = replace(facts, blocked=False, emergency_objection=False)
    citizen_is_out = facts.role is Role.PERSON and not facts.relations & {Relation.PATIENT, Relation.REPRESENTATIVE}
    hidden_from_him = (
        facts.role is Role.PERSON and Relation.PATIENT not in facts.relations and document.hidden_from_representatives
    )
    held = (facts.relations - {Relation.AUTHOR}) | {Relation.NONE}
    if document.by_actor and not citizen_is_out and not hidden_from_him:
        held |= {Relation.AUTHOR}
    lines = reach(facts.role, facts.mode, Kind.DOCUMENT, action, facts.day, overrides)
    filtered = (
        facts.dossier_state is DossierState.OPEN
        and document.status is not DocumentStatus.DELETED
        and any(line.relations & held and line.shows(document) for line in lines)
    )
    assert decide(facts, Kind.DOCUMENT, action, document, overrides=overrides).allowed == filtered


@given(some.facts, some.documents, some.overrides)
def test_the_reading_filter_is_that_of_the_decision_for_everyone(
    facts: Facts, document: DocumentFacts, overrides: Overrides
) -> None:
    """For reading, the plain filter of the contract is enough: citizens have no line as authors."""
    facts = replace(facts, emergency_objection=False)
    held = (facts.relations - {Relation.AUTHOR}) | {Relation.NONE}
    if document.by_actor:
        held |= {Relation.AUTHOR}
    lines = reach(facts.role, facts.mode, Kind.DOCUMENT, Action.READ, facts.day, overrides)
    above_blocks = is_above_blocks(pack_on(facts.day), facts.mode, overrides)
    filtered = (
        facts.dossier_state is DossierState.OPEN
        and (not facts.blocked or above_blocks)
        and document.status is not DocumentStatus.DELETED
        and any(line.relations & held and line.shows(document) for line in lines)
    )
    assert decide(facts, Kind.DOCUMENT, Action.READ, document, overrides=overrides).allowed == filtered


@given(some.facts, some.questions, some.documents, some.overrides)
def test_a_block_beats_every_access(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    blocked = replace(facts, blocked=True)
    if is_above_blocks(pack_on(facts.day), blocked.mode, overrides):
        blocked = replace(blocked, mode=Mode.NORMAL)
    kind, action = question
    decision = decide(blocked, kind, action, document, overrides=overrides)
    is_access = kind in (Kind.JOURNAL, Kind.AUTHORIZATIONS) or (kind is Kind.DOSSIER and action is Action.READ)
    is_access |= kind in (Kind.PHARMACY_RECORD, Kind.DISPENSATION) and action is Action.READ
    is_access |= kind is Kind.DOCUMENT and action not in (Action.PUBLISH, Action.REPLACE)
    if is_access:
        assert not decision.allowed


@given(some.facts, some.questions, some.documents)
def test_a_block_cannot_be_told_from_the_absence_of_any_relation(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts
) -> None:
    """Whatever he tries on documents that are not his, the blocked professional gets the outsider's answer."""
    facts = replace(facts, role=facts.role if facts.role in PROFESSIONAL_ROLES else Role.PHYSICIAN, mode=Mode.NORMAL)
    about = replace(document, by_actor=False)
    blocked = decide(replace(facts, blocked=True), *question, about)
    outsider = decide(replace(facts, blocked=False, relations=frozenset({Relation.NONE})), *question, about)
    assert (blocked.allowed, blocked.code) == (outsider.allowed, outsider.code)


@given(some.facts, some.documents, st.sampled_from(EXISTING), some.overrides)
def test_an_unreadable_document_answers_as_one_that_does_not_exist(
    facts: Facts, document: DocumentFacts, action: Action, overrides: Overrides
) -> None:
    facts = replace(facts, dossier_state=DossierState.OPEN)
    if facts.role in (Role.ESTABLISHMENT, Role.SYSTEM):
        return
    reading = decide(facts, Kind.DOCUMENT, Action.READ, document, overrides=overrides)
    acting = decide(facts, Kind.DOCUMENT, action, document, overrides=overrides)
    if not reading.allowed and action is not Action.REPLACE:
        assert not acting.allowed
        assert acting.code == reading.code == "DOCUMENT_UNKNOWN"
    if reading.allowed and not acting.allowed:
        assert acting.code == "ACTION_REFUSED"


@given(some.facts, some.documents, some.overrides)
def test_only_an_open_record_serves_documents(facts: Facts, document: DocumentFacts, overrides: Overrides) -> None:
    if facts.dossier_state is DossierState.OPEN:
        facts = replace(facts, dossier_state=DossierState.CLOSED)
    for action in some.ACTS[Kind.DOCUMENT]:
        assert not decide(facts, Kind.DOCUMENT, action, document, overrides=overrides).allowed


@given(some.facts, some.questions, some.documents, some.overrides, some.relations)
def test_a_further_relation_takes_nothing_away(
    facts: Facts,
    question: tuple[Kind, Action],
    document: DocumentFacts,
    overrides: Overrides,
    further: frozenset[Relation],
) -> None:
    more = replace(facts, relations=facts.relations | further)
    if decide(facts, *question, document, overrides=overrides).allowed:
        assert decide(more, *question, document, overrides=overrides).allowed


@given(some.facts, some.documents, some.overrides)
def test_concealing_never_shows_more(facts: Facts, document: DocumentFacts, overrides: Overrides) -> None:
    plain = replace(document, masked=False, hidden_from_patient=False, hidden_from_representatives=False)
    if decide(facts, Kind.DOCUMENT, Action.READ, document, overrides=overrides).allowed:
        assert decide(facts, Kind.DOCUMENT, Action.READ, plain, overrides=overrides).allowed


@given(some.facts, some.questions, some.documents, some.overrides)
def test_an_objection_takes_the_emergency_away(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    objecting = replace(facts, emergency_objection=True)
    without, visit = (
        replace(facts, emergency_objection=False),
        replace(facts, mode=Mode.NORMAL, emergency_objection=False),
    )
    if decide(objecting, *question, document, overrides=overrides).allowed:
        assert decide(without, *question, document, overrides=overrides).allowed
        assert decide(visit, *question, document, overrides=overrides).allowed


@given(some.facts, some.questions, some.documents, some.overrides)
def test_an_objection_is_not_seen_by_who_did_not_break_the_glass(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    """No act tells of an objection: not one of the normal mode that would be his only under it."""
    if question[1] is Action.BREAK_GLASS:
        return
    own = facts.relations - {Relation.EMERGENCY}
    for mode in (Mode.NORMAL, Mode.BREAK_GLASS):
        free = replace(facts, relations=own, mode=mode, emergency_objection=False)
        answers = [
            decide(replace(free, emergency_objection=objects), *question, document, overrides=overrides)
            for objects in (False, True)
        ]
        assert len({(each.allowed, each.code, each.sentence_for_professional) for each in answers}) == 1


@given(some.facts, some.documents)
def test_nobody_but_its_author_deletes(facts: Facts, document: DocumentFacts) -> None:
    about = replace(document, by_actor=False)
    assert not decide(facts, Kind.DOCUMENT, Action.DELETE, about).allowed
    assert not decide(facts, Kind.DOCUMENT, Action.REPLACE, about).allowed
    assert not decide(facts, Kind.DOCUMENT, Action.MOVE, about).allowed


@given(some.facts, some.documents)
def test_the_patient_learns_of_no_announcement_by_an_act_of_his(facts: Facts, document: DocumentFacts) -> None:
    patient = replace(facts, role=Role.PERSON, relations=frozenset({Relation.PATIENT}))
    hidden = replace(document, hidden_from_patient=True, by_actor=False, withheld=False)
    for action in EXISTING:
        decision = decide(patient, Kind.DOCUMENT, action, hidden)
        assert decision.code == "DOCUMENT_UNKNOWN"
        assert decision.rule in ("default-deny", "document-deleted", "block")


@given(some.facts, some.questions, some.documents)
def test_the_purpose_changes_no_answer(facts: Facts, question: tuple[Kind, Action], document: DocumentFacts) -> None:
    answers = {decide(replace(facts, purpose=purpose), *question, document) for purpose in Purpose}
    assert len(answers) == 1


@given(some.facts, some.questions, some.documents, some.overrides)
def test_a_pack_asked_by_name_answers_as_on_its_days(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    long_before = replace(facts, day=date(1999, 1, 1))
    asked = decide_under(pack_on(facts.day), long_before, *question, document, overrides=overrides)
    assert asked == decide(facts, *question, document, overrides=overrides)


@given(some.facts, some.questions, some.documents, some.overrides)
def test_what_is_kept_from_one_professional_is_kept_from_all_his_titles(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    """Withholding beats every relation, mode and parameter but authorship, and answers as an absent document."""
    kind, action = question
    about = replace(document, withheld=True, by_actor=False)
    if kind is Kind.DOCUMENT:
        decision = decide(facts, kind, action, about, overrides=overrides)
        assert (decision.allowed, decision.code) == (False, "DOCUMENT_UNKNOWN")
    author = replace(document, withheld=True, by_actor=True)
    assert decide(facts, kind, action, author, overrides=overrides) == decide(
        facts, kind, action, replace(author, withheld=False), overrides=overrides
    )


@given(some.facts, some.questions, some.documents, some.overrides)
def test_without_having_broken_the_glass_the_mode_gives_nothing_more(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    if question[1] is Action.BREAK_GLASS:
        return
    outside = replace(facts, mode=Mode.BREAK_GLASS, relations=facts.relations - {Relation.EMERGENCY})
    normal = replace(outside, mode=Mode.NORMAL)
    if decide(outside, *question, document, overrides=overrides).allowed:
        assert decide(normal, *question, document, overrides=overrides).allowed


@given(some.facts, some.questions, some.documents, some.overrides)
def test_a_broken_glass_counts_in_its_own_mode_only(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    """Having broken the glass gives nothing in another mode, nor once the patient's objection takes the mode away."""
    closed = replace(facts, mode=Mode.NORMAL if facts.mode is Mode.BREAK_GLASS else facts.mode)
    for each in (closed, replace(facts, mode=Mode.BREAK_GLASS, emergency_objection=True)):
        without = decide(
            replace(each, relations=each.relations - {Relation.EMERGENCY}), *question, document, overrides=overrides
        )
        having = decide(
            replace(each, relations=each.relations | {Relation.EMERGENCY}), *question, document, overrides=overrides
        )
        assert (having.allowed, having.code) == (without.allowed, without.code)


@given(some.facts, some.questions, some.documents, some.overrides)
def test_an_objection_and_a_block_never_widen(
    facts: Facts, question: tuple[Kind, Action], document: DocumentFacts, overrides: Overrides
) -> None:
    """Blocked, nobody gets what he would not get otherwise; objected to, an emergency gives what a visit gives."""
    objected, blocked = replace(facts, emergency_objection=True), replace(facts, blocked=True)
    visit = replace(facts, emergency_objection=False, mode=Mode.NORMAL)
    for walled, free in ((objected, visit), (blocked, replace(facts, blocked=False))):
        if decide(walled, *question, document, overrides=overrides).allowed:
            assert decide(free, *question, document, overrides=overrides).allowed


WIDE = [line for line in some.PACK.lines if line.kind is Kind.DOCUMENT and line.effect == "allow" and not line.when]


@settings(max_examples=25)
@given(st.sampled_from(WIDE), st.sampled_from(sorted(some.PACK.dmp_types)), st.data())
def test_an_exception_never_widens(line: Line, type_code: str, data: st.DataObject) -> None:
    """Whatever exception is added to the matrix, its columns reach what they did less what it names."""
    exception = replace(line, rule="x-not", effect="deny", types=(type_code,), even_if=frozenset(Concealment))
    name = f"x-{line.rule}-{type_code}"
    narrowed = replace(some.PACK, name=name, lines=(*some.PACK.lines, exception))
    role, mode = data.draw(st.sampled_from(sorted(line.roles))), data.draw(st.sampled_from(sorted(line.modes)))
    for action in line.actions:
        before = reached(reach_under(some.PACK, role, mode, Kind.DOCUMENT, action))
        after = reached(reach_under(narrowed, role, mode, Kind.DOCUMENT, action))
        assert after <= before
        assert before - after == {cell for cell in before if cell[0] in line.relations and cell[1] == type_code}


def reached(lines: tuple[Reach, ...]) -> set[tuple[object, ...]]:
    """What filter lines reach, cell by cell; a line's own name says nothing."""
    return {
        (relation, type_code, *concealed)
        for line in lines
        for relation in line.relations
        for type_code in line.types
        for concealed in product(*((False, True) if seen else (False,) for seen in seen_through(line)))
    }


def seen_through(line: Reach) -> tuple[bool, bool, bool]:
    return line.sees_masked, line.sees_hidden_from_patient, line.sees_hidden_from_representatives


@given(some.facts, some.documents, some.overrides)
def test_the_regulation_centre_reads_what_is_plain_to_it_and_does_nothing_else(
    facts: Facts, document: DocumentFacts, overrides: Overrides
) -> None:
    regulator = replace(facts, relations=frozenset(), mode=Mode.REGULATION_CENTRE)
    normal = replace(regulator, mode=Mode.NORMAL, blocked=False)
    about = replace(document, by_actor=False)
    for kind, action in some.QUESTIONS:
        if decide(regulator, kind, action, about, overrides=overrides).allowed:
            assert action is Action.READ or decide(normal, kind, action, about, overrides=overrides).allowed
    if decide(regulator, Kind.DOCUMENT, Action.READ, about, overrides=overrides).allowed:
        assert regulator.role is Role.PHYSICIAN
        assert not about.masked
        assert not about.withheld
        assert not regulator.emergency_objection
