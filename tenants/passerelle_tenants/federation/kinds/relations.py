"""`relations`: whom the patient lets in and keeps out, in one network, he does in all that hold something of his."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_relations
from passerelle.dossier.events import CareTeamChanged, RelationChanged
from passerelle_tenants.federation.travellers import Addressed, Audience, Owed, Priority


class Relations:
    """Owed to every other place of a patient, from wherever something was given, ended or refused."""

    kind: ClassVar[str] = "relations"
    priority: ClassVar[Priority] = Priority.NARROWS
    addressed: ClassVar[Sequence[Addressed]] = (
        Addressed(events=(RelationChanged.name, CareTeamChanged.name), to=Audience.EVERYWHERE),
    )

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`."""
        ids, versions = [each.object_id for each in owed], [each.version for each in owed]
        return await federated_relations.gather(connection, ids, versions)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`."""
        return await federated_relations.apply(act, from_tenant, items)
