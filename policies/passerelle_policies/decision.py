"""One question, one answer: may this actor do this, here, today, and by which rule.

Casbin evaluates the matrix of the pack in force, line by line as a lawyer reads it. Its answers are compiled
once for each (pack, role, mode, kind, action) into `Reach` lines, which also become the SQL filter of every
list, and decisions are kept. What Casbin does not hold stands here, in this order: the emergency objection
(L.1111-17 I), the block (L.1111-19), the matrix with default deny, the state of the record (R.1111-36), the end
of a document.

Whoever is refused learns nothing of what is there: a document he may not know of answers as one that does not
exist (DOCUMENT_UNKNOWN), a block as the absence of any relation (ACCESS_REFUSED).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from operator import attrgetter

import casbin

from passerelle_policies.compilation import Compiled, alike_types, merged, rules_of
from passerelle_policies.facts import Decision, DocumentFacts, Facts, Reach
from passerelle_policies.matrix import NO_TYPE, Concealment, Line, terms_matching
from passerelle_policies.packs import NO_OVERRIDES, Overrides, Pack, pack_on
from passerelle_policies.vocabulary import (
    Action,
    DocumentStatus,
    DossierState,
    Kind,
    Mode,
    Relation,
    Role,
)

__all__ = [
    "Decision",
    "DocumentFacts",
    "Facts",
    "Reach",
    "ask_casbin",
    "decide",
    "decide_under",
    "is_above_blocks",
    "reach",
    "reach_under",
]

ACCESS_REFUSED = "ACCESS_REFUSED"
ACTION_REFUSED = "ACTION_REFUSED"
DOCUMENT_UNKNOWN = "DOCUMENT_UNKNOWN"
DOSSIER_NOT_OPEN = "DOSSIER_NOT_OPEN"
TYPE_NOT_IN_DMP = "TYPE_NOT_IN_DMP"
TYPE_REFUSED = "TYPE_REFUSED"
VISIBILITY_REFUSED = "VISIBILITY_REFUSED"

_FEEDING = frozenset({Action.PUBLISH, Action.REPLACE})
_ENTERING = frozenset({Action.READ, Action.BREAK_GLASS, Action.EXPORT})
_KEPT_AT_MOST = 200_000
_facts_key = attrgetter(
    "role", "relations", "dossier_state", "mode", "blocked", "emergency_objection", "day"
)  # the purpose decides nothing
_document_key = attrgetter(
    "type_code", "status", "masked", "hidden_from_patient", "hidden_from_representatives", "by_actor", "withheld"
)
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
        _facts_key(facts),
        kind,
        action,
        document and _document_key(document),
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
        _facts_key(facts),
        kind,
        action,
        document and _document_key(document),
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
) -> tuple[Reach, ...]:
    """The filter lines of `role` on `day`, for a record that is open (or is not), and an actor who is not blocked.

    A document passes when the actor holds one of a line's relations (everyone holds NONE, its author holds AUTHOR)
    and `Reach.shows` it. `decide` says the same of each document one by one.
    """
    return reach_under(pack_on(day), role, mode, kind, action, overrides, is_open=is_open)


def reach_under(
    pack: Pack,
    role: Role,
    mode: Mode,
    kind: Kind,
    action: Action,
    overrides: Overrides = NO_OVERRIDES,
    *,
    is_open: bool = True,
) -> tuple[Reach, ...]:
    """`reach` under a pack that need not be in force. Packs are told apart by their names."""
    compiled = _compiled(pack, role, mode, kind, action, _gates(pack, overrides))
    return compiled.open if is_open else compiled.otherwise


def is_above_blocks(pack: Pack, mode: Mode, overrides: Overrides = NO_OVERRIDES) -> bool:
    """Whether a block yields to this mode of access: to the regulation centre only, and where it is offered at all."""
    return (
        mode is Mode.REGULATION_CENTRE
        and pack.holds("regulation_centre.offered", overrides)
        and pack.holds("block.yields_to_regulation_centre", overrides)
    )


def ask_casbin(
    pack: Pack,
    role: Role,
    relation: Relation,
    kind: Kind,
    type_code: str,
    action: Action,
    mode: Mode,
    concealment: Concealment = Concealment.PLAIN,
    *,
    is_open: bool = True,
    overrides: Overrides = NO_OVERRIDES,
) -> tuple[bool, str]:
    """Casbin's own answer on the whole matrix, with the line that made it: the judge of what is compiled and kept."""
    enforcer = _whole_matrix(pack.name, _gates(pack, overrides), pack)
    return _enforce(enforcer, (role, relation, kind, type_code, action, mode, concealment, _dossier(is_open)))


