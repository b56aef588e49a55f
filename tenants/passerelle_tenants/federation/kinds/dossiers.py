"""`dossier`: what home closed, reopened or purged is so in every place of the patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_dossiers
from passerelle.dossier.events import DossierChanged
from passerelle_tenants.federation.places import decided_by
from passerelle_tenants.federation.travellers import Addressed, Audience, Owed, Priority


class Dossiers:
    """Owed by home to the places of a patient whenever the state of his record changed."""

    kind: ClassVar[str] = "dossier"
    priority: ClassVar[Priority] = Priority.NARROWS
    addressed: ClassVar[Sequence[Addressed]] = (Addressed(events=(DossierChanged.name,), to=Audience.PLACES),)

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`."""
        ids, versions = [each.object_id for each in owed], [each.version for each in owed]
        return await federated_dossiers.gather(connection, ids, versions)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`. `later` of a patient whose home is not the sender, as far as is known here."""
        return await federated_dossiers.apply(act, from_tenant, items, decided_by(from_tenant))
