"""Break-glass (bris de glace): a record opened with a reason, for as long as the rule says, and told of at once.

Sources: CSP L.1111-17 I (a person unable to express his will and in immediate danger, unless he objected
beforehand), R.1111-48 (he and his médecin traitant are told). An emergency is a dated row, and so a relation with
an end (docs/decisions/0085): `access` and `reach` read it as Relation.EMERGENCY.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Select,
    Uuid,
    and_,
    bindparam,
    insert,
    literal,
    select,
    true,
    update,
)

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, house_rules, visits
from passerelle.dossier.events import EmergencyChanged
from passerelle.dossier.formats import values
from passerelle.dossier.recipients import people_of
from passerelle.dossier.relations import not_ended
from passerelle.dossier.tables import block, emergency_access, relation
from passerelle.identities import patients
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import InvalidInput
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.vocabulary import Action, Kind, Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyAccess:
    """One opening by break-glass. `finding` is what its review found; None until then. `reason` is None to a
    representative where it could tell of a visit that is kept from him (`visits`). `origin` is the other network where
    the glass was broken (`federated_emergencies`)."""

    access_id: UUID
    patient_id: UUID
    subject: str
    name: str
    profession: str | None
    establishment: str | None
    reason: str | None
    valid_from: datetime
    valid_until: datetime
    review_due_at: datetime
    reviewed_at: datetime | None = None
    finding: str | None = None
    origin: str | None = None


COLUMNS = tuple(emergency_access.c[name] for name in EmergencyAccess.__dataclass_fields__)


def reason_of(given: str) -> str:
    """A reason worth keeping. Refused: REASON_MISSING, VALUE_TOO_LONG, VALUE_MALFORMED."""
    reason = values.text(given, "reason")
    if reason is None:
        raise InvalidInput("REASON_MISSING")
    return reason


async def break_the_glass(act: Act, patient_id: UUID, reason: str) -> EmergencyAccess:
    """Open a record in an emergency, for `break_glass.minutes`; while one lasts, asking again gives the same.

    The patient, his representatives and his médecin traitant are told in the same transaction. Refused:
    REASON_MISSING; ACCESS_REFUSED alike for a patient who objected or is unknown, a block, a record that is not
    open, another profession or mode.
    """
    reason = reason_of(reason)
    await take_turn(act, patient_id)
    await access.require(act, patient_id, Kind.DOSSIER, Action.BREAK_GLASS, reason=reason)
    actor = act.context.actor
    found = await act.connection.execute(
        select(*COLUMNS).where(
            emergency_access.c.patient_id == patient_id,
            emergency_access.c.subject == actor.subject,
            is_live(act.now),
        )
    )
    if (row := found.mappings().first()) is not None:
        return EmergencyAccess(**row)
    opened = EmergencyAccess(
        access_id=uuid4(),
        patient_id=patient_id,
        subject=actor.subject,
        name=actor.name,
        profession=actor.profession,
        establishment=actor.establishment,
        reason=reason,
        valid_from=act.now,
        valid_until=act.now + timedelta(minutes=access.number(act.context, "break_glass.minutes")),
        review_due_at=act.now + timedelta(days=access.number(act.context, "break_glass.review_days")),
    )
    columns = EmergencyAccess.__dataclass_fields__
    await act.connection.execute(insert(emergency_access).values({name: getattr(opened, name) for name in columns}))
    await outbox.publish(act, EmergencyChanged(patient_id=patient_id, access_id=opened.access_id, act="break_glass"))
    await tell(
        act,
        patient_id,
        key=f"break-glass:{opened.access_id}",
        kind=NoticeKind.BREAK_GLASS,
        about=came(actor.name, actor.profession, actor.establishment),
        but=actor.subject,
    )
    return opened


async def end_emergency(act: Act, patient_id: UUID) -> int:
    """End the actor's own emergency access before its time; says how many there were, none for a stranger."""
    ended = await end_live(act, patient_id, emergency_access.c.subject == act.context.actor.subject)
    for _ in ended:
        said = house_rules.line(act, Kind.AUTHORIZATIONS, Action.WITHDRAW, "emergency-ended", patient_id=patient_id)
        await journal.append(act.connection, act.context, said)
    return len(ended)


