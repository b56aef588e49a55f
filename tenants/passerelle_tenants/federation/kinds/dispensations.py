"""`dispensation`: what was dispensed to a visiting patient goes from where it was recorded to his home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.pharmacy import federated_dispensations
from passerelle.pharmacy.events import DispensationCancelled, DispensationRecorded
from passerelle_tenants.federation import places
from passerelle_tenants.federation.travellers import Addressed, Audience, Owed, Priority


class Dispensations:
    """Owed to home, version by version, as one is recorded, cancelled, or ended by the correction that replaces it."""

    kind: ClassVar[str] = "dispensation"
    priority: ClassVar[Priority] = Priority.FILLS
    addressed: ClassVar[Sequence[Addressed]] = (
        Addressed(
            events=(DispensationRecorded.name, DispensationCancelled.name),
            to=Audience.HOME,
            object_id="dispensation_id",
        ),
        Addressed(events=(DispensationRecorded.name,), to=Audience.HOME, object_id="replaces"),
    )

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`."""
        ids, versions = [each.object_id for each in owed], [each.version for each in owed]
        return await federated_dispensations.gather(connection, ids, versions)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`. FEDERATION_DISPENSATION_NUMBER_TAKEN, FEDERATION_DISPENSATION_OF_ANOTHER."""
        answers = await federated_dispensations.apply(act, from_tenant, items)
        whose = await federated_dispensations.whose(act, list(answers))
        for patient_id in await places.away_from_home(act.connection, sorted(whose)):
            await federated_dispensations.withdraw(act, patient_id, whose[patient_id])
        return answers
