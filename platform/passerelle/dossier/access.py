"""The facts of (actor, patient), and the decision that is taken and journalled upon them.

DESIGN §4: `facts_row` gathers the facts in SQL, `facts_of` reads them for a decision one by one; `reach` renders
the matrix as the condition that a row must meet. A property test holds that both ways allow the same documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Row,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import refusals
from passerelle.dossier.tables import (
    block,
    care_team_member,
    document,
    document_author,
    document_withholding,
    dossier,
    emergency_access,
    emergency_objection,
    relation,
    team_consent,
    team_exclusion,
)
from passerelle.identities import civil_status, patients
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Refused
from passerelle_policies.decision import Decision, DocumentFacts, Facts, decide, is_above_blocks
from passerelle_policies.packs import Pack, pack_on
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import (
    BEFORE_THE_PATIENT,
    PHARMACY_KINDS,
    Action,
    ActorKind,
    DocumentStatus,
    Kind,
    Relation,
    Role,
    record_state,
)

NOW = bindparam("access_now", type_=DateTime(timezone=True))
SUBJECT = bindparam("access_subject", type_=Text())
_PERSON = bindparam("access_person", type_=Text())
ACTOR_ID = bindparam("access_actor_id", type_=Text())
ABOVE_BLOCKS = bindparam("access_above_blocks", type_=Boolean())
TODAY = bindparam("access_today", type_=Date())
_OF_AGE_BORN_BY = bindparam("access_of_age_born_by", type_=Text())
OF_A_MINOR = "minor"


def in_force(valid_from: ColumnElement[datetime], valid_until: ColumnElement[datetime | None]) -> ColumnElement[bool]:
    """SQL condition: a dated row holds at the instant of the request; the end is exclusive."""
    return and_(valid_from <= NOW, or_(valid_until.is_(None), valid_until > NOW))


def is_hidden_from_patient(entry: Any, now: ColumnElement[datetime] = NOW) -> ColumnElement[bool]:
    """SQL condition: a row of `document` still awaits its announcement (R.1111-53); past its term it hides no more."""
    return and_(entry.c.hidden_from_patient, or_(entry.c.hidden_until.is_(None), entry.c.hidden_until > now))


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
    """One row whatever the patient: `state`, `blocked`, `objection`, `relations`, `withheld` (ids of documents).

    An unknown patient has no state.
    """
    # A death ends every tie but authorship, and is the beginning of an heir's.
    is_alive = civil_status.is_alive(patient_id, TODAY)
    of_person = and_(patients.is_person(patient_id, _PERSON), is_alive)
    declared = select(relation.c.relation).where(
        relation.c.patient_id == patient_id,
        relation.c.subject == SUBJECT,
        *(relation.c.relation != each.value for each in BEFORE_THE_PATIENT),
        in_force(relation.c.valid_from, relation.c.valid_until),
        is_alive == (relation.c.relation != Relation.HEIR.value),
        or_(
            relation.c.basis.is_distinct_from(OF_A_MINOR),
            not_(civil_status.was_born_by(patient_id, _OF_AGE_BORN_BY)),
        ),
    )
    left_out = (
        select(literal(1))
        .where(
            team_exclusion.c.patient_id == patient_id,
            team_exclusion.c.subject == SUBJECT,
            team_exclusion.c.team_id == team_consent.c.team_id,
            in_force(team_exclusion.c.valid_from, team_exclusion.c.valid_until),
        )
        .exists()
    )
    in_team = (
        select(literal(Relation.CARE_TEAM.value, Text()))
        .select_from(team_consent.join(care_team_member, care_team_member.c.team_id == team_consent.c.team_id))
        .where(
            team_consent.c.patient_id == patient_id,
            care_team_member.c.subject == SUBJECT,
            in_force(team_consent.c.valid_from, team_consent.c.valid_until),
            in_force(care_team_member.c.valid_from, care_team_member.c.valid_until),
            not_(left_out),
            is_alive,
        )
    )
    wrote = (
        select(literal(1))
        .select_from(
            document_author.join(
                document,
                and_(
                    document.c.patient_id == document_author.c.patient_id,
                    document.c.document_id == document_author.c.document_id,
                ),
            )
        )
        .where(
            document_author.c.patient_id == patient_id,
            document_author.c.author_id == ACTOR_ID,
            document.c.status != DocumentStatus.DELETED.value,
        )
        .exists()
    )
    broke_the_glass = (
        select(literal(1))
        .where(
            emergency_access.c.patient_id == patient_id,
            emergency_access.c.subject == SUBJECT,
            in_force(emergency_access.c.valid_from, emergency_access.c.valid_until),
        )
        .exists()
    )
    held = union_all(
        select(literal(Relation.PATIENT.value, Text())).where(of_person),
        select(literal(Relation.AUTHOR.value, Text())).where(wrote),
        select(literal(Relation.EMERGENCY.value, Text())).where(broke_the_glass),
        declared,
        in_team,
    ).subquery("held")
    is_blocked = (
        select(literal(1))
        .where(
            block.c.patient_id == patient_id,
            block.c.subject == SUBJECT,
            in_force(block.c.valid_from, block.c.valid_until),
        )
        .exists()
    )
    objected = (
        select(literal(1))
        .where(
            emergency_objection.c.patient_id == patient_id,
            in_force(emergency_objection.c.valid_from, emergency_objection.c.valid_until),
        )
        .exists()
    )
    withheld = select(document_withholding.c.document_id).where(
        document_withholding.c.patient_id == patient_id,
        document_withholding.c.subject == SUBJECT,
        in_force(document_withholding.c.valid_from, document_withholding.c.valid_until),
    )
    return select(
        patient_id.label("patient_id"),
        select(dossier.c.state).where(dossier.c.patient_id == patient_id).scalar_subquery().label("state"),
        is_blocked.label("blocked"),
        objected.label("objection"),
        cast(func.array(select(held.c[0]).scalar_subquery()), ARRAY(Text())).label("relations"),
        cast(func.array(withheld.scalar_subquery()), ARRAY(Uuid())).label("withheld"),
    )


def holds(facts: CTE, relation_: Relation) -> ColumnElement[bool]:
    """SQL condition: the actor holds this relation, in a row of `facts_row`."""
    held = cast(select(facts.c.relations).scalar_subquery(), ARRAY(Text()))
    return literal(relation_.value, Text()) == any_(held)


def facts_parameters(context: Context) -> dict[str, Any]:
    """Values for the bind parameters of `facts_row`."""
    actor = context.actor
    return {
        "access_now": context.clock.now(),
        "access_subject": actor.subject,
        "access_actor_id": actor.id,
        "access_person": actor.id if actor.kind is ActorKind.PERSON else None,
        "access_today": legal_day(context.clock),
        "access_of_age_born_by": of_age_born_by(context),
        "access_above_blocks": is_above_blocks(pack_in(context), context.mode, context.tenant.parameters),
    }


def of_age_born_by(context: Context) -> str:
    """The last birth date, YYYYMMDD, of those who are of age today; 29 February stands where the year has none."""
    day = legal_day(context.clock)
    return f"{day.year - number(context, 'majority.years'):04}{day:%m%d}"


def facts_from(context: Context, row: Row[Any] | Mapping[str, Any], kind: Kind = Kind.DOSSIER) -> Facts:
    """The facts of a decision about `kind` out of a row of `facts_row`."""
    said = row if isinstance(row, Mapping) else row._mapping
    held = frozenset(Relation(each) for each in said["relations"])
    return Facts(
        role=role_in(context),
        relations=held,
        blocked=said["blocked"],
        dossier_state=record_state(kind, said["state"]),
        mode=context.mode,
        purpose=context.purpose,
        day=legal_day(context.clock),
        emergency_objection=said["objection"],
        setting=context.actor.setting,
    )


_FACTS = facts_row(bindparam("access_patient_id", type_=Uuid()))


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds between an actor and a patient: the facts of a decision, and the documents kept from this actor."""

    facts: Facts
    withheld: frozenset[UUID]


