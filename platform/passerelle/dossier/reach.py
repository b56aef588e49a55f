"""The matrix as SQL: the filter of every list, and the verdict that a statement writes into the journal.

`passerelle_policies.decision.reach` gives the lines that a role's relations open; they go into a statement as
arrays, and `visible` is the condition that a row of `document` must meet. A property test holds that it lets
through exactly what `decide` allows one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    Boolean,
    ColumnElement,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
)

from passerelle.audit import journal
from passerelle.dossier import access
from passerelle.dossier.tables import document
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.pipeline_values import Written, array
from passerelle_policies.decision import DocumentFacts, Reach, reach
from passerelle_policies.vocabulary import (
    PHARMACY_KINDS,
    Action,
    DocumentStatus,
    DossierState,
    Kind,
    Mode,
    Relation,
    Role,
    Setting,
)

_NOT_OPEN = "dossier-not-open"
#: The relations that everyone holds.
EVERYONE = cast(literal("{none}"), ARRAY(Text()))
#: What a journal line keeps of the document that it is about.
_ASKED = tuple(each.name for each in fields(DocumentFacts) if each.init)


def _rendered(lines: tuple[Reach, ...], under_objection: tuple[bool, ...]) -> dict[str, Written]:
    """`Reach` lines as arrays, one element a line, written once as PostgreSQL reads them.

    `under_objection`: the line holds where the patient objected to emergencies (true), where he did not (false).
    """
    return {
        "relations": array([array(sorted(each.relations)) for each in lines]),
        "types": array([array(tuple(each.types)) for each in lines]),
        "sees_masked": array([each.sees_masked for each in lines]),
        "sees_hidden_from_patient": array([each.sees_hidden_from_patient for each in lines]),
        "sees_hidden_from_representatives": array([each.sees_hidden_from_representatives for each in lines]),
        "rules": array([each.rule for each in lines]),
        "under_objection": array(under_objection),
    }


def reach_parameters(
    context: Context, kind: Kind, action: Action, prefix: str = "reach", *, is_open: bool = True
) -> Mapping[str, Any]:
    """Values for the bind parameters of `reach_lines(prefix)`."""
    overrides = tuple(context.tenant.parameters.items())
    return _reach_parameters(
        access.role_in(context),
        context.mode,
        kind,
        action,
        legal_day(context.clock),
        overrides,
        prefix,
        is_open,
        context.actor.setting,
    )


@lru_cache(maxsize=4096)
def _reach_parameters(
    role: Role,
    mode: Mode,
    kind: Kind,
    action: Action,
    day: date,
    overrides: tuple[tuple[str, int | str | bool], ...],
    prefix: str,
    is_open: bool,
    setting: Setting,
) -> Mapping[str, Any]:
    lines: tuple[Reach, ...] = ()
    under_objection: tuple[bool, ...] = ()
    # An earlier objection takes away what only an emergency opens (L.1111-17 I); the statement finds out which holds.
    for objected in (False, True):
        some = reach(
            role, mode, kind, action, day, dict(overrides), is_open=is_open, is_objected=objected, setting=setting
        )
        lines += some
        under_objection += (objected,) * len(some)
    return {f"{prefix}_{name}": each for name, each in _rendered(lines, under_objection).items()}


def reach_lines(facts: CTE, prefix: str = "reach", *, author_counts: bool = False) -> CTE:
    """The lines of the matrix that this actor's relations open, one row each.

    Authorship is left to each document, unless `author_counts`: then having written anything here counts.
    """
    texts, given = ARRAY(Text()), given_lines(prefix)
    relations = cast(given.c.relations, texts)
    # Everyone holds NONE; AUTHOR opens a record, but a document only to its own author.
    author = cast(literal(Relation.AUTHOR.value), Text())
    counted = facts.c.relations if author_counts else func.array_remove(facts.c.relations, author, type_=texts)
    held = counted.op("||", return_type=texts)(EVERYONE)
    by_relation = relations.op("&&", return_type=Boolean())(held)
    by_author = cast(literal(Relation.AUTHOR.value), Text()) == any_(relations)
    return (
        select(
            cast(given.c.types, texts).label("types"),
            given.c.sees_masked,
            given.c.sees_hidden_from_patient,
            given.c.sees_hidden_from_representatives,
            given.c.rule,
            given.c.position,
            by_relation.label("by_relation"),
        )
        .select_from(facts.join(given, and_(given.c.under_objection == facts.c.objection, or_(by_relation, by_author))))
        .cte(f"{prefix}_lines")
    )


def given_lines(prefix: str) -> Any:
    """The lines of `reach_parameters`, one row each, `position` their order."""
    texts, flags = ARRAY(Text()), ARRAY(Boolean())
    return (
        func.unnest(
            bindparam(f"{prefix}_relations", type_=texts),
            bindparam(f"{prefix}_types", type_=texts),
            bindparam(f"{prefix}_sees_masked", type_=flags),
            bindparam(f"{prefix}_sees_hidden_from_patient", type_=flags),
            bindparam(f"{prefix}_sees_hidden_from_representatives", type_=flags),
            bindparam(f"{prefix}_rules", type_=texts),
            bindparam(f"{prefix}_under_objection", type_=flags),
        )
        .table_valued(
            column("relations", Text()),
            column("types", Text()),
            column("sees_masked", Boolean()),
            column("sees_hidden_from_patient", Boolean()),
            column("sees_hidden_from_representatives", Boolean()),
            column("rule", Text()),
            column("under_objection", Boolean()),
            with_ordinality="position",
        )
        .render_derived(name=f"{prefix}_given")
    )


def visible(entry: Any, facts: CTE, lines: CTE) -> ColumnElement[bool]:
    """SQL condition: the actor may read this row of `document` (or of an alias of it)."""
    return and_(serves(facts), _shows(entry, facts, lines))


def _shows(entry: Any, facts: CTE, lines: CTE) -> ColumnElement[bool]:
    """`visible`, for a record that serves the actor."""
    matched = select(literal_column("1")).select_from(lines).where(_reaches(lines, entry)).exists()
    return and_(entry.c.status != DocumentStatus.DELETED.value, _not_withheld(entry, facts), matched)


def _reaches(lines: CTE, entry: Any) -> ColumnElement[bool]:
    """SQL condition: a line of the filter lets the actor read this row."""
    return and_(
        entry.c.type_code == any_(lines.c.types),
        or_(lines.c.by_relation, any_(entry.c.author_ids) == access.ACTOR_ID),
        or_(not_(entry.c.masked), lines.c.sees_masked),
        or_(not_(access.is_hidden_from_patient(entry)), lines.c.sees_hidden_from_patient),
        or_(not_(entry.c.hidden_from_representatives), lines.c.sees_hidden_from_representatives),
    )


def rule_showing(entry: Any, lines: CTE) -> ColumnElement[Any]:
    """The rule by which the actor may read a visible row."""
    return _first_rule(lines, _reaches(lines, entry))


def _first_rule(lines: CTE, condition: ColumnElement[bool]) -> ColumnElement[Any]:
    """The rule of the first line of the matrix that meets a condition: the one that `decide` names."""
    return select(lines.c.rule).where(condition).order_by(lines.c.position).limit(1).scalar_subquery()


def shown_status(entry: Any, facts: CTE, lines: CTE) -> ColumnElement[str]:
    """What a row of `document` that the actor may read says it is.

    A version is superseded for whoever may read a later one of its chain, and for nobody else.
    """
    later = document.alias(f"later_than_{entry.name}")
    sees_later = (
        select(literal_column("1"))
        .where(
            later.c.patient_id == entry.c.patient_id,
            later.c.chain_id == entry.c.chain_id,
            later.c.chain_position > entry.c.chain_position,
            _shows(later, facts, lines),
        )
        .exists()
    )
    # Few rows have a successor at all: the others are spared the look.
    is_superseded = and_(entry.c.superseded_by.is_not(None), sees_later)
    return case((is_superseded, literal(DocumentStatus.SUPERSEDED.value)), else_=entry.c.status)


def _not_withheld(entry: Any, facts: CTE) -> ColumnElement[bool]:
    """The patient keeps no document from this actor, or keeps this one in vain: its author still sees it."""
    # Cast, or PostgreSQL takes the array for a set of rows.
    withheld = cast(select(facts.c.withheld).scalar_subquery(), ARRAY(Uuid()))
    return or_(not_(entry.c.document_id == any_(withheld)), any_(entry.c.author_ids) == access.ACTOR_ID)


def serves(facts: CTE) -> ColumnElement[bool]:
    """SQL condition: the record is open and the actor is not blocked (or his mode is above a block)."""
    return and_(facts.c.state == DossierState.OPEN.value, is_let_through(facts))


def verdict(facts: CTE) -> CTE:
    """The decision about a record as a whole, in SQL: facts, `allowed`, `rule`, `code`, as `decide` has them.

    A record that is not open has lines of its own: the patient still learns its state.
    """

    def rule_of(prefix: str) -> ColumnElement[Any]:
        lines = reach_lines(facts, prefix, author_counts=True)
        return _first_rule(lines, lines.c.by_relation)

    matched = _once(facts, if_open=rule_of("verdict"), if_otherwise=rule_of("verdict_otherwise"))
    is_open = matched.c.state.is_not_distinct_from(DossierState.OPEN.value)
    rule = case((is_open, matched.c.if_open), else_=matched.c.if_otherwise)
    refused_by = case(
        (not_(is_let_through(matched)), "block"),
        (and_(not_(is_open), matched.c.if_open.is_not(None)), _NOT_OPEN),
        else_="default-deny",
    )
    allowed = and_(is_let_through(matched), rule.is_not(None))
    code = case((refused_by == _NOT_OPEN, "DOSSIER_NOT_OPEN"), else_="ACCESS_REFUSED")
    return _verdict(matched, allowed, rule, code, refused_by)


def rule_of_each(facts: Any, prefix: str) -> ColumnElement[Any]:
    """The rule by which the actor is let into each of several records, null where he is not; `facts` has a row of
    facts for each. Bind values are `reach_parameters` of `prefix`, and of `{prefix}_otherwise` for those not open."""

    def first_rule(of: str) -> ColumnElement[Any]:
        given = given_lines(of)
        held = facts.c.relations.op("||", return_type=ARRAY(Text()))(EVERYONE)
        reached = cast(given.c.relations, ARRAY(Text())).op("&&", return_type=Boolean())(held)
        rules = select(given.c.rule).where(given.c.under_objection == facts.c.objection, reached)
        return rules.order_by(given.c.position).limit(literal_column("1")).correlate(facts).scalar_subquery()

    is_open = facts.c.state.is_not_distinct_from(DossierState.OPEN.value)
    rule = case((is_open, first_rule(prefix)), else_=first_rule(f"{prefix}_otherwise"))
    return case((is_let_through(facts), rule))


def is_let_through(facts: CTE) -> ColumnElement[bool]:
    """SQL condition: no block stops the actor, or his mode is above a block and the patient did not object to it."""
    return or_(not_(facts.c.blocked), and_(access.ABOVE_BLOCKS, not_(facts.c.objection)))


def document_verdict(facts: CTE, asked: CTE, rule: ColumnElement[Any]) -> CTE:
    """The decision about one document: found among the visible ones by a rule, or unknown to the actor.

    Of the refused, the rule says why in the words of `decide`; only the journal tells. `asked` as `document_facts`.
    """

    def is_so(name: str) -> ColumnElement[bool]:
        return func.coalesce(select(asked.c[name]).scalar_subquery(), literal_column("false"))

    refused_by = case(
        (not_(select(literal_column("1")).select_from(asked).exists()), "absent"),
        (is_so("is_deleted"), "document-deleted"),
        (and_(is_so("withheld"), not_(is_so("by_actor"))), "document-withheld"),
        (not_(is_let_through(facts)), "block"),
        (facts.c.state.is_distinct_from(DossierState.OPEN.value), _NOT_OPEN),
        (and_(is_so("masked"), bindparam("verdict_role", type_=Text()) != Role.PERSON.value), "document-masked"),
        else_="default-deny",
    )
    matched = _once(facts, shown_by=rule, unknown_by=refused_by)
    rule = matched.c.shown_by
    return _verdict(matched, rule.is_not(None), rule, literal("DOCUMENT_UNKNOWN"), matched.c.unknown_by)


def document_facts(entry: Any, facts: CTE) -> list[ColumnElement[Any]]:
    """`access.document_facts` in SQL, under the names of `DocumentFacts`, and `is_deleted`."""
    withheld = cast(select(facts.c.withheld).scalar_subquery(), ARRAY(Uuid()))
    return [
        entry.c.type_code,
        entry.c.status,
        entry.c.masked,
        access.is_hidden_from_patient(entry).label("hidden_from_patient"),
        entry.c.hidden_from_representatives,
        (any_(entry.c.author_ids) == access.ACTOR_ID).label("by_actor"),
        (entry.c.document_id == any_(withheld)).label("withheld"),
        (entry.c.status == DocumentStatus.DELETED.value).label("is_deleted"),
    ]


def in_journal(asked: CTE) -> ColumnElement[Any]:
    """What a journal line keeps of a document (`document_facts`), in JSON; null when there is none."""
    named = [item for name in _ASKED for item in (literal(name), asked.c[name])]
    return select(func.jsonb_build_object(*named)).select_from(asked).scalar_subquery()


def _verdict(
    facts: CTE,
    allowed: ColumnElement[bool],
    rule: ColumnElement[Any],
    code: ColumnElement[Any],
    refused_by: ColumnElement[Any],
) -> CTE:
    judged = select(
        facts,
        allowed.label("allowed"),
        rule.label("matrix_rule"),
        refused_by.label("refused_by"),
        code.label("code_of_refusal"),
    ).cte("judged")
    return select(
        judged.c.patient_id,
        judged.c.state,
        judged.c.blocked,
        judged.c.objection,
        judged.c.relations,
        judged.c.allowed,
        case((judged.c.allowed, judged.c.matrix_rule), else_=judged.c.refused_by).label("rule"),
        case((not_(judged.c.allowed), judged.c.code_of_refusal)).label("code"),
    ).cte("verdict")


def _once(facts: CTE, **found: ColumnElement[Any]) -> CTE:
    """The facts with what is found of the matrix: materialized, or each mention would look for it anew."""
    named = [each.label(name) for name, each in found.items()]
    return select(facts, *named).cte("matched").prefix_with("materialized")


def verdict_columns(
    said: CTE, about: ColumnElement[Any] | None = None, *, tells_setting: bool = False
) -> dict[str, ColumnElement[Any]]:
    """The columns of a journal line that a verdict fills; `about` is the document's facts in JSON (`access.line`)."""
    setting = (literal("setting"), bindparam("verdict_setting", type_=Text())) if tells_setting else ()
    return {
        "outcome": case((said.c.allowed, journal.Outcome.ALLOWED.value), else_=journal.Outcome.REFUSED.value),
        "code": said.c.code,
        "rule": said.c.rule,
        "pack": bindparam("verdict_pack", type_=Text()),
        "facts": func.jsonb_build_object(
            literal("role"),
            bindparam("verdict_role", type_=Text()),
            literal("relations"),
            said.c.relations,
            literal("blocked"),
            said.c.blocked,
            literal("objection"),
            said.c.objection,
            literal("state"),
            said.c.state,
            literal("document"),
            null() if about is None else about,
            *setting,
        ),
    }


def verdict_parameters(context: Context, kind: Kind = Kind.DOSSIER, action: Action = Action.READ) -> dict[str, Any]:
    """Values for the bind parameters of a verdict about doing `action` to the record's `kind`."""
    return {
        **reach_parameters(context, kind, action, "verdict"),
        **reach_parameters(context, kind, action, "verdict_otherwise", is_open=False),
        "verdict_pack": access.pack_in(context).name,
        "verdict_role": access.role_in(context).value,
        **({"verdict_setting": context.actor.setting.value} if kind in PHARMACY_KINDS else {}),
    }
