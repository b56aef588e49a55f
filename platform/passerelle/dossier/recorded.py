"""A decision as its journal line tells it, and what a rule pack answers to the same question.

Nothing is kept for this but the facts of the line: why someone was let in, and whether a pack to come would let him
in, are found by asking again (docs/decisions/0089).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from passerelle.audit.journal import Outcome
from passerelle.dossier.documents import CONTENT
from passerelle_policies.decision import Decision, DocumentFacts, Facts, decide_under
from passerelle_policies.packs import NO_OVERRIDES, Overrides, Pack
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import (
    Action,
    ActorKind,
    DocumentStatus,
    Kind,
    Mode,
    Purpose,
    Relation,
    Role,
    Setting,
    record_state,
)

#: What the rules themselves refuse with; any other code is the state of things, or the door.
_CODES = frozenset(
    {
        "ACCESS_REFUSED",
        "ACTION_REFUSED",
        "DOCUMENT_UNKNOWN",
        "DOSSIER_NOT_OPEN",
        "TYPE_NOT_IN_DMP",
        "TYPE_REFUSED",
        "VISIBILITY_REFUSED",
    }
)


class Unanswerable(StrEnum):
    """Why a line cannot be asked again."""

    NO_DECISION = "no_decision"  # the matrix had no part in it
    FACTS_MISSING = "facts_missing"
    WORDS_UNKNOWN = "words_unknown"
    PACK_UNKNOWN = "pack_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked. `is_absent`: about a document that was not there, which no pack lets anyone see."""

    facts: Facts
    kind: Kind
    action: Action
    document: DocumentFacts | None = None
    is_absent: bool = False


def question_of(said: Mapping[str, Any], day: date) -> Question | Unanswerable:
    """The question behind a line, out of its columns (`facts` as a mapping); `day` is that of the rules."""
    if said["outcome"] == Outcome.REFUSED and said["code"] not in _CODES:
        return Unanswerable.NO_DECISION
    try:
        kind = Kind.DOCUMENT if said["kind"] == CONTENT else Kind(said["kind"])
        action = Action(said["action"])
        facts = _facts(said, kind, day)
        if isinstance(facts, Unanswerable):
            return facts
        if kind is not Kind.DOCUMENT:
            return Question(facts=facts, kind=kind, action=action)
        about = said["facts"].get("document")
        if about is not None:
            about = DocumentFacts(**{**about, "status": DocumentStatus(about["status"])})
            return Question(facts=facts, kind=kind, action=action, document=about)
    except (ValueError, TypeError):
        return Unanswerable.WORDS_UNKNOWN
    is_told = "document" in said["facts"] and (action is Action.READ or said["rule"] == "absent")
    if is_told and said["outcome"] == Outcome.REFUSED:
        return Question(facts=facts, kind=kind, action=action, is_absent=True)
    return Unanswerable.FACTS_MISSING


def answer(question: Question, pack: Pack, overrides: Overrides = NO_OVERRIDES) -> Decision | None:
    """What a pack says to a question; nothing about a document that was not there."""
    if question.is_absent:
        return None
    return decide_under(pack, question.facts, question.kind, question.action, question.document, overrides=overrides)


def _facts(said: Mapping[str, Any], kind: Kind, day: date) -> Facts | Unanswerable:
    told = said["facts"]
    if kind is Kind.PATIENT and not told:  # an identity is looked up by profession alone
        role = role_of(said["actor_profession"], ActorKind(said["actor_kind"]))
        told = {"role": role, "relations": (), "blocked": False, "objection": False, "state": None}
    if not told:
        return Unanswerable.NO_DECISION
    if not told.keys() >= {"role", "relations", "blocked", "objection", "state"}:
        return Unanswerable.FACTS_MISSING
    return Facts(
        role=Role(told["role"]),
        relations=frozenset(Relation(each) for each in told["relations"]),
        blocked=told["blocked"],
        dossier_state=record_state(kind, told["state"]),
        mode=Mode(said["mode"]),
        purpose=Purpose(said["purpose"]),
        day=day,
        emergency_objection=told["objection"],
        setting=Setting(told.get("setting", Setting.NONE)),
    )
