"""`journal_line`: who came to a patient's record away from home goes to his journal at home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_journal
from passerelle_tenants.federation.journals import KIND
from passerelle_tenants.federation.travellers import Addressed, Owed, Priority


class JournalLines:
    """Owed to home by `journals.owe`, once a line is sealed. Goes last: it tells of what is done already."""

    kind: ClassVar[str] = KIND
    priority: ClassVar[Priority] = Priority.TELLS
    addressed: ClassVar[Sequence[Addressed]] = ()

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`."""
        ids, versions = [each.object_id for each in owed], [each.version for each in owed]
        return await federated_journal.gather(connection, ids, [each.patient_id for each in owed], versions)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`."""
        return await federated_journal.apply(act, from_tenant, items)
