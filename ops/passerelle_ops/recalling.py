"""Recalls on their way: what each event of theirs, and each dispensation recorded, sets going."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from passerelle.audit.outbox import Waiting
from passerelle.identities.directory import Directory
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.pharmacy import recall_delivery
from passerelle.pharmacy.events import DispensationRecorded
from passerelle.pharmacy.recall_events import RecallEscalated, RecallIssued, RecallToDeliver
from passerelle_ops.relay import Subscribers
from passerelle_ops.schedule import beat_context


def bind_recalls(subscribers: Subscribers, directory: Callable[[], Directory], clock: Clock) -> None:
    """Have recalls find their pharmacies, come to them, and be recalled to them once they are overdue.

    The directory is asked for as an event comes: its connections belong to the loop that runs then.
    """

    async def find_pharmacies(tenant: Tenant, event: Waiting) -> None:
        recall_id = UUID(event.payload["recall_id"])
        await recall_delivery.find_pharmacies(beat_context(tenant, clock), recall_id, directory())

    async def find_recalls(tenant: Tenant, event: Waiting) -> None:
        dispensation_id = UUID(event.payload["dispensation_id"])
        await recall_delivery.find_recalls(beat_context(tenant, clock), event.patient_id, dispensation_id)

    async def deliver(tenant: Tenant, event: Waiting) -> None:
        recall_id, pharmacy = UUID(event.payload["recall_id"]), event.payload["pharmacy"]
        await recall_delivery.deliver(beat_context(tenant, clock), recall_id, pharmacy, directory())

    async def remind(tenant: Tenant, event: Waiting) -> None:
        recall_id, pharmacy = UUID(event.payload["recall_id"]), event.payload["pharmacy"]
        await recall_delivery.remind(beat_context(tenant, clock), recall_id, pharmacy, directory())

    subscribers.bind(RecallIssued.name, find_pharmacies)
    subscribers.bind(DispensationRecorded.name, find_recalls)
    subscribers.bind(RecallToDeliver.name, deliver)
    subscribers.bind(RecallEscalated.name, remind)
