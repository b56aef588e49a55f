"""One document that two networks were fed, and that is one in its patient's home: what is decided of it there holds for
the other network's too, the strictest of both."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier.events import TwinDecided
from passerelle.dossier.tables import document_twin


async def tell(act: Act, patient_id: UUID, document_id: UUID) -> None:
    """Have the networks that were fed a document too hear of what has just been decided of it."""
    twin = document_twin.c
    found: Any = await act.connection.execute(
        select(twin.network).where(twin.patient_id == patient_id, twin.document_id == document_id)
    )
    events = [TwinDecided(patient_id=patient_id, document_id=document_id, origin=each) for each in found.scalars()]
    await outbox.publish_all(act, events)
