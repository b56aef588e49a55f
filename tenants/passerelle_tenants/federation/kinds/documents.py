"""`document`: the entry of a document goes from where it is kept to the patient's home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_documents
from passerelle.dossier.events import DocumentMetadataChanged, DocumentPublished, DocumentWithholdingChanged
from passerelle_tenants.federation import home_moves
from passerelle_tenants.federation.travellers import Addressed, Audience, Owed, Priority


class Documents:
    """Owed to home whenever a document is filed here, or something is decided of it."""

    kind: ClassVar[str] = "document"
    priority: ClassVar[Priority] = Priority.FILLS
    addressed: ClassVar[Sequence[Addressed]] = (
        Addressed(
            events=(DocumentPublished.name, DocumentMetadataChanged.name, DocumentWithholdingChanged.name),
            to=Audience.HOME,
            object_id="document_id",
        ),
    )

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> bytes:  # noqa: ARG002
        """`Traveller.gather`."""
        ids, versions = [each.object_id for each in owed], [each.version for each in owed]
        return await federated_documents.gather(connection, ids, versions)

    async def apply(self, act: Act, from_tenant: str, items: bytes) -> Mapping[UUID, str]:
        """`Traveller.apply`. FEDERATION_UNIQUE_ID_TAKEN, FEDERATION_DOCUMENT_OF_ANOTHER."""
        applied = await federated_documents.apply(act, from_tenant, items)
        await home_moves.keep_out(act, applied.whose)
        return applied.answers
