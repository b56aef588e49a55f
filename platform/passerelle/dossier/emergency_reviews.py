"""The review of emergency accesses by the network's data-protection officer (RGPD art. 39; CSP R.1111-48)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal, or_, select, update

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.emergencies import COLUMNS, EmergencyAccess
from passerelle.dossier.events import EmergencyChanged
from passerelle.dossier.formats import values
from passerelle.dossier.recipients import people_of
from passerelle.dossier.tables import emergency_access
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.vocabulary import Action, Kind


class Finding(StrEnum):
    """What a review may find. What is to be followed up stays in the queue."""

    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"
    TO_BE_FOLLOWED_UP = "to_be_followed_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToReview:
    """An emergency access that awaits its review, and whether that is late."""

    emergency: EmergencyAccess
    is_overdue: bool


async def emergencies_to_review(act: Act, *, first: int) -> list[ToReview]:
    """What awaits review in this network, the longest overdue first. ACCESS_REFUSED but for an officer."""
    await access.require(act, journal.NOBODY, Kind.JOURNAL, Action.REVIEW)
    rows = await act.connection.execute(awaiting(literal(first)))
    waiting = [EmergencyAccess(**row) for row in rows.mappings()]
    return [ToReview(emergency=each, is_overdue=each.review_due_at <= act.now) for each in waiting]


def awaiting(first: ColumnElement[int]) -> Select[Any]:
    """What awaits review, the longest overdue first, with the columns of `EmergencyAccess`."""
    return (
        select(*COLUMNS)
        .where(
            or_(
                emergency_access.c.reviewed_at.is_(None),
                emergency_access.c.finding == Finding.TO_BE_FOLLOWED_UP.value,
            )
        )
        .order_by(emergency_access.c.review_due_at, emergency_access.c.access_id)
        .limit(first)
    )


async def review_emergency(act: Act, access_id: UUID, finding: Finding, comment: str = "") -> EmergencyAccess:
    """Say what a review found, in the journal of the patient, to him and to his representatives. One to be followed up
    is due again later.

    Refused: ACCESS_REFUSED but for an officer; EMERGENCY_UNKNOWN; EMERGENCY_REVIEWED once it is settled;
    REASON_MISSING without a comment, unless it was justified.
    """
    said = values.text(comment, "comment")
    found = await act.connection.execute(
        select(*COLUMNS).where(emergency_access.c.access_id == access_id).with_for_update()
    )
    row = found.mappings().first()
    patient_id = row["patient_id"] if row else journal.NOBODY
    await access.require(act, patient_id, Kind.JOURNAL, Action.REVIEW, reason=finding.value)
    if row is None:
        raise Conflict("EMERGENCY_UNKNOWN")
    before = EmergencyAccess(**row)
    if before.finding not in {None, Finding.TO_BE_FOLLOWED_UP.value}:
        raise Conflict("EMERGENCY_REVIEWED")
    if said is None and finding is not Finding.JUSTIFIED:
        raise InvalidInput("REASON_MISSING")
    due = before.review_due_at
    if finding is Finding.TO_BE_FOLLOWED_UP:
        due = act.now + timedelta(days=access.number(act.context, "break_glass.review_days"))
    after = replace(before, reviewed_at=act.now, finding=finding.value, review_due_at=due)
    await act.connection.execute(
        update(emergency_access)
        .where(emergency_access.c.patient_id == patient_id, emergency_access.c.access_id == access_id)
        .values(
            reviewed_at=after.reviewed_at,
            reviewed_by=act.context.actor.subject,
            finding=after.finding,
            comment=said,
            review_due_at=after.review_due_at,
        )
    )
    await outbox.publish(act, EmergencyChanged(patient_id=patient_id, access_id=access_id, act="review"))
    for recipient in await people_of(act, patient_id, representatives=True):
        await post(
            act,
            recipient=recipient,
            key=f"review:{access_id}:{act.now.isoformat()}",
            kind=NoticeKind.REVIEW_DONE,
            patient_id=patient_id,
            about={"name": after.name},
        )
    return after
