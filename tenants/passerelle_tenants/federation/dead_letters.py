"""What is not sent any more until somebody looks at it: refused by the other network, or never ready there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from passerelle.kernel.context import Tenant
from passerelle_tenants.federation.office import Office


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One state that another network does not have. Ids and codes: no datum of a patient."""

    to_tenant: str
    kind: str
    object_id: UUID
    version: int
    since: datetime
    dead_at: datetime
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which dead letters: all of them, unless told otherwise."""

    to_tenant: str | None = None
    kind: str | None = None
    object_id: UUID | None = None


async def dead(tenant: Tenant, which: Which, first: int = 100) -> Sequence[DeadLetter]:
    """The dead letters, the oldest first."""
    raise NotImplementedError


async def retry(office: Office, which: Which) -> int:
    """Send them again, as they stand now; how many."""
    raise NotImplementedError


async def drop(office: Office, which: Which, reason: str) -> int:
    """Owe them no more, until their object changes again; how many. The journal keeps the reason."""
    raise NotImplementedError
