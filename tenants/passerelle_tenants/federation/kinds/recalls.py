"""`recall` and `recall_follow_up`: what one network announces reaches the pharmacies of all, and it hears how far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.pharmacy import federated_recalls
from passerelle.pharmacy.recall_events import RecallClosed, RecallIssued, RecallMoved
from passerelle_tenants.federation.travellers import Addressed, Audience, Owed, Priority


class Recalls:
    """Owed to every other network as a recall is announced here, and as it is closed."""

    kind: ClassVar[str] = "recall"
    priority: ClassVar[Priority] = Priority.NARROWS
    addressed: ClassVar[Sequence[Addressed]] = (
        Addressed(events=(RecallIssued.name, RecallClosed.name), to=Audience.PEERS, object_id="recall_id"),
    )

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`."""
        ids, versions = [each.object_id for each in owed], [each.version for each in owed]
        return await federated_recalls.gather(connection, ids, versions)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`. RECALL_REFERENCE_TAKEN, FEDERATION_RECALL_OF_ANOTHER."""
        return await federated_recalls.apply(act, from_tenant, items)


class RecallFollowUps:
    """Owed to the network that announced a recall, as it comes further in a pharmacy of here."""

    kind: ClassVar[str] = "recall_follow_up"
    priority: ClassVar[Priority] = Priority.FILLS
    addressed: ClassVar[Sequence[Addressed]] = (
        Addressed(events=(RecallMoved.name,), to=Audience.NAMED, object_id="recall_id", network="origin"),
    )

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:
        """`Traveller.gather`."""
        ids, versions = [each.object_id for each in owed], [each.version for each in owed]
        return await federated_recalls.gather_follow_up(connection, to_tenant, ids, versions)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`. FEDERATION_RECALL_OF_ANOTHER."""
        return await federated_recalls.apply_follow_up(act, from_tenant, items)
