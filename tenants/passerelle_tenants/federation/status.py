"""How the exchange stands, pair by pair: what `passerelle federation status` and the metrics show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from passerelle.kernel.context import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStatus:
    """From this network to one other. `acked` counts for ever: a rate is its difference over time."""

    to_tenant: str
    name: str
    waiting: int
    in_flight: int
    dead: int
    oldest: datetime | None
    acked: int
    heard_at: datetime | None
    as_of: datetime | None
    away_since: datetime | None


async def status(tenant: Tenant) -> Sequence[PairStatus]:
    """One line for each other network, by id."""
    raise NotImplementedError
