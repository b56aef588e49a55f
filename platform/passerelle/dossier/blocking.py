"""Whom a patient keeps out, for the domains above: counted without him, and never named or explained to anyone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, literal, select

from passerelle.audit.transactions import Act
from passerelle.dossier import access, relations
from passerelle.dossier.tables import block


async def blocked_subjects(act: Act, patient_id: UUID, at: datetime) -> frozenset[str]:
    """The subjects (`kind:id`) whom the patient blocks at an instant. Not for a face to show (L.1111-19)."""
    found = await act.connection.scalars(
        select(block.c.subject).where(block.c.patient_id == patient_id, relations.holds(block, at))
    )
    return frozenset(found)


def is_blocked(patient_id: ColumnElement[UUID], subject: ColumnElement[str]) -> ColumnElement[bool]:
    """SQL condition: the patient blocks this subject at the instant of the request (`access.facts_parameters`)."""
    return (
        select(literal(1))
        .where(
            block.c.patient_id == patient_id,
            block.c.subject == subject,
            access.in_force(block.c.valid_from, block.c.valid_until),
        )
        .exists()
    )
