"""One question, one answer: may this actor do this, here, today, and by which rule.

Casbin evaluates the matrix of the pack in force, line by line as a lawyer reads it. Its answers are compiled
once for each (pack, role, mode, kind, action) into `Reach` lines (`enforcement`), which also become the SQL filter of
every list, and decisions are kept with their explanations. What Casbin does not hold stands here, in this order: the
emergency objection (L.1111-17 I), the end of a document, what the patient keeps from one professional, the block
(L.1111-19), the matrix with default deny, the state of the record (R.1111-36).

Whoever is refused learns nothing of what is there: a document he may not know of answers as one that does not
exist (DOCUMENT_UNKNOWN), a block as the absence of any relation (ACCESS_REFUSED).
"""

from __future__ import annotations

from datetime import date

from passerelle_policies.enforcement import ask_casbin, compiled
from passerelle_policies.explanations import (
    Question,
    facts_behind,
    how_to_get_access,
    text_behind,
    told_to_the_refused,
    told_when_refused,
    true_reason,
)
from passerelle_policies.facts import Decision, DocumentFacts, Facts, Reach
from passerelle_policies.matrix import Line
from passerelle_policies.packs import NO_OVERRIDES, Overrides, Pack, pack_on
from passerelle_policies.vocabulary import (
    PHARMACY_KINDS,
    Action,
    DocumentStatus,
    DossierState,
    Kind,
    Mode,
    PharmacyRecordState,
    Relation,
    Role,
    Setting,
)

__all__ = [
    "Decision",
    "DocumentFacts",
    "Facts",
    "Reach",
    "ask_casbin",
    "decide",
    "decide_under",
    "how_to_get_access",
    "is_above_blocks",
    "reach",
    "reach_under",
    "told_when_refused",
]

ACCESS_REFUSED = "ACCESS_REFUSED"
ACTION_REFUSED = "ACTION_REFUSED"
DOCUMENT_UNKNOWN = "DOCUMENT_UNKNOWN"
DOSSIER_NOT_OPEN = "DOSSIER_NOT_OPEN"
TYPE_NOT_IN_DMP = "TYPE_NOT_IN_DMP"
TYPE_REFUSED = "TYPE_REFUSED"
VISIBILITY_REFUSED = "VISIBILITY_REFUSED"

_AMENDING = frozenset({Action.REPLACE, Action.CANCEL})  # what one filed oneself
_FEEDING = frozenset({Action.PUBLISH, Action.REPLACE})
_FEEDING_PHARMACY = frozenset(
    {
        Action.PUBLISH,
        Action.REPLACE,
        Action.CANCEL,
        Action.ATTEST_PRESENCE,
        Action.ATTEST_CARE,
        Action.INFORM,
    }
)
_ENTERING = frozenset({Action.READ, Action.BREAK_GLASS, Action.EXPORT})
_KEPT_AT_MOST = 200_000
_EVERYONE = frozenset({Relation.NONE})
_AUTHOR = frozenset({Relation.AUTHOR})


def decide(
    facts: Facts,
    kind: Kind,
    action: Action,
    document: DocumentFacts | None = None,
    *,
    overrides: Overrides = NO_OVERRIDES,
) -> Decision:
    """Whether the actor of `facts` may do `action`, with the rule, its source and the code of a refusal.

    Without `document`, a question of kind DOCUMENT asks whether he may do so to any document at all.
    """
    key = (
        facts.number,
        kind,
        action,
        document and document.number,
        tuple(overrides.items()) if overrides else None,
    )
    kept = _kept.get(key)
    if kept is None:
        kept = _keep(key, _decide(pack_on(facts.day), facts, kind, action, document, overrides))
    return kept