# What follows answers a question for the first time.


def _keep(key: tuple[object, ...], decision: Decision) -> Decision:
    if len(_kept) >= _KEPT_AT_MOST:
        _kept.clear()
    _kept[key] = decision
    return decision


def _decide(
    pack: Pack, facts: Facts, kind: Kind, action: Action, document: DocumentFacts | None, overrides: Overrides
) -> Decision:
    mode = Mode.NORMAL if facts.emergency_objection else facts.mode
    compiled = _compiled(pack, facts.role, mode, kind, action, _gates(pack, overrides))
    if kind is Kind.DOCUMENT and document is not None and document.status is DocumentStatus.DELETED:
        return _refusal(pack, "document-deleted", DOCUMENT_UNKNOWN)
    is_blocked = facts.blocked and not is_above_blocks(pack, mode, overrides)
    if document is not None and document.withheld and not document.by_actor:
        return _refusal(pack, "document-withheld", DOCUMENT_UNKNOWN)
    if is_blocked and _is_stopped(kind, action, pack, overrides):
        return _refusal(pack, "block", _code_of_refusal(kind, action, document))
    relations = _standing(facts, is_blocked, kind, action, document)
    is_open = facts.dossier_state is DossierState.OPEN
    line = compiled.allowing(is_open, relations, document)
    if line is not None:
        return Decision(
            allowed=True, rule=line.rule, source=line.source, code=None, pack=pack.name, sentence=line.sentence
        )
    if not is_open and compiled.allowing(True, relations, document) is not None:
        return _refusal(pack, "dossier-not-open", DOSSIER_NOT_OPEN)
    if facts.emergency_objection and action is Action.BREAK_GLASS:
        return _refusal(pack, "emergency-objection", ACCESS_REFUSED)
    return _denial(facts, kind, action, document, overrides, pack, compiled, relations)


def _is_stopped(kind: Kind, action: Action, pack: Pack, overrides: Overrides) -> bool:
    """A block stops every access to the record. Acts open to any outsider go on, so that it does not show."""
    if kind is Kind.DOCUMENT and action in _FEEDING:
        return pack.holds("block.stops_feeding", overrides)
    if kind is Kind.DOSSIER:
        return action in _ENTERING
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
        relations &= _EVERYONE | (_AUTHOR if action is Action.REPLACE else frozenset())
    return relations


def _counts_as_author(facts: Facts, document: DocumentFacts) -> bool:
    """A citizen is an author only while he is the patient, or the representative from whom it is not hidden."""
    if facts.role is not Role.PERSON or Relation.PATIENT in facts.relations:
        return True
    return Relation.REPRESENTATIVE in facts.relations and not document.hidden_from_representatives


def _denial(
    facts: Facts,
    kind: Kind,
    action: Action,
    document: DocumentFacts | None,
    overrides: Overrides,
    pack: Pack,
    compiled: Compiled,
    relations: frozenset[Relation],
) -> Decision:
    if kind is not Kind.DOCUMENT or document is None:
        return _refusal(pack, "default-deny", _code_of_refusal(kind, action, document))
    line = compiled.denying(relations, document)
    reached = compiled.types_for(relations)
    if action is Action.PUBLISH:
        if not reached:
            return _refusal(pack, "default-deny", ACCESS_REFUSED)
        if document.type_code not in pack.dmp_types:
            return _refusal(pack, "type-not-in-dmp", TYPE_NOT_IN_DMP)
        if document.type_code in reached:
            return _refusal(pack, "visibility-not-open", VISIBILITY_REFUSED)
        return _refusal(pack, "type-not-open", TYPE_REFUSED, line)
    if action is not Action.READ:
        seen = _decide(pack, facts, kind, Action.READ, document, overrides)
        return _refusal(pack, "default-deny", ACTION_REFUSED, line) if seen.allowed else seen
    if document.masked and facts.role is not Role.PERSON and document.type_code in reached:
        return _refusal(pack, "document-masked", DOCUMENT_UNKNOWN)
    return _refusal(pack, "default-deny", DOCUMENT_UNKNOWN, line)


def _code_of_refusal(kind: Kind, action: Action, document: DocumentFacts | None) -> str:
    if kind is Kind.DOCUMENT and document is not None and action is not Action.PUBLISH:
        return DOCUMENT_UNKNOWN
    return ACCESS_REFUSED


def _refusal(pack: Pack, rule: str, code: str, line: Line | None = None) -> Decision:
    return Decision(
        allowed=False,
        rule=line.rule if line else rule,
        source=line.source if line else pack.source,
        code=code,
        pack=pack.name,
        sentence=line.sentence if line else _sentences()[rule],
    )


