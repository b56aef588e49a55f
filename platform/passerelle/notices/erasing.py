"""What a notice says no more once the record that it told of is erased."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import case, literal, update
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.audit.transactions import Act
from passerelle.notices.tables import notice

_SOMEONE: Final = {"name": "Un professionnel"}


async def erase_about(act: Act, patient_id: UUID) -> None:
    """Blank every notice about a patient, whoever received it. That it was sent stays, with its proof."""
    await act.connection.execute(
        update(notice)
        .where(notice.c.patient_id == patient_id)
        .values(about=case((notice.c.about.has_key("name"), literal(_SOMEONE, JSONB())), else_=literal({}, JSONB())))
    )