def decide_under(
    pack: Pack,
    facts: Facts,
    kind: Kind,
    action: Action,
    document: DocumentFacts | None = None,
    *,
    overrides: Overrides = NO_OVERRIDES,
) -> Decision:
    """`decide` under a pack that need not be in force on the day of `facts`. Packs are told apart by their names."""
    key = (
        pack.name,
        facts.number,
        kind,
        action,
        document and document.number,
        tuple(overrides.items()) if overrides else None,
    )
    return _kept.get(key) or _keep(key, _decide(pack, facts, kind, action, document, overrides))


def reach(
    role: Role,
    mode: Mode,
    kind: Kind,
    action: Action,
    day: date,
    overrides: Overrides = NO_OVERRIDES,
    *,
    is_open: bool = True,
    is_objected: bool = False,
    setting: Setting = Setting.NONE,
) -> tuple[Reach, ...]:
    """The filter lines of `role` on `day`, for a record that is open (or is not), and an actor who is not blocked.

    `is_objected`: the patient objected beforehand to emergencies.
    A document passes when the actor holds one of a line's relations (everyone holds NONE, its author holds AUTHOR)
    and `Reach.shows` it. `decide` says the same of each document one by one.
    """
    return reach_under(
        pack_on(day), role, mode, kind, action, overrides, is_open=is_open, is_objected=is_objected, setting=setting
    )


def reach_under(
    pack: Pack,
    role: Role,
    mode: Mode,
    kind: Kind,
    action: Action,
    overrides: Overrides = NO_OVERRIDES,
    *,
    is_open: bool = True,
    is_objected: bool = False,
    setting: Setting = Setting.NONE,
) -> tuple[Reach, ...]:
    """`reach` under a pack that need not be in force. Packs are told apart by their names."""
    column = compiled(pack, role, mode, kind, action, overrides, is_objected=is_objected, setting=setting)
    return column.open if is_open else column.otherwise


def is_above_blocks(pack: Pack, mode: Mode, overrides: Overrides = NO_OVERRIDES) -> bool:
    """Whether a block yields to this mode of access: to the regulation centre only, and where it is offered at all."""
    return (
        mode is Mode.REGULATION_CENTRE
        and pack.holds("regulation_centre.offered", overrides)
        and pack.holds("block.yields_to_regulation_centre", overrides)
    )


# What follows answers a question for the first time.


def _keep(key: tuple[object, ...], decision: Decision) -> Decision:
    if len(_kept) >= _KEPT_AT_MOST:
        _kept.clear()
    _kept[key] = decision
    return decision


def _decide(
    pack: Pack, facts: Facts, kind: Kind, action: Action, document: DocumentFacts | None, overrides: Overrides
) -> Decision:
    is_objected = facts.emergency_objection
    is_blocked = facts.blocked and (is_objected or not is_above_blocks(pack, facts.mode, overrides))
    asked = Question(
        pack=pack,
        facts=facts,
        kind=kind,
        action=action,
        document=document,
        overrides=overrides,
        compiled=compiled(
            pack, facts.role, facts.mode, kind, action, overrides, is_objected=is_objected, setting=facts.setting
        ),
        relations=_standing(facts, is_blocked, kind, action, document),
    )
    if kind is Kind.DOCUMENT and document is not None and document.status is DocumentStatus.DELETED:
        return _refusal(asked, "document-deleted", DOCUMENT_UNKNOWN)
    if document is not None and document.withheld and not document.by_actor:
        return _refusal(asked, "document-withheld", DOCUMENT_UNKNOWN)
    if is_blocked and _is_stopped(kind, action, pack, overrides):
        return _refusal(asked, "block", _code_of_refusal(kind, action, document))
    is_open = facts.dossier_state in (DossierState.OPEN, PharmacyRecordState.OPEN)
    line = asked.compiled.allowing(is_open, asked.relations, document)
    if line is not None:
        return Decision(
            allowed=True,
            rule=line.rule,
            source=line.source,
            code=None,
            pack=pack.name,
            sentence=line.sentence,
            sentence_for_professional=line.to_professional,
            facts_used=facts_behind(asked, line.rule, line),
        )
    if not is_open and asked.compiled.allowing(True, asked.relations, document) is not None:
        return _refusal(asked, "dossier-not-open", DOSSIER_NOT_OPEN)
    if is_objected and action is Action.BREAK_GLASS:
        return _refusal(asked, "emergency-objection", ACCESS_REFUSED)
    return _denial(asked)


