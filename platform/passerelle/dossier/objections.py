"""An objection, beforehand, to any opening of the patient's record in an emergency (CSP L.1111-17 I).

It closes break-glass and the regulation centre alike: what only an emergency opens is closed, and nothing else changes,
so that whoever comes in these modes by a title of his own does not see that there is an objection. What the patient
recorded himself is his own: a representative may object for him, and ends only what a representative recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, Uuid, and_, exists, insert, literal, select, true, update

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, emergencies, house_rules, relations
from passerelle.dossier.events import RelationChanged
from passerelle.dossier.tables import emergency_objection, relation
from passerelle.identities import patients
from passerelle.kernel.errors import Conflict
from passerelle.notices.kinds import NoticeKind
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """An objection in force; `ended` counts the emergency accesses that it put an end to."""

    since: datetime
    ended: int


async def object_to_emergencies(act: Act, patient_id: UUID) -> Objection:
    """Object beforehand; whoever is in by break-glass is out at once. Objecting twice is once.

    The patient's own is recorded beside a representative's, so that it is his.
    """
    await emergencies.take_turn(act, patient_id)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.OBJECT)
    since, subject = await objecting_since(act, patient_id), act.context.actor.subject
    own = emergency_objection.c.recorded_by == subject
    if since is None or (await _is_the_patient(act, patient_id) and not await _stands(act, patient_id, own)):
        await act.connection.execute(
            insert(emergency_objection).values(
                patient_id=patient_id, objection_id=uuid4(), valid_from=act.now, recorded_by=subject
            )
        )
        await outbox.publish(act, RelationChanged(patient_id=patient_id, act="object", relation="emergency"))
        await relations.tell_patient(act, patient_id, NoticeKind.CONSENT_CHANGED)
    return Objection(since=since or act.now, ended=len(await emergencies.end_live(act, patient_id)))


async def withdraw_objection(act: Act, patient_id: UUID) -> int:
    """Let emergencies in again; says how many objections ended. What an objection ended stays ended.

    Refused: OBJECTION_IS_THE_PATIENTS_OWN to a representative while one stands that the patient recorded himself.
    """
    await emergencies.take_turn(act, patient_id)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.WITHDRAW_OBJECTION)
    is_the_patient = await _is_the_patient(act, patient_id)
    if not is_the_patient and await _stands(act, patient_id, ~_by_a_representative(patient_id)):
        rule, code = "objection-is-the-patients-own", "OBJECTION_IS_THE_PATIENTS_OWN"
        action = Action.WITHDRAW_OBJECTION
        said = house_rules.line(act, Kind.AUTHORIZATIONS, action, rule, patient_id=patient_id, code=code)
        raise Conflict(code, line=said)
    done = await act.connection.execute(
        update(emergency_objection)
        .where(_in_force(patient_id, act.now))
        .values(valid_until=act.now, withdrawn_by=act.context.actor.subject)
    )
    if done.rowcount:
        await outbox.publish(act, RelationChanged(patient_id=patient_id, act="withdraw", relation="emergency"))
        await relations.tell_patient(act, patient_id, NoticeKind.CONSENT_CHANGED)
    return done.rowcount


async def objecting_since(act: Act, patient_id: UUID) -> datetime | None:
    """Since when the patient objects. For an act that was allowed to read or change the authorisations."""
    asked = first_in_force(literal(patient_id, Uuid()), literal(act.now))
    since: datetime | None = (await act.connection.execute(asked)).scalar_one_or_none()
    return since


def first_in_force(patient_id: ColumnElement[UUID], now: ColumnElement[datetime]) -> Select[Any]:
    """The beginning of the oldest objection in force (`valid_from`); no row where there is none."""
    return (
        select(emergency_objection.c.valid_from)
        .where(_in_force(patient_id, now))
        .order_by(emergency_objection.c.valid_from)
        .limit(1)
    )


def _in_force(patient_id: UUID | ColumnElement[UUID], now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    return and_(emergency_objection.c.patient_id == patient_id, relations.not_ended(emergency_objection, now))


async def _stands(act: Act, patient_id: UUID, which: ColumnElement[bool]) -> bool:
    found = select(true()).where(_in_force(patient_id, act.now), which).limit(1)
    return (await act.connection.execute(found)).first() is not None


async def _is_the_patient(act: Act, patient_id: UUID) -> bool:
    return Relation.PATIENT in (await access.facts_of(act.context, act.connection, patient_id)).relations


def _by_a_representative(patient_id: UUID) -> ColumnElement[bool]:
    """SQL condition: whoever recorded it is, or was, a representative, and not the patient."""
    was_representative = exists().where(
        relation.c.patient_id == patient_id,
        relation.c.relation == Relation.REPRESENTATIVE.value,
        relation.c.subject == emergency_objection.c.recorded_by,
    )
    of_patient = f"{ActorKind.PERSON}:" + patients.key_of(patient_id)
    return and_(was_representative, emergency_objection.c.recorded_by.is_distinct_from(of_patient))