# Compilation: from Casbin's answers to filter lines.


def _compiled(pack: Pack, role: Role, mode: Mode, kind: Kind, action: Action, gates: frozenset[str]) -> Compiled:
    key = (pack.name, role, mode, kind, action, gates)
    kept = _tables.get(key)
    if kept is None:
        kept = _tables[key] = _compile(pack, role, mode, kind, action, gates)
    return kept


def _compile(pack: Pack, role: Role, mode: Mode, kind: Kind, action: Action, gates: frozenset[str]) -> Compiled:
    lines = [
        line
        for line in pack.lines
        if role in line.roles
        and kind is line.kind
        and action in line.actions
        and mode in line.modes
        and (not line.when or line.when in gates)
    ]
    enforcer = _enforcer(pack, lines)
    relations = [each for each in Relation if any(each in line.relations for line in lines)]
    alike = alike_types(pack, lines) if kind is Kind.DOCUMENT else {NO_TYPE: ()}
    denials: dict[str, dict[Relation, str]] = {}

    def answers(is_open: bool) -> tuple[Reach, ...]:
        grouped: dict[tuple[Relation, str, frozenset[Concealment]], list[str]] = {}
        for relation in relations:
            for sample, types in alike.items():
                cell: dict[Concealment, str] = {}
                for concealment in Concealment:
                    asked = (role, relation, kind, sample, action, mode, concealment, _dossier(is_open))
                    allowed, rule = _enforce(enforcer, asked)
                    if allowed:
                        cell[concealment] = rule
                    elif rule and is_open:
                        for type_code in types:
                            denials.setdefault(type_code, {})[relation] = rule
                for rule, seen in rules_of(cell):
                    grouped.setdefault((relation, rule, seen), []).extend(types)
        return merged(grouped)

    return Compiled(
        open=answers(is_open=True),
        otherwise=answers(is_open=False) if any(not line.needs_open_dossier for line in lines) else (),
        denials=denials,
        lines={line.rule: line for line in lines},
    )


# Casbin.


def _enforcer(pack: Pack, lines: Iterable[Line]) -> casbin.Enforcer:
    model = casbin.model.Model()
    model.load_model_from_text(_model())
    enforcer = casbin.Enforcer(model)
    enforcer.add_function("lists", _lists)
    enforcer.add_function("names", _names(pack))
    # The last line that matches is the one Casbin cites: the first of the matrix goes in last.
    enforcer.add_policies([_row(line) for line in reversed(list(lines))])
    return enforcer


def _enforce(enforcer: casbin.Enforcer, asked: tuple[str, ...]) -> tuple[bool, str]:
    allowed, line = enforcer.enforce_ex(*(str(each) for each in asked))
    return bool(allowed), str(line[-2]) if line else ""


def _row(line: Line) -> list[str]:
    return [
        "|".join(sorted(line.roles)),
        "|".join(sorted(line.relations)),
        line.kind.value,
        "|".join(line.types) or NO_TYPE,
        "|".join(sorted(line.actions)),
        "|".join(sorted(line.modes)),
        "|".join(sorted(line.even_if)),
        "open" if line.needs_open_dossier else "open|other",
        line.rule,
        line.effect,
    ]


def _lists(cell: str, word: str) -> bool:
    return word in cell.split("|")


def _names(pack: Pack) -> Callable[[str, str], bool]:
    def names(cell: str, type_code: str) -> bool:
        return terms_matching(cell.split("|"), type_code, pack.sets_of_type.get(type_code, frozenset()))

    return names


def _whole_matrix(name: str, gates: frozenset[str], pack: Pack) -> casbin.Enforcer:
    key = (name, gates)
    if key not in _matrices:
        _matrices[key] = _enforcer(pack, [line for line in pack.lines if not line.when or line.when in gates])
    return _matrices[key]


def _dossier(is_open: bool) -> str:
    return "open" if is_open else "other"


def _gates(pack: Pack, overrides: Overrides) -> frozenset[str]:
    return frozenset(gate for gate in pack.gates if pack.holds(gate, overrides))


@cache
def _model() -> str:
    return files("passerelle_policies").joinpath("model.conf").read_text("utf-8")


@cache
def _sentences() -> Mapping[str, str]:
    text = files("passerelle_policies").joinpath("sentences.toml").read_text("utf-8")
    return {rule: str(sentence) for rule, sentence in tomllib.loads(text).items()}


_kept: dict[tuple[object, ...], Decision] = {}
_tables: dict[tuple[object, ...], Compiled] = {}
_matrices: dict[tuple[str, frozenset[str]], casbin.Enforcer] = {}
