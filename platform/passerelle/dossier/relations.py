"""Who the patient lets in, and whom he keeps out: authorisations, team consents, blocks, declarations.

Sources: CSP L.1110-4, L.1110-12 and the Conseil d'État's ruling of 15 October 2025 (an initial informed
consent covers a whole care team), R.1111-46 (outside the team, one professional at a time), L.1111-19
(blocking), R.1111-43 (médecin traitant), L.1111-5 (representatives). Every row is dated; ending one sets its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Table, insert, or_, select, update

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.events import RelationChanged
from passerelle.dossier.formats import values
from passerelle.dossier.tables import block, care_team, care_team_member, dossier, relation, team_consent
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_policies.roles import HEALTH_ROLES
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Relation, Role

_RPPS_DIGITS = 11


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


async def authorize(
    act: Act, patient_id: UUID, rpps: str, *, until: datetime | None = None, proof: str | None = None
) -> Grant:
    """Authorise one professional, until a given instant when wanted (AUTHORIZATION_ENDS_BEFORE_IT_STARTS)."""
    _must_be_to_come(act, until)
    return await _declare(
        act, patient_id, Relation.AUTHORIZED, professional(rpps), Action.GRANT, until=until, proof=proof
    )


async def withdraw_authorization(act: Act, patient_id: UUID, rpps: str) -> int:
    """End every individual authorisation of one professional; says how many there were."""
    return await _end(act, patient_id, relation, Relation.AUTHORIZED, professional(rpps), Action.WITHDRAW)


async def declare_attending_physician(act: Act, patient_id: UUID, rpps: str, *, proof: str | None = None) -> Grant:
    """Declare the médecin traitant; the one before stops being it."""
    subject = professional(rpps)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.GRANT)
    # Two declarations at once take turns: there is one attending physician.
    await act.connection.execute(
        select(dossier.c.patient_id).where(dossier.c.patient_id == patient_id).with_for_update(key_share=True)
    )
    await act.connection.execute(
        update(relation)
        .where(
            relation.c.patient_id == patient_id,
            relation.c.relation == Relation.ATTENDING_PHYSICIAN.value,
            _not_ended(relation, act.now),
        )
        .values(valid_until=act.now, withdrawn_by=act.context.actor.subject)
    )
    return await _declare(act, patient_id, Relation.ATTENDING_PHYSICIAN, subject, None, proof=proof)


async def declare_representative(
    act: Act, patient_id: UUID, person_key: str, *, until: datetime | None = None, proof: str
) -> Grant:
    """Declare a legal representative, usually until the minor comes of age; PROOF_MISSING without a proof.

    Refused to a representative whose own powers end before (REPRESENTATION_OUTLASTS_YOURS).
    """
    if not proof.strip():
        raise InvalidInput("PROOF_MISSING", act="declare_representative")
    _must_be_to_come(act, until)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.REPRESENT)
    await _must_not_outlast_the_giver(act, patient_id, until)
    subject = f"{ActorKind.PERSON}:{person_key}"
    return await _declare(act, patient_id, Relation.REPRESENTATIVE, subject, None, until=until, proof=proof)


async def end_representation(act: Act, patient_id: UUID, person_key: str) -> int:
    """End a representative's powers; says how many declarations there were."""
    subject = f"{ActorKind.PERSON}:{person_key}"
    return await _end(act, patient_id, relation, Relation.REPRESENTATIVE, subject, Action.REPRESENT)


async def block_professional(act: Act, patient_id: UUID, rpps: str) -> Grant:
    """Keep one professional out, whatever else would let him in (L.1111-19)."""
    subject = professional(rpps)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.BLOCK)
    held = await act.connection.execute(
        select(block.c.block_id, block.c.valid_from).where(
            block.c.patient_id == patient_id, block.c.subject == subject, _not_ended(block, act.now)
        )
    )
    if (row := held.first()) is None:
        block_id, since = uuid4(), act.now
        await act.connection.execute(
            insert(block).values(patient_id=patient_id, block_id=block_id, subject=subject, valid_from=since)
        )
        await outbox.publish(act, RelationChanged(patient_id=patient_id, act="block", relation="block"))
    else:
        block_id, since = row.block_id, row.valid_from
    by = act.context.actor.subject
    return Grant(id=block_id, what="block", subject=subject, since=since, until=None, recorded_by=by, proof=None)


