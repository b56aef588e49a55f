"""`emergency`: that a record was opened by break-glass goes from where it was to the patient's home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_emergencies
from passerelle.dossier.events import EmergencyChanged
from passerelle_tenants.federation.travellers import Addressed, Audience, Owed, Priority


class Emergencies:
    """Owed to home as the glass is broken, and as that ends. Goes first: a reader waits for it, and a notice."""

    kind: ClassVar[str] = "emergency"
    priority: ClassVar[Priority] = Priority.NARROWS
    addressed: ClassVar[Sequence[Addressed]] = (
        Addressed(events=(EmergencyChanged.name,), to=Audience.HOME, object_id="access_id"),
    )

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`."""
        ids, versions = [each.object_id for each in owed], [each.version for each in owed]
        return await federated_emergencies.gather(connection, ids, versions)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`. FEDERATION_EMERGENCY_OF_ANOTHER."""
        return await federated_emergencies.apply(act, from_tenant, items)
