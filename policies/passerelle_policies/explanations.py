"""Why a decision is what it is: the facts that its rule looked at, and what is said of it, to whom.

Three readers. The patient and the data-protection officer get the true reason. Whoever is let in is told by what
title. Whoever is refused gets a sentence that depends on the code, on his profession and on the rules of the day, never
on what is there: absent, masked, withheld and blocked read alike, word for word (R.1111-49).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from passerelle_policies.compilation import Compiled
from passerelle_policies.facts import DocumentFacts, Facts, FactValue
from passerelle_policies.matrix import Concealment, Line
from passerelle_policies.packs import NO_OVERRIDES, Overrides, Pack
from passerelle_policies.roles import PROFESSIONAL_ROLES
from passerelle_policies.vocabulary import PHARMACY_KINDS, Action, Kind, Mode, Relation, Role, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked, with what counts for the answer: the lines that an objection leaves, the relations that stand."""

    pack: Pack
    facts: Facts
    kind: Kind
    action: Action
    document: DocumentFacts | None
    overrides: Overrides
    compiled: Compiled
    relations: frozenset[Relation]


_ROLE, _RELATIONS, _MODE, _STATE, _TYPE = "role", "relations", "mode", "dossier_state", "type_code"
_OBJECTION, _SETTING = "emergency_objection", "setting"
#: The refusals that also say how to get in.
WITH_WAYS_IN = frozenset({"ACCESS_REFUSED", "DOCUMENT_UNKNOWN"})
_CONCEALMENTS = (Concealment.MASKED, Concealment.HIDDEN_FROM_PATIENT, Concealment.HIDDEN_FROM_REPRESENTATIVES)
_LOOKED_AT: Mapping[str, tuple[str, ...]] = {
    "default-deny": (_ROLE, _RELATIONS, _MODE, _TYPE),
    "block": ("blocked", _MODE),
    "dossier-not-open": (_STATE, _RELATIONS),
    "document-masked": ("masked", _RELATIONS),
    "document-withheld": ("withheld", "by_actor"),
    "emergency-objection": (_OBJECTION, _MODE),
    "document-deleted": ("status",),
    "type-not-in-dmp": (_TYPE,),
    "type-not-open": (_ROLE, _TYPE),
    "visibility-not-open": (_ROLE, *_CONCEALMENTS),
}


def facts_behind(question: Question, rule: str, line: Line | None) -> Mapping[str, FactValue]:
    """The facts that the rule looked at, by name: those of the line that answers, or of a rule that is no line."""
    names = set(_names_of(question, line)) if line else set(_LOOKED_AT[rule])
    if question.facts.emergency_objection and question.facts.mode is not Mode.NORMAL:
        names |= {_OBJECTION, _MODE}
    if rule == "default-deny" and question.kind in question.pack.by_setting:
        names.add(_SETTING)
    if question.facts.blocked and rule != "document-deleted":
        names.add("blocked")
    relations = _held(question.relations & line.relations if line else question.relations)
    return MappingProxyType({name: value for name, value in _values(question, relations) if name in names})


def _held(relations: frozenset[Relation]) -> frozenset[Relation]:
    """The relations of someone, NONE if he has no other."""
    return relations - {Relation.NONE} or relations


def _names_of(question: Question, line: Line) -> Iterator[str]:
    yield from (_ROLE, _RELATIONS)
    if line.settings != frozenset(Setting):
        yield _SETTING
    if line.modes != frozenset(Mode):
        yield _MODE
    if line.needs_open_dossier and line.effect == "allow":
        yield _STATE
    if question.document is not None:
        yield _TYPE
        if line.effect == "allow":
            yield from (each.value for each in _CONCEALMENTS if each not in line.even_if)
        if Relation.AUTHOR in line.relations & question.relations:
            yield "by_actor"


