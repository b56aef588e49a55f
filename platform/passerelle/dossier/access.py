"""The facts of (actor, patient), one decision, and the same matrix as the filter of every list.

DESIGN §4: `facts_row` gathers the facts in SQL, `facts_of` reads them for a decision one by one, `visible`
renders `passerelle_policies.decision.reach` as the condition that a row must meet. A property test holds
that both ways allow the same documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    Boolean,
    ColumnElement,
    DateTime,
    Row,
    Select,
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
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier.tables import block, care_team_member, document, dossier, relation, team_consent
from passerelle.identities import patients
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Refused
from passerelle_policies.decision import Decision, DocumentFacts, Facts, Reach, decide, reach
from passerelle_policies.packs import Pack, pack_on
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import Action, ActorKind, DocumentStatus, DossierState, Kind, Mode, Relation, Role

_NOW = bindparam("access_now", type_=DateTime(timezone=True))
_SUBJECT = bindparam("access_subject", type_=Text())
_PERSON = bindparam("access_person", type_=Text())
_ACTOR_ID = bindparam("access_actor_id", type_=Text())
_ABOVE_BLOCKS = bindparam("access_above_blocks", type_=Boolean())


def in_force(valid_from: ColumnElement[datetime], valid_until: ColumnElement[datetime | None]) -> ColumnElement[bool]:
    """SQL condition: a dated row holds at the instant of the request; the end is exclusive."""
    return and_(valid_from <= _NOW, or_(valid_until.is_(None), valid_until > _NOW))


def role_in(context: Context) -> Role:
    """The actor's column of the matrix."""
    return role_of(context.actor.profession, context.actor.kind)


def pack_in(context: Context) -> Pack:
    """The rules in force on the day of the request."""
    return pack_on(legal_day(context.clock))


def number(context: Context, name: str) -> int:
    """A number of the rules in force, as this tenant has it."""
    return pack_in(context).number(name, context.tenant.parameters)


def required_status(context: Context) -> str:
    """The identity status without which nobody feeds a record, as this tenant has it."""
    return str(pack_in(context).parameter("feeding.requires_status", context.tenant.parameters))