async def unblock_professional(act: Act, patient_id: UUID, rpps: str) -> int:
    """Lift the blocks of one professional; says how many there were."""
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.UNBLOCK)
    done = await act.connection.execute(
        update(block)
        .where(
            block.c.patient_id == patient_id,
            block.c.subject == professional(rpps),
            _not_ended(block, act.now),
        )
        .values(valid_until=act.now)
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="unblock", relation="block"))
    return done.rowcount


async def create_care_team(act: Act, name: str, *, establishment: str | None = None) -> UUID:
    """Found a care team (équipe de soins, L.1110-12); it opens no record by itself."""
    name, establishment = values.text(name, "name") or "", values.key(establishment, "establishment")
    if not name:
        raise InvalidInput("TEAM_NAME_MISSING")
    _professionals_only(act)
    team_id = uuid4()
    await act.connection.execute(
        insert(care_team).values(team_id=team_id, name=name, establishment=establishment, created_at=act.now)
    )
    await _join(act, team_id, act.context.actor.subject)
    return team_id


async def add_care_team_member(act: Act, team_id: UUID, rpps: str) -> None:
    """Bring a professional into a team; only a member may. The consents given to the team cover him at once.

    Every patient whose record this opens to him has a line of it in his journal.
    """
    _professionals_only(act)
    subject = professional(rpps)
    members = select(care_team_member.c.subject).where(
        care_team_member.c.team_id == team_id,
        care_team_member.c.subject.in_([act.context.actor.subject, subject]),
        _not_ended(care_team_member, act.now),
    )
    held = set((await act.connection.execute(members)).scalars())
    if act.context.actor.subject not in held:
        raise Conflict("TEAM_UNKNOWN")
    if subject in held:
        return
    await _join(act, team_id, subject)
    consenting = (
        select(team_consent.c.patient_id)
        .where(team_consent.c.team_id == team_id, _not_ended(team_consent, act.now))
        .distinct()
    )
    for patient_id in (await act.connection.execute(consenting)).scalars().all():
        line = journal.Line(
            kind=Kind.AUTHORIZATIONS,
            action=Action.GRANT,
            outcome=journal.Outcome.ALLOWED,
            rule="team-newcomer",
            pack=access.pack_in(act.context).name,
            patient_id=patient_id,
        )
        await journal.append(act.connection, act.context, line)


async def consent_to_team(
    act: Act,
    patient_id: UUID,
    team_id: UUID,
    *,
    informed_how: str,
    proof: str,
    until: datetime | None = None,
) -> Grant:
    """Record the patient's initial informed consent to a whole team: who asked, how he was informed, the proof."""
    if not informed_how.strip() or not proof.strip():
        raise InvalidInput("PROOF_MISSING", act="consent_to_team")
    _must_be_to_come(act, until)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.GRANT)
    if (await act.connection.execute(select(care_team).where(care_team.c.team_id == team_id))).first() is None:
        raise Conflict("TEAM_UNKNOWN")
    informed_how, proof = values.text(informed_how, "informedHow") or "", values.text(proof, "proof") or ""
    consent_id, asked_by = uuid4(), act.context.actor.subject
    await act.connection.execute(
        insert(team_consent).values(
            patient_id=patient_id,
            consent_id=consent_id,
            team_id=team_id,
            asked_by=asked_by,
            informed_how=informed_how,
            proof=proof,
            valid_from=act.now,
            valid_until=until,
        )
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="grant", relation="care_team"))
    return Grant(
        id=consent_id,
        what=Relation.CARE_TEAM.value,
        subject=f"team:{team_id}",
        since=act.now,
        until=until,
        recorded_by=asked_by,
        proof=proof,
    )


async def withdraw_team_consent(act: Act, patient_id: UUID, team_id: UUID) -> int:
    """Withdraw the consent to a team in one act; says how many consents ended."""
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.WITHDRAW)
    done = await act.connection.execute(
        update(team_consent)
        .where(
            team_consent.c.patient_id == patient_id,
            team_consent.c.team_id == team_id,
            _not_ended(team_consent, act.now),
        )
        .values(valid_until=act.now, withdrawn_by=act.context.actor.subject)
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="withdraw", relation="care_team"))
    return done.rowcount


