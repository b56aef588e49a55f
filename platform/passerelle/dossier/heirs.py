"""Who may ask for something of the record of a patient who died (CSP L.1110-4 V).

His successors, his cohabitant and his civil partner may, for one of three motives and unless he willed otherwise; the
holders of parental authority over a minor who died keep their access. For `heirs.years` from the death (no text sets
a term). An heir reads nothing in the record: what he is given is an export (`portability`), never a document that was
masked, withheld or hidden.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, relations
from passerelle.dossier.death import operator_only
from passerelle.dossier.events import RelationChanged
from passerelle.dossier.majority import of_age_at
from passerelle.dossier.relations import Grant, not_ended
from passerelle.dossier.tables import heirs_objection
from passerelle.identities import civil_status
from passerelle.kernel.clock import PARIS, months_after
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Relation


class HeirLink(StrEnum):
    """What ties someone to the patient who died."""

    SUCCESSOR = "successor"  # ayant droit
    COHABITANT = "cohabitant"  # concubin
    CIVIL_PARTNER = "civil_partner"  # partenaire lié par un pacte civil de solidarité
    PARENTAL_AUTHORITY = "parental_authority"  # titulaire de l'autorité parentale sur un mineur décédé


class HeirMotive(StrEnum):
    """The three motives of L.1110-4 V."""

    CAUSE_OF_DEATH = "cause_of_death"  # connaître les causes de la mort
    MEMORY = "memory"  # défendre la mémoire du défunt
    RIGHTS = "rights"  # faire valoir ses droits


async def declare_heir(
    act: Act, patient_id: UUID, person_key: str, *, link: HeirLink, motive: HeirMotive | None = None, proof: str
) -> Grant:
    """Record who may ask, once the operator has checked the proof; until `heirs.years` after the death.

    Refused: PROOF_MISSING, ACCESS_REFUSED; NOT_DECEASED; HEIR_MOTIVE_MISSING and HEIRS_OBJECTED, save to a holder of
    parental authority, HEIR_LINK_INVALID when the patient died of age; HEIRS_TERM_OVER.
    """
    if not proof.strip():
        raise InvalidInput("PROOF_MISSING", act="declare_heir")
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.REPRESENT)
    operator_only(act, patient_id, Kind.AUTHORIZATIONS, Action.REPRESENT)
    died = await civil_status.deceased_on(act, patient_id)
    if died is None:
        raise Conflict("NOT_DECEASED")
    if link is HeirLink.PARENTAL_AUTHORITY:
        await _must_have_died_a_minor(act, patient_id, died)
    elif motive is None:
        raise InvalidInput("HEIR_MOTIVE_MISSING")
    elif await _objects(act, patient_id):
        raise Conflict("HEIRS_OBJECTED")
    until = months_after(_midnight(died), 12 * access.number(act.context, "heirs.years"))
    if until <= act.now:
        raise Conflict("HEIRS_TERM_OVER")
    return await relations.declare(
        act,
        patient_id,
        Relation.HEIR,
        f"{ActorKind.PERSON}:{person_key}",
        until=until,
        proof=proof,
        basis=link.value,
        motive=motive.value if motive else None,
    )


async def object_to_heirs(act: Act, patient_id: UUID) -> datetime:
    """The patient's will that nobody ask for anything after his death; since when. Objecting twice is once.

    ACCESS_REFUSED for anyone but the patient himself.
    """
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.OBJECT_TO_HEIRS)
    held: datetime | None = await act.connection.scalar(
        select(heirs_objection.c.valid_from).where(
            heirs_objection.c.patient_id == patient_id, not_ended(heirs_objection, act.now)
        )
    )
    if held is not None:
        return held
    await act.connection.execute(
        insert(heirs_objection).values(
            patient_id=patient_id, objection_id=uuid4(), valid_from=act.now, recorded_by=act.context.actor.subject
        )
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="object", relation="heir"))
    return act.now


async def withdraw_objection_to_heirs(act: Act, patient_id: UUID) -> int:
    """Take it back while alive; says how many objections ended."""
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.OBJECT_TO_HEIRS)
    done = await act.connection.execute(
        update(heirs_objection)
        .where(heirs_objection.c.patient_id == patient_id, not_ended(heirs_objection, act.now))
        .values(valid_until=act.now, withdrawn_by=act.context.actor.subject)
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="withdraw", relation="heir"))
    return done.rowcount


async def _objects(act: Act, patient_id: UUID) -> bool:
    held = select(heirs_objection.c.objection_id).where(
        heirs_objection.c.patient_id == patient_id, not_ended(heirs_objection, act.now)
    )
    return (await act.connection.execute(held)).first() is not None


async def _must_have_died_a_minor(act: Act, patient_id: UUID, died: date) -> None:
    of_age = await of_age_at(act, patient_id)
    if of_age is None or _midnight(died) >= of_age:
        raise Conflict("HEIR_LINK_INVALID")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), PARIS).astimezone(UTC)