def _values(question: Question, relations: Iterable[Relation]) -> Iterator[tuple[str, FactValue]]:
    facts, document = question.facts, question.document
    yield _ROLE, facts.role.value
    yield _RELATIONS, tuple(sorted(each.value for each in relations))
    yield _SETTING, facts.setting.value
    yield _MODE, facts.mode.value
    yield _STATE, facts.dossier_state.value if facts.dossier_state else None
    yield "blocked", facts.blocked
    yield _OBJECTION, facts.emergency_objection
    if document is not None:
        yield _TYPE, document.type_code
        yield "status", document.status.value
        yield "masked", document.masked
        yield "hidden_from_patient", document.hidden_from_patient
        yield "hidden_from_representatives", document.hidden_from_representatives
        yield "by_actor", document.by_actor
        yield "withheld", document.withheld


def true_reason(rule: str, line: Line | None) -> str:
    """The sentence for the patient and the data-protection officer."""
    return line.sentence if line else _sentences()["rule"][rule]


def text_behind(rule: str, line: Line | None, pack: Pack, kind: Kind) -> str:
    """The legal source of a refusal."""
    if line is not None:
        return line.source
    sources = _sentences()["source"]
    if kind in PHARMACY_KINDS and (own := sources.get(f"{rule}-pharmacy")) is not None:
        return own
    return sources.get(rule, pack.source)


def told_when_refused(
    code: str, role: Role, pack: Pack, overrides: Overrides = NO_OVERRIDES, *, kind: Kind = Kind.DOSSIER
) -> str:
    """The sentence for whoever is refused with that code: the same whatever is there, with the ways in for his role."""
    said = _sentences()["told"][code]
    if code not in WITH_WAYS_IN:
        return said
    return " ".join((said, *how_to_get_access(role, pack, overrides, kind=kind)))


def told_to_the_refused(question: Question, code: str) -> str:
    """`told_when_refused`, where the state of the record is no secret from him: who has no title of his own, or asks
    for one document, is answered as if there were nothing."""
    if code == "DOSSIER_NOT_OPEN" and question.action is not Action.PUBLISH:
        if question.kind is Kind.DOCUMENT and question.document is not None:
            code = "DOCUMENT_UNKNOWN"
        elif question.kind is Kind.DOSSIER and question.relations <= {Relation.EMERGENCY, Relation.NONE}:
            code = "ACCESS_REFUSED"
    return told_when_refused(code, question.facts.role, question.pack, question.overrides, kind=question.kind)


def how_to_get_access(
    role: Role, pack: Pack, overrides: Overrides = NO_OVERRIDES, *, kind: Kind = Kind.DOSSIER
) -> tuple[str, ...]:
    """What a refused professional of `role` may do to get into a record, in French; nothing for a citizen or a task.

    The record is the pharmacy's where `kind` is of what that one holds, the shared one otherwise.

    Read from the lines that let his profession in, so that it is offered only what the rules of the day offer.
    """
    if role not in PROFESSIONAL_ROLES:
        return ()
    team = "care_team" if pack.holds("care_team.requires_consent", overrides) else "care_team_deemed"
    ways: tuple[tuple[str, Relation, Action, Mode], ...] = (
        ("authorized", Relation.AUTHORIZED, Action.READ, Mode.NORMAL),
        (team, Relation.CARE_TEAM, Action.READ, Mode.NORMAL),
        ("break_glass", Relation.NONE, Action.BREAK_GLASS, Mode.BREAK_GLASS),
        ("regulation_centre", Relation.NONE, Action.READ, Mode.REGULATION_CENTRE),
    )
    if kind in PHARMACY_KINDS:
        ways = (
            ("patient_present", Relation.PATIENT_PRESENT, Action.READ, Mode.NORMAL),
            ("establishment_care", Relation.ESTABLISHMENT_CARE, Action.READ, Mode.NORMAL),
        )
    entered = Kind.PHARMACY_RECORD if kind in PHARMACY_KINDS else Kind.DOSSIER
    said = _sentences()["access"]
    return tuple(
        said[way]
        for way, relation, action, mode in ways
        if any(
            role in line.roles
            and relation in line.relations
            and action in line.actions
            and mode in line.modes
            and (not line.when or pack.holds(line.when, overrides))
            for line in pack.lines
            if line.kind is entered and line.effect == "allow"
        )
    )


@cache
def _sentences() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(files("passerelle_policies").joinpath("sentences.toml").read_text("utf-8"))