async def standing_of(
    context: Context, connection: AsyncConnection, patient_id: UUID, *, deaths_by: date | None = None
) -> Standing:
    """Gather what holds between the actor and a patient; `deaths_by` when a death counts by another day than today."""
    parameters = {**facts_parameters(context), "access_patient_id": patient_id}
    if deaths_by is not None:
        parameters["access_today"] = deaths_by
    row = (await connection.execute(_FACTS, parameters)).one()
    return Standing(facts_from(context, row), frozenset(row.withheld))


async def facts_of(context: Context, connection: AsyncConnection, patient_id: UUID) -> Facts:
    """Gather the facts of (actor, patient)."""
    return (await standing_of(context, connection, patient_id)).facts


def awaits_announcement(row: Row[Any], now: datetime) -> bool:
    """`is_hidden_from_patient` for a row that was read."""
    return bool(row.hidden_from_patient) and (row.hidden_until is None or row.hidden_until > now)


def document_facts(context: Context, row: Row[Any], withheld: frozenset[UUID] = frozenset()) -> DocumentFacts:
    """What a decision about one document needs, out of a row of `document`; `withheld` as `Standing` has it."""
    return DocumentFacts(
        type_code=row.type_code,
        status=DocumentStatus(row.status),
        masked=row.masked,
        hidden_from_patient=awaits_announcement(row, context.clock.now()),
        hidden_from_representatives=row.hidden_from_representatives,
        by_actor=context.actor.id in row.author_ids,
        withheld=row.document_id in withheld,
    )


