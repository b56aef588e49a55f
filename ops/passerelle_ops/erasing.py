"""What follows when a shared record was purged: the records above it are blanked too."""

from __future__ import annotations

from passerelle.audit.outbox import Waiting
from passerelle.dossier.events import DossierChanged
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.oncology import erasing as oncology
from passerelle.pharmacy import erasing as pharmacy
from passerelle_ops.relay import Subscribers
from passerelle_ops.schedule import beat_context
from passerelle_policies.vocabulary import DossierState


def bind_erasing(subscribers: Subscribers, clock: Clock) -> None:
    """Have the oncology and pharmacy records forget what they had of a shared record that was purged."""

    async def forget(tenant: Tenant, event: Waiting) -> None:
        if event.payload["to_state"] == DossierState.PURGED.value:
            context = beat_context(tenant, clock)
            await oncology.erase(context, event.patient_id)
            await pharmacy.erase(context, event.patient_id)

    subscribers.bind(DossierChanged.name, forget)