async def authorizations(act: Act, patient_id: UUID) -> Authorizations:
    """Everything that opens or closes this record to someone now; for the patient and whom the matrix says."""
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.READ)
    relations = await act.connection.execute(
        select(relation).where(relation.c.patient_id == patient_id, _not_ended(relation, act.now))
    )
    consents = await act.connection.execute(
        select(team_consent, care_team.c.name)
        .join(care_team, care_team.c.team_id == team_consent.c.team_id)
        .where(team_consent.c.patient_id == patient_id, _not_ended(team_consent, act.now))
    )
    blocks = await act.connection.execute(
        select(block).where(block.c.patient_id == patient_id, _not_ended(block, act.now))
    )
    return Authorizations(
        relations=[_grant(row, row.relation_id, row.relation, row.subject) for row in relations],
        team_consents=[
            Grant(
                id=row.consent_id,
                what=row.name,
                subject=f"team:{row.team_id}",
                since=row.valid_from,
                until=row.valid_until,
                recorded_by=row.asked_by,
                proof=row.proof,
            )
            for row in consents
        ],
        blocks=[
            Grant(
                id=row.block_id,
                what="block",
                subject=row.subject,
                since=row.valid_from,
                until=row.valid_until,
                recorded_by="",
                proof=None,
            )
            for row in blocks
        ],
    )


def _grant(row: Any, identifier: UUID, what: str, subject: str) -> Grant:
    return Grant(
        id=identifier,
        what=what,
        subject=subject,
        since=row.valid_from,
        until=row.valid_until,
        recorded_by=row.recorded_by,
        proof=row.proof,
    )


def _not_ended(table: Table, now: datetime) -> Any:
    return or_(table.c.valid_until.is_(None), table.c.valid_until > now)


def _must_be_to_come(act: Act, until: datetime | None) -> None:
    if until is not None and until <= act.now:
        raise InvalidInput("AUTHORIZATION_ENDS_BEFORE_IT_STARTS")


async def _must_not_outlast_the_giver(act: Act, patient_id: UUID, until: datetime | None) -> None:
    """A representative gives to no one, himself included, powers that outlast his own."""
    facts = await access.facts_of(act.context, act.connection, patient_id)
    if Relation.PATIENT in facts.relations or Relation.REPRESENTATIVE not in facts.relations:
        return
    own = select(relation.c.valid_until).where(
        relation.c.patient_id == patient_id,
        relation.c.relation == Relation.REPRESENTATIVE.value,
        relation.c.subject == act.context.actor.subject,
        _not_ended(relation, act.now),
    )
    ends = (await act.connection.execute(own)).scalars().all()
    if None not in ends and (until is None or until > max(ends)):
        raise Conflict("REPRESENTATION_OUTLASTS_YOURS")


def _professionals_only(act: Act) -> None:
    """Teams are founded and joined by those whom a team's consent can let in (L.1110-12)."""
    if access.role_in(act.context) not in HEALTH_ROLES | {Role.SOCIAL_WORKER, Role.SYSTEM}:
        raise Conflict("TEAM_UNKNOWN")


async def _join(act: Act, team_id: UUID, subject: str) -> None:
    await act.connection.execute(insert(care_team_member).values(team_id=team_id, subject=subject, valid_from=act.now))


async def _declare(
    act: Act,
    patient_id: UUID,
    what: Relation,
    subject: str,
    action: Action | None,
    *,
    until: datetime | None = None,
    proof: str | None = None,
) -> Grant:
    if action is not None:
        await access.require(act, patient_id, Kind.AUTHORIZATIONS, action)
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
        )
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="grant", relation=what.value))
    return Grant(
        id=relation_id, what=what.value, subject=subject, since=act.now, until=until, recorded_by=by, proof=proof
    )


async def _end(act: Act, patient_id: UUID, table: Table, what: Relation, subject: str, action: Action) -> int:
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, action)
    done = await act.connection.execute(
        update(table)
        .where(
            table.c.patient_id == patient_id,
            table.c.relation == what.value,
            table.c.subject == subject,
            _not_ended(table, act.now),
        )
        .values(valid_until=act.now, withdrawn_by=act.context.actor.subject)
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="withdraw", relation=what.value))
    return done.rowcount
