"""Whom the patient lets in one by one, and whom he keeps out.

Sources: CSP R.1111-46 (outside the care team, one professional at a time), L.1111-19 (blocking; the patient knows
who may read), L.1111-16 (the attending physician's powers). Every row is dated; ending one sets its end. Nothing
here says to a professional that he is blocked: to him it is as if nobody had let him in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    cast,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
    update,
)

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.events import RelationChanged
from passerelle.dossier.formats import values
from passerelle.dossier.tables import block, care_team, relation, team_consent, team_exclusion
from passerelle.identities import patients
from passerelle.kernel.directory import KnownProfessional
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle.notices import posting
from passerelle_policies.vocabulary import BEFORE_THE_PATIENT, Action, ActorKind, Kind, Relation

_RPPS_DIGITS = 11
#: Whoever has the patient before him, as against those whom somebody let in.
IS_ATTESTED = relation.c.relation.in_([each.value for each in BEFORE_THE_PATIENT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One dated row about one subject: a relation, a block or a consent to a team."""

    id: UUID
    what: str
    subject: str
    since: datetime
    until: datetime | None
    recorded_by: str
    proof: str | None
    basis: str | None = None
    informed_how: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorizations:
    """Who may and who may not, as the patient reads it; what has ended is left out."""

    relations: list[Grant]
    team_consents: list[Grant]
    blocks: list[Grant]


def professional(rpps: str) -> str:
    """The subject form of a professional; RPPS_INVALID unless 11 digits are given."""
    if len(rpps) != _RPPS_DIGITS or not (rpps.isascii() and rpps.isdigit()):
        raise InvalidInput("RPPS_INVALID")
    return f"{ActorKind.PROFESSIONAL}:{rpps}"


async def known_professional(act: Act, rpps: str, *, even_retired: bool = False) -> KnownProfessional:
    """What the directory holds of a professional; RPPS_UNKNOWN for nobody, or for one who no longer practises."""
    known = await act.context.directory.professional(rpps)
    if known is None or not (known.is_active or even_retired):
        raise InvalidInput("RPPS_UNKNOWN")
    return known


async def authorize(
    act: Act, patient_id: UUID, rpps: str, *, until: datetime | None = None, proof: str | None = None
) -> Grant:
    """Authorise one professional, until a given instant when wanted (R.1111-46).

    Refused: AUTHORIZATION_ENDS_BEFORE_IT_STARTS, RPPS_UNKNOWN, AUTHORIZATIONS_TOO_MANY.
    """
    subject = professional(rpps)
    must_be_to_come(act, until)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.GRANT)
    await known_professional(act, rpps)
    return await declare(act, patient_id, Relation.AUTHORIZED, subject, until=until, proof=proof)


async def withdraw_authorization(act: Act, patient_id: UUID, rpps: str) -> int:
    """End every individual authorisation of one professional; says how many there were."""
    subject = professional(rpps)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.WITHDRAW)
    return await end(act, patient_id, Relation.AUTHORIZED, relation.c.subject == subject)


async def block_professional(act: Act, patient_id: UUID, rpps: str) -> Grant:
    """Keep one professional out, whatever else would let him in (L.1111-19). RPPS_UNKNOWN, so that no mistyped
    number is taken for a closed door."""
    subject = professional(rpps)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.BLOCK)
    await known_professional(act, rpps, even_retired=True)
    held = await act.connection.execute(
        select(block.c.block_id, block.c.valid_from).where(
            block.c.patient_id == patient_id, block.c.subject == subject, not_ended(block, act.now)
        )
    )
    if (row := held.first()) is None:
        await must_have_room(act, patient_id, block)
        block_id, since = uuid4(), act.now
        await act.connection.execute(
            insert(block).values(patient_id=patient_id, block_id=block_id, subject=subject, valid_from=since)
        )
        await outbox.publish(act, RelationChanged(patient_id=patient_id, act="block", relation="block"))
        await tell_patient(act, patient_id, posting.NoticeKind.CONSENT_CHANGED)
    else:
        block_id, since = row.block_id, row.valid_from
    by = act.context.actor.subject
    return Grant(id=block_id, what="block", subject=subject, since=since, until=None, recorded_by=by, proof=None)


async def unblock_professional(act: Act, patient_id: UUID, rpps: str) -> int:
    """Lift the blocks of one professional, and what they kept from those whom he brought into teams; says how many
    blocks there were."""
    subject = professional(rpps)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.UNBLOCK)
    done = await act.connection.execute(
        update(block)
        .where(block.c.patient_id == patient_id, block.c.subject == subject, not_ended(block, act.now))
        .values(valid_until=act.now)
    )
    await act.connection.execute(
        update(team_exclusion)
        .where(
            team_exclusion.c.patient_id == patient_id,
            team_exclusion.c.because_of == subject,
            not_ended(team_exclusion, act.now),
        )
        .values(valid_until=act.now)
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="unblock", relation="block"))
    if done.rowcount:
        await tell_patient(act, patient_id, posting.NoticeKind.CONSENT_CHANGED)
    return done.rowcount


@dataclass(frozen=True, slots=True)
class Held:
    """What opens or closes a record, as selectables with columns of `Grant`, oldest first."""

    relations: Select[Any]
    team_consents: Select[Any]
    blocks: Select[Any]


