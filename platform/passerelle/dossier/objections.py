"""The patient's objection, beforehand, to any opening of his record in an emergency (CSP L.1111-17 I).

It closes break-glass and the regulation centre alike: what only an emergency opens is closed, and nothing else changes,
so that whoever comes in these modes by a title of his own does not see that there is an objection.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, emergencies, relations
from passerelle.dossier.events import RelationChanged
from passerelle.dossier.tables import emergency_objection
from passerelle.notices.kinds import NoticeKind
from passerelle_policies.vocabulary import Action, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """An objection in force; `ended` counts the emergency accesses that it put an end to."""

    since: datetime
    ended: int


async def object_to_emergencies(act: Act, patient_id: UUID) -> Objection:
    """Object beforehand; whoever is in by break-glass is out at once. Objecting twice is once."""
    await emergencies.take_turn(act, patient_id)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.OBJECT)
    since = await objecting_since(act, patient_id)
    if since is None:
        since = act.now
        await act.connection.execute(
            insert(emergency_objection).values(
                patient_id=patient_id,
                objection_id=uuid4(),
                valid_from=since,
                recorded_by=act.context.actor.subject,
            )
        )
        await outbox.publish(act, RelationChanged(patient_id=patient_id, act="object", relation="emergency"))
        await relations.tell_patient(act, patient_id, NoticeKind.CONSENT_CHANGED)
    return Objection(since=since, ended=len(await emergencies.end_live(act, patient_id)))


async def withdraw_objection(act: Act, patient_id: UUID) -> int:
    """Let emergencies in again; says how many objections ended. What an objection ended stays ended."""
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.WITHDRAW_OBJECTION)
    done = await act.connection.execute(
        update(emergency_objection)
        .where(emergency_objection.c.patient_id == patient_id, relations.not_ended(emergency_objection, act.now))
        .values(valid_until=act.now, withdrawn_by=act.context.actor.subject)
    )
    if done.rowcount:
        await outbox.publish(act, RelationChanged(patient_id=patient_id, act="withdraw", relation="emergency"))
        await relations.tell_patient(act, patient_id, NoticeKind.CONSENT_CHANGED)
    return done.rowcount


async def objecting_since(act: Act, patient_id: UUID) -> datetime | None:
    """Since when the patient objects. For an act that was allowed to read or change the authorisations."""
    held = await act.connection.execute(
        select(emergency_objection.c.valid_from)
        .where(emergency_objection.c.patient_id == patient_id, relations.not_ended(emergency_objection, act.now))
        .order_by(emergency_objection.c.valid_from)
        .limit(1)
    )
    return held.scalar_one_or_none()