def facts_row(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """One row whatever the patient: `state`, `blocked`, `relations`. An unknown patient has no state."""
    of_person = patients.is_person(patient_id, _PERSON)
    declared = select(relation.c.relation).where(
        relation.c.patient_id == patient_id,
        relation.c.subject == _SUBJECT,
        in_force(relation.c.valid_from, relation.c.valid_until),
    )
    in_team = (
        select(literal(Relation.CARE_TEAM.value, Text()))
        .select_from(team_consent.join(care_team_member, care_team_member.c.team_id == team_consent.c.team_id))
        .where(
            team_consent.c.patient_id == patient_id,
            care_team_member.c.subject == _SUBJECT,
            in_force(team_consent.c.valid_from, team_consent.c.valid_until),
            in_force(care_team_member.c.valid_from, care_team_member.c.valid_until),
        )
    )
    wrote = (
        select(literal(1))
        .where(
            document.c.patient_id == patient_id,
            document.c.status != DocumentStatus.DELETED.value,
            document.c.author_ids.contains(func.array_append(cast(literal("{}"), ARRAY(Text())), _ACTOR_ID)),
        )
        .exists()
    )
    held = union_all(
        select(literal(Relation.PATIENT.value, Text())).where(of_person),
        select(literal(Relation.AUTHOR.value, Text())).where(wrote),
        declared,
        in_team,
    ).subquery("held")
    is_blocked = (
        select(literal(1))
        .where(
            block.c.patient_id == patient_id,
            block.c.subject == _SUBJECT,
            in_force(block.c.valid_from, block.c.valid_until),
        )
        .exists()
    )
    return select(
        patient_id.label("patient_id"),
        select(dossier.c.state).where(dossier.c.patient_id == patient_id).scalar_subquery().label("state"),
        is_blocked.label("blocked"),
        cast(func.array(select(held.c[0]).scalar_subquery()), ARRAY(Text())).label("relations"),
    )


def facts_parameters(context: Context) -> dict[str, Any]:
    """Values for the bind parameters of `facts_row`."""
    actor = context.actor
    return {
        "access_now": context.clock.now(),
        "access_subject": actor.subject,
        "access_actor_id": actor.id,
        "access_person": actor.id if actor.kind is ActorKind.PERSON else None,
        "access_above_blocks": context.mode is Mode.REGULATION_CENTRE
        and pack_in(context).holds("block.yields_to_regulation_centre", context.tenant.parameters),
    }


def facts_from(context: Context, row: Row[Any] | Mapping[str, Any]) -> Facts:
    """The facts of a decision out of a row of `facts_row`."""
    said = row if isinstance(row, Mapping) else row._mapping
    held = frozenset(Relation(each) for each in said["relations"])
    return Facts(
        role=role_in(context),
        relations=held or frozenset({Relation.NONE}),
        blocked=said["blocked"],
        dossier_state=DossierState(said["state"]) if said["state"] else None,
        mode=context.mode,
        purpose=context.purpose,
        day=legal_day(context.clock),
    )


_FACTS = facts_row(bindparam("access_patient_id", type_=Uuid()))


async def facts_of(context: Context, connection: AsyncConnection, patient_id: UUID) -> Facts:
    """Gather the facts of (actor, patient)."""
    row = (await connection.execute(_FACTS, {**facts_parameters(context), "access_patient_id": patient_id})).one()
    return facts_from(context, row)


def document_facts(context: Context, row: Row[Any]) -> DocumentFacts:
    """What a decision about one document needs, out of a row of `document`."""
    return DocumentFacts(
        type_code=row.type_code,
        status=DocumentStatus(row.status),
        masked=row.masked,
        hidden_from_patient=row.hidden_from_patient,
        hidden_from_representatives=row.hidden_from_representatives,
        by_actor=context.actor.id in row.author_ids,
    )


def line(
    decision: Decision, kind: Kind, action: Action, patient_id: UUID, facts: Facts, document_id: UUID | None = None
) -> journal.Line:
    """The journal line of a decision."""
    return journal.Line(
        kind=kind,
        action=action,
        outcome=journal.Outcome.ALLOWED if decision.allowed else journal.Outcome.REFUSED,
        rule=decision.rule,
        pack=decision.pack,
        patient_id=patient_id,
        document_id=document_id,
        code=decision.code,
        facts={
            "role": facts.role.value,
            "relations": sorted(each.value for each in facts.relations),
            "blocked": facts.blocked,
            "state": facts.dossier_state.value if facts.dossier_state else None,
        },
    )


async def require(act: Act, patient_id: UUID, kind: Kind, action: Action) -> Decision:
    """Decide about the patient's record as a whole and journal it; `Refused` when the rules say no."""
    facts = await facts_of(act.context, act.connection, patient_id)
    decision = decide(facts, kind, action, overrides=act.context.tenant.parameters)
    said = line(decision, kind, action, patient_id, facts)
    if not decision.allowed:
        raise Refused(decision.code or "ACCESS_REFUSED", line=said)
    await journal.append(act.connection, act.context, said)
    return decision


async def require_document(act: Act, document_id: UUID, action: Action) -> Row[Any]:
    """Lock one document, decide and journal; give its row.

    `Refused` with DOCUMENT_UNKNOWN alike for a document that is not there and one that the actor may not
    know of; with the decision's own code when he may read it but not do this.
    """
    found = await act.connection.execute(
        select(document).where(document.c.document_id == document_id).with_for_update()
    )
    row = found.one_or_none()
    context = act.context
    patient_id = row.patient_id if row else journal.NOBODY
    facts = await facts_of(context, act.connection, patient_id)
    if row is None:
        absent = unknown_document(context)
        raise Refused("DOCUMENT_UNKNOWN", line=line(absent, Kind.DOCUMENT, action, patient_id, facts, document_id))
    about = document_facts(context, row)
    overrides = context.tenant.parameters
    decision = decide(facts, Kind.DOCUMENT, action, about, overrides=overrides)
    said = line(decision, Kind.DOCUMENT, action, patient_id, facts, document_id)
    if not decision.allowed:
        may_know = decide(facts, Kind.DOCUMENT, Action.READ, about, overrides=overrides).allowed
        code = (decision.code or "ACCESS_REFUSED") if may_know else "DOCUMENT_UNKNOWN"
        raise Refused(code if code != "DOCUMENT_UNKNOWN" or not may_know else "ACCESS_REFUSED", line=said)
    await journal.append(act.connection, context, said)
    return row


def unknown_document(context: Context) -> Decision:
    """The decision about a document that does not exist here."""
    return Decision(
        allowed=False,
        rule="absent",
        source="",
        code="DOCUMENT_UNKNOWN",
        pack=pack_in(context).name,
        sentence="",
    )


# --- the same matrix as SQL -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReachParameters:
    """`Reach` lines as arrays, one element a line, written once as PostgreSQL reads them."""

    relations: str
    types: str
    sees_masked: str
    sees_hidden_from_patient: str
    sees_hidden_from_representatives: str
    rules: str


def _array_literal(values: Iterable[str]) -> str:
    return "{" + ",".join('"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in values) + "}"


@lru_cache(maxsize=512)
def _rendered(lines: tuple[Reach, ...]) -> ReachParameters:
    return ReachParameters(
        relations=_array_literal(_array_literal(sorted(each.relations)) for each in lines),
        types=_array_literal(_array_literal(each.types) for each in lines),
        sees_masked=_array_literal(str(each.sees_masked) for each in lines),
        sees_hidden_from_patient=_array_literal(str(each.sees_hidden_from_patient) for each in lines),
        sees_hidden_from_representatives=_array_literal(str(each.sees_hidden_from_representatives) for each in lines),
        rules=_array_literal(each.rule for each in lines),
    )


def reach_parameters(
    context: Context, kind: Kind, action: Action, prefix: str = "reach", *, is_open: bool = True
) -> dict[str, Any]:
    """Values for the bind parameters of `reach_lines(prefix)`."""
    day, overrides = legal_day(context.clock), context.tenant.parameters
    lines = reach(role_in(context), context.mode, kind, action, day, overrides, is_open=is_open)
    rendered = _rendered(lines)
    return {f"{prefix}_{name}": getattr(rendered, name) for name in ReachParameters.__slots__}


def reach_lines(facts: CTE, prefix: str = "reach", *, author_counts: bool = False) -> CTE:
    """The lines of the matrix that this actor's relations open, one row each.

    Authorship is left to each document, unless `author_counts`: then having written anything here counts.
    """
    texts, flags = ARRAY(Text()), ARRAY(Boolean())
    given = (
        func.unnest(
            bindparam(f"{prefix}_relations", type_=texts),
            bindparam(f"{prefix}_types", type_=texts),
            bindparam(f"{prefix}_sees_masked", type_=flags),
            bindparam(f"{prefix}_sees_hidden_from_patient", type_=flags),
            bindparam(f"{prefix}_sees_hidden_from_representatives", type_=flags),
            bindparam(f"{prefix}_rules", type_=texts),
        )
        .table_valued(
            column("relations", Text()),
            column("types", Text()),
            column("sees_masked", Boolean()),
            column("sees_hidden_from_patient", Boolean()),
            column("sees_hidden_from_representatives", Boolean()),
            column("rule", Text()),
        )
        .render_derived(name=f"{prefix}_given")
    )
    relations = cast(given.c.relations, texts)
    # Everyone holds NONE; AUTHOR opens a record, but a document only to its own author.
    everyone, author = cast(literal("{none}"), texts), cast(literal(Relation.AUTHOR.value), Text())
    counted = facts.c.relations if author_counts else func.array_remove(facts.c.relations, author, type_=texts)
    held = counted.op("||", return_type=texts)(everyone)
    by_relation = relations.op("&&", return_type=Boolean())(held)
    by_author = cast(literal(Relation.AUTHOR.value), Text()) == any_(relations)
    return (
        select(
            cast(given.c.types, texts).label("types"),
            given.c.sees_masked,
            given.c.sees_hidden_from_patient,
            given.c.sees_hidden_from_representatives,
            given.c.rule,
            by_relation.label("by_relation"),
        )
        .select_from(facts.join(given, or_(by_relation, by_author)))
        .cte(f"{prefix}_lines")
    )


def visible(entry: Any, facts: CTE, lines: CTE) -> ColumnElement[bool]:
    """SQL condition: the actor may read this row of `document` (or of an alias of it)."""
    matched = (
        select(literal_column("1"))
        .select_from(lines)
        .where(
            entry.c.type_code == any_(lines.c.types),
            or_(lines.c.by_relation, any_(entry.c.author_ids) == _ACTOR_ID),
            or_(not_(entry.c.masked), lines.c.sees_masked),
            or_(not_(entry.c.hidden_from_patient), lines.c.sees_hidden_from_patient),
            or_(not_(entry.c.hidden_from_representatives), lines.c.sees_hidden_from_representatives),
        )
        .exists()
    )
    return and_(serves(facts), entry.c.status != DocumentStatus.DELETED.value, matched)


def serves(facts: CTE) -> ColumnElement[bool]:
    """SQL condition: the record is open and the actor is not blocked (or his mode is above a block)."""
    return and_(facts.c.state == DossierState.OPEN.value, is_let_through(facts))


def verdict(facts: CTE) -> CTE:
    """The decision about opening a record, in SQL: facts, `allowed`, `rule`, `code`.

    A record that is not open has lines of its own: the patient still learns its state.
    """

    def rule_of(prefix: str) -> ColumnElement[Any]:
        lines = reach_lines(facts, prefix, author_counts=True)
        return select(func.min(lines.c.rule)).where(lines.c.by_relation).scalar_subquery()

    is_open = facts.c.state.is_not_distinct_from(DossierState.OPEN.value)
    rule = case((is_open, rule_of("verdict")), else_=rule_of("verdict_otherwise"))
    allowed = and_(is_let_through(facts), rule.is_not(None))
    return _verdict(facts, allowed, rule, bindparam("verdict_code", type_=Text()))


def is_let_through(facts: CTE) -> ColumnElement[bool]:
    """SQL condition: no block stops the actor, or his mode is above a block."""
    return or_(not_(facts.c.blocked), _ABOVE_BLOCKS)


def document_verdict(facts: CTE, is_found: ColumnElement[bool]) -> CTE:
    """The decision about one document: it was found among the visible ones, or it is unknown to the actor."""
    return _verdict(facts, is_found, literal("matrix"), literal("DOCUMENT_UNKNOWN"))


def _verdict(facts: CTE, allowed: ColumnElement[bool], rule: ColumnElement[Any], code: ColumnElement[Any]) -> CTE:
    judged = select(facts, allowed.label("allowed"), rule.label("matrix_rule")).cte("judged")
    refused_by = case(
        (and_(judged.c.blocked, not_(_ABOVE_BLOCKS)), "block"),
        (judged.c.state.is_distinct_from(DossierState.OPEN.value), "dossier-not-open"),
        else_="default-deny",
    )
    return select(
        judged.c.patient_id,
        judged.c.state,
        judged.c.blocked,
        judged.c.relations,
        judged.c.allowed,
        case((judged.c.allowed, judged.c.matrix_rule), else_=refused_by).label("rule"),
        case((not_(judged.c.allowed), code)).label("code"),
    ).cte("verdict")


def verdict_columns(said: CTE) -> dict[str, ColumnElement[Any]]:
    """The columns of a journal line that a verdict fills."""
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
            literal("state"),
            said.c.state,
        ),
    }


def verdict_parameters(context: Context) -> dict[str, Any]:
    """Values for the bind parameters of a verdict."""
    otherwise = reach_parameters(context, Kind.DOSSIER, Action.READ, "verdict_otherwise", is_open=False)
    return {
        **reach_parameters(context, Kind.DOSSIER, Action.READ, "verdict"),
        **otherwise,
        "verdict_pack": pack_in(context).name,
        "verdict_role": role_in(context).value,
        "verdict_code": "ACCESS_REFUSED",
    }