def held_at(patient_id: ColumnElement[UUID], now: ColumnElement[datetime]) -> Held:
    """Every row of a record that has not ended; bind values of `access.facts_parameters`.

    Who has the patient before him is told to the patient and who represents him: it opens the pharmacy record alone.
    """
    is_told = or_(access.SUBJECT.startswith(f"{ActorKind.PERSON}:"), not_(IS_ATTESTED))
    nobody, nothing = literal("", Text()), null()
    return Held(
        relations=_listed(relation, patient_id, now, relation.c.relation_id, relation.c.relation, relation.c.subject)
        .where(is_told)
        .add_columns(relation.c.recorded_by, relation.c.proof, relation.c.basis),
        team_consents=_listed(
            team_consent,
            patient_id,
            now,
            team_consent.c.consent_id,
            care_team.c.name,
            "team:" + cast(team_consent.c.team_id, Text()),
        )
        .add_columns(team_consent.c.asked_by.label("recorded_by"), team_consent.c.proof, team_consent.c.informed_how)
        .join(care_team, care_team.c.team_id == team_consent.c.team_id),
        blocks=_listed(block, patient_id, now, block.c.block_id, literal("block", Text()), block.c.subject).add_columns(
            nobody.label("recorded_by"), nothing.label("proof")
        ),
    )


async def authorizations(act: Act, patient_id: UUID) -> Authorizations:
    """Everything that opens or closes this record to someone now; for the patient and whom the matrix says.

    Each of the three lists is as long as `authorizations.max` at most, beside as many attestations to the patient:
    `must_have_room` lets in no more.
    """
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.READ)
    now = held_at(literal(patient_id, Uuid()), literal(act.now))

    async def grants(rows: Select[Any]) -> list[Grant]:
        asked = await act.connection.execute(rows, access.facts_parameters(act.context))
        return [Grant(**row) for row in asked.mappings()]

    return Authorizations(
        relations=await grants(now.relations),
        team_consents=await grants(now.team_consents),
        blocks=await grants(now.blocks),
    )


def _listed(
    table: Table,
    patient_id: ColumnElement[UUID],
    now: ColumnElement[datetime],
    key: ColumnElement[UUID],
    what: ColumnElement[str],
    subject: ColumnElement[str],
) -> Select[Any]:
    return (
        select(
            key.label("id"),
            what.label("what"),
            subject.label("subject"),
            table.c.valid_from.label("since"),
            table.c.valid_until.label("until"),
        )
        .select_from(table)
        .where(table.c.patient_id == patient_id, not_ended(table, now))
        .order_by(table.c.valid_from, key)
    )


# What the other modules of relations take from here.


def not_ended(table: Table, now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """SQL condition: the row has not ended at `now`."""
    return or_(table.c.valid_until.is_(None), table.c.valid_until > now)


def holds(row: Any, at: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """SQL condition: a dated row is in force at `at`; its end is exclusive."""
    return and_(row.c.valid_from <= at, not_ended(row, at))


def must_be_to_come(act: Act, until: datetime | None) -> None:
    """AUTHORIZATION_ENDS_BEFORE_IT_STARTS for an end that has passed."""
    if until is not None and until <= act.now:
        raise InvalidInput("AUTHORIZATION_ENDS_BEFORE_IT_STARTS")


async def must_have_room(act: Act, patient_id: UUID, table: Table, *which: ColumnElement[bool]) -> None:
    """AUTHORIZATIONS_TOO_MANY once a patient holds as many rows in force, of those wanted, as the rule lets a list
    be long."""
    limit = access.number(act.context, "authorizations.max")
    held = select(func.count()).where(table.c.patient_id == patient_id, not_ended(table, act.now), *which)
    if int(await act.connection.scalar(held) or 0) >= limit:
        raise LimitExceeded("AUTHORIZATIONS_TOO_MANY", limit=limit)


async def declare(
    act: Act,
    patient_id: UUID,
    what: Relation,
    subject: str,
    *,
    until: datetime | None = None,
    proof: str | None = None,
    **columns: str | None,
) -> Grant:
    """Write a relation that is already decided, with its event and the patient's notice."""
    await must_have_room(act, patient_id, relation, not_(IS_ATTESTED))
    relation_id, by, proof = uuid4(), act.context.actor.subject, values.text(proof, "proof")
    await act.connection.execute(
        insert(relation).values(
            patient_id=patient_id,
            relation_id=relation_id,
            relation=what.value,
            subject=subject,
            valid_from=act.now,
            valid_until=until,
            recorded_by=by,
            proof=proof,
            **columns,
        )
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="grant", relation=what.value))
    await tell_patient(act, patient_id, _told_by(what))
    return Grant(
        id=relation_id,
        what=what.value,
        subject=subject,
        since=act.now,
        until=until,
        recorded_by=by,
        proof=proof,
        basis=columns.get("basis"),
    )


async def end(act: Act, patient_id: UUID, what: Relation, *which: ColumnElement[bool]) -> int:
    """End relations, as already decided; says how many."""
    done = await act.connection.execute(
        update(relation)
        .where(
            relation.c.patient_id == patient_id, relation.c.relation == what.value, not_ended(relation, act.now), *which
        )
        .values(valid_until=act.now, withdrawn_by=act.context.actor.subject)
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="withdraw", relation=what.value))
    if done.rowcount:
        await tell_patient(act, patient_id, _told_by(what))
    return done.rowcount


def _told_by(what: Relation) -> posting.NoticeKind:
    if what is Relation.REPRESENTATIVE:
        return posting.NoticeKind.REPRESENTATION_CHANGED
    return posting.NoticeKind.CONSENT_CHANGED


async def tell_patient(act: Act, patient_id: UUID, kind: posting.NoticeKind) -> None:
    """Post a notice to the patient of an act that was not his own: his attending physician's, a representative's."""
    person_key = await act.connection.scalar(select(patients.key_of(patient_id)))
    actor = act.context.actor
    if person_key is None or (actor.kind is ActorKind.PERSON and actor.id == person_key):
        return
    await posting.post(
        act,
        recipient=f"{ActorKind.PERSON}:{person_key}",
        key=f"{kind}:{uuid4()}",
        kind=kind,
        patient_id=patient_id,
        about={},
    )
