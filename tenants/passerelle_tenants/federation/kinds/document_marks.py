"""`document_marks`: what home decided of a document goes to where it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_marks
from passerelle.dossier.events import DocumentMetadataChanged, DocumentWithholdingChanged, TwinDecided
from passerelle_tenants.federation.places import decided_by
from passerelle_tenants.federation.travellers import Addressed, Audience, Owed, Priority


class DocumentMarks:
    """Owed to the network that keeps a document whenever it is masked, hidden, shown or kept from somebody here."""

    kind: ClassVar[str] = "document_marks"
    priority: ClassVar[Priority] = Priority.NARROWS
    addressed: ClassVar[Sequence[Addressed]] = (
        Addressed(
            events=(DocumentMetadataChanged.name, DocumentWithholdingChanged.name, TwinDecided.name),
            to=Audience.NAMED,
            object_id="document_id",
            network="origin",
        ),
    )

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:
        """`Traveller.gather`."""
        ids, versions = [each.object_id for each in owed], [each.version for each in owed]
        return await federated_marks.gather(connection, to_tenant, ids, versions)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`. `later` of a patient whose home is not the sender, as far as is known here."""
        return await federated_marks.apply(act, from_tenant, items, decided_by(from_tenant))