def _is_stopped(kind: Kind, action: Action, pack: Pack, overrides: Overrides) -> bool:
    """A block stops every access to the record. Acts open to any outsider go on, so that it does not show."""
    if kind is Kind.DOCUMENT and action in _FEEDING:
        return pack.holds("block.stops_feeding", overrides)
    if kind is Kind.DOSSIER:
        return action in _ENTERING
    if kind in PHARMACY_KINDS:
        return action not in _FEEDING_PHARMACY
    return kind is not Kind.PATIENT


def _standing(
    facts: Facts, is_blocked: bool, kind: Kind, action: Action, document: DocumentFacts | None
) -> frozenset[Relation]:
    """The relations that count for this question."""
    relations = facts.relations | _EVERYONE
    if kind is Kind.DOCUMENT and document is not None:
        relations -= _AUTHOR
        if document.by_actor and _counts_as_author(facts, document):
            relations |= _AUTHOR
    if is_blocked:
        relations &= _EVERYONE | (_AUTHOR if action in _AMENDING else frozenset())
    return relations


def _counts_as_author(facts: Facts, document: DocumentFacts) -> bool:
    """A citizen is an author only while he is the patient, or the representative from whom it is not hidden."""
    if facts.role is not Role.PERSON or Relation.PATIENT in facts.relations:
        return True
    return Relation.REPRESENTATIVE in facts.relations and not document.hidden_from_representatives


def _denial(asked: Question) -> Decision:
    """The refusal of what no line allows: named by the exception that takes it away, if one does."""
    facts, document = asked.facts, asked.document
    if asked.kind is not Kind.DOCUMENT or document is None:
        return _refusal(asked, "default-deny", _code_of_refusal(asked.kind, asked.action, document))
    line = asked.compiled.denying(asked.relations, document)
    reached = asked.compiled.types_for(asked.relations)
    if asked.action is Action.PUBLISH:
        if not reached:
            return _refusal(asked, "default-deny", ACCESS_REFUSED)
        if document.type_code not in asked.pack.dmp_types:
            return _refusal(asked, "type-not-in-dmp", TYPE_NOT_IN_DMP)
        if document.type_code in reached:
            return _refusal(asked, "visibility-not-open", VISIBILITY_REFUSED)
        return _refusal(asked, "type-not-open", TYPE_REFUSED, line)
    if asked.action is not Action.READ:
        seen = _decide(asked.pack, facts, asked.kind, Action.READ, document, asked.overrides)
        return _refusal(asked, "default-deny", ACTION_REFUSED, line) if seen.allowed else seen
    if document.masked and facts.role is not Role.PERSON and document.type_code in reached:
        return _refusal(asked, "document-masked", DOCUMENT_UNKNOWN)
    return _refusal(asked, "default-deny", DOCUMENT_UNKNOWN, line)


def _code_of_refusal(kind: Kind, action: Action, document: DocumentFacts | None) -> str:
    if kind is Kind.DOCUMENT and document is not None and action is not Action.PUBLISH:
        return DOCUMENT_UNKNOWN
    return ACCESS_REFUSED


def _refusal(asked: Question, rule: str, code: str, line: Line | None = None) -> Decision:
    named = line.rule if line else rule
    return Decision(
        allowed=False,
        rule=named,
        source=text_behind(rule, line, asked.pack, asked.kind),
        code=code,
        pack=asked.pack.name,
        sentence=true_reason(rule, line),
        sentence_for_professional=told_to_the_refused(asked, code),
        facts_used=facts_behind(asked, named, line),
    )


_kept: dict[tuple[object, ...], Decision] = {}