def line(
    decision: Decision,
    kind: Kind,
    action: Action,
    patient_id: UUID,
    facts: Facts,
    document_id: UUID | None = None,
    about: DocumentFacts | None = None,
) -> journal.Line:
    """The journal line of a decision, with the facts that it was taken on (`reach.verdict_columns` in SQL)."""
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
            "objection": facts.emergency_objection,
            "state": facts.dossier_state.value if facts.dossier_state else None,
            "document": about.as_json() if about else None,
            **({"setting": facts.setting.value} if kind in PHARMACY_KINDS else {}),
        },
    )


async def require(act: Act, patient_id: UUID, kind: Kind, action: Action, *, reason: str | None = None) -> Decision:
    """Decide about the patient's record as a whole and journal it; `Refused` when the rules say no.

    A `reason` that the actor gives stands in the line beside the facts.
    """
    facts = await facts_of(act.context, act.connection, patient_id)
    return await require_upon(act, facts, patient_id, kind, action, reason=reason)


async def require_upon(
    act: Act, facts: Facts, patient_id: UUID, kind: Kind, action: Action, *, reason: str | None = None
) -> Decision:
    """`require`, of facts that are gathered already."""
    decision = decide(facts, kind, action, overrides=act.context.tenant.parameters)
    said = line(decision, kind, action, patient_id, facts)
    if reason is not None:
        said = replace(said, facts={**said.facts, "reason": reason})
    if not decision.allowed:
        raise Refused(refusals.code_told(decision, facts, kind, action), line=said)
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
    standing = await standing_of(context, act.connection, patient_id)
    facts = standing.facts
    if row is None:
        absent = unknown_document(context)
        raise Refused("DOCUMENT_UNKNOWN", line=line(absent, Kind.DOCUMENT, action, patient_id, facts, document_id))
    about = document_facts(context, row, standing.withheld)
    overrides = context.tenant.parameters
    decision = decide(facts, Kind.DOCUMENT, action, about, overrides=overrides)
    said = line(decision, Kind.DOCUMENT, action, patient_id, facts, document_id, about)
    if not decision.allowed:
        may_know = decide(facts, Kind.DOCUMENT, Action.READ, about, overrides=overrides).allowed
        raise Refused((may_know and decision.code) or "DOCUMENT_UNKNOWN", line=said)
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