async def emergencies_of(act: Act, patient_id: UUID, *, first: int) -> list[EmergencyAccess]:
    """The newest openings of a record by break-glass, with what the review found; for whom `authorizations` is."""
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.READ)
    rows = await act.connection.execute(newest(literal(patient_id, Uuid()), literal(first)))
    unsaid = await visits.emergencies_without_reason(act, patient_id)
    found = [EmergencyAccess(**row) for row in rows.mappings()]
    return [replace(each, reason=None) if each.access_id in unsaid else each for each in found]


def newest(patient_id: ColumnElement[UUID], first: ColumnElement[int]) -> Select[Any]:
    """The newest openings of a record, with the columns of `EmergencyAccess`, every reason said."""
    return (
        select(*COLUMNS)
        .where(emergency_access.c.patient_id == patient_id)
        .order_by(emergency_access.c.valid_from.desc(), emergency_access.c.access_id)
        .limit(first)
    )


def own_live(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The actor's own live access, with the columns of `EmergencyAccess`; bind values in `access.facts_parameters`."""
    return select(*COLUMNS).where(
        emergency_access.c.patient_id == patient_id,
        emergency_access.c.subject == access.SUBJECT,
        access.in_force(emergency_access.c.valid_from, emergency_access.c.valid_until),
    )


_OWN_LIVE = Statement(own_live(bindparam("patient_id", type_=Uuid())))


async def own_emergency(context: Context, patient_id: UUID) -> EmergencyAccess | None:
    """The actor's own live access. Only for whom a reading of this record was allowed: it is told to nobody else."""
    given = {
        "patient_id": patient_id,
        "access_subject": context.actor.subject,
        "access_now": context.clock.now(),
    }
    rows = await context.tenant.database.fetch(_OWN_LIVE, given)
    return EmergencyAccess(**dict(zip(_OWN_LIVE.columns, rows[0], strict=True))) if rows else None


async def take_turn(act: Act, patient_id: UUID) -> None:
    """Openings of one record, and objections to them, go one after the other."""
    identity = patients.identity()
    await act.connection.execute(
        select(identity.c.patient_id).where(identity.c.patient_id == patient_id).with_for_update(key_share=True)
    )


def is_live(now: datetime) -> ColumnElement[bool]:
    """SQL condition: an emergency access lasts at `now`."""
    return and_(emergency_access.c.valid_from <= now, emergency_access.c.valid_until > now)


async def end_live(act: Act, patient_id: UUID, which: ColumnElement[bool] | None = None) -> list[UUID]:
    """End what lasts of a record's emergency accesses, those that meet `which`; gives their ids."""
    done = await act.connection.execute(
        update(emergency_access)
        .where(emergency_access.c.patient_id == patient_id, is_live(act.now), which if which is not None else true())
        .values(valid_until=act.now)
        .returning(emergency_access.c.access_id)
    )
    ended = list(done.scalars())
    for access_id in ended:
        await outbox.publish(act, EmergencyChanged(patient_id=patient_id, access_id=access_id, act="end"))
    return ended


def came(name: str, profession: str | None, establishment: str | None) -> dict[str, str]:
    """What a notice says of whoever came in."""
    return {"name": name, "profession": profession or "", "establishment": establishment or ""}


async def tell(act: Act, patient_id: UUID, *, key: str, kind: NoticeKind, about: Mapping[str, str], but: str) -> None:
    """Tell the patient, his representatives and his médecin traitant of an opening (R.1111-48), `but` excepted.

    Whom the patient keeps out is told nothing.
    """
    told = [*await people_of(act, patient_id, representatives=True), *await _attending_physician(act, patient_id)]
    for recipient in told:
        if recipient != but:
            await post(act, recipient=recipient, key=key, kind=kind, patient_id=patient_id, about=about)


async def _attending_physician(act: Act, patient_id: UUID) -> list[str]:
    kept_out = (
        select(block.c.subject)
        .where(block.c.patient_id == patient_id, block.c.subject == relation.c.subject, not_ended(block, act.now))
        .exists()
    )
    held = await act.connection.execute(
        select(relation.c.subject)
        .where(
            relation.c.patient_id == patient_id,
            relation.c.relation == Relation.ATTENDING_PHYSICIAN.value,
            not_ended(relation, act.now),
            ~kept_out,
        )
        .distinct()
    )
    return list(held.scalars())
