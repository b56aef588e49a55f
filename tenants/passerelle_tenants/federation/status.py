"""How the exchange stands, pair by pair: what `passerelle federation status` and the metrics show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import DateTime, and_, bindparam, func, select

from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Statement
from passerelle_tenants.federation.tables import federation_out, federation_peer


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStatus:
    """From this network to one other.

    `waiting` is not on its way, `in_flight` is, `dead` is not sent any more; `oldest`: since when the oldest of the
    three is owed. `acked` counts for ever: a rate is its difference over time.
    """

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


async def status(tenant: Tenant, clock: Clock) -> Sequence[PairStatus]:
    """One line for each other network, by id."""
    rows = await tenant.database.fetch(_STATUS, {"now": clock.now()})
    return [PairStatus(**dict(zip(_STATUS.columns, row, strict=True))) for row in rows]


def _status() -> Statement:
    out, peer = federation_out, federation_peer
    is_dead = out.c.dead_at.is_not(None)
    is_on_its_way = and_(
        out.c.sent_version == out.c.version, out.c.next_attempt_at > bindparam("now", type_=DateTime(timezone=True))
    )
    owed = (
        select(
            out.c.to_tenant,
            func.count().filter(~is_dead, ~is_on_its_way).label("waiting"),
            func.count().filter(~is_dead, is_on_its_way).label("in_flight"),
            func.count().filter(is_dead).label("dead"),
            func.min(out.c.since).label("oldest"),
        )
        .where(out.c.acked_version < out.c.version)
        .group_by(out.c.to_tenant)
        .subquery("owed")
    )
    return Statement(
        select(
            peer.c.tenant_id.label("to_tenant"),
            peer.c.name,
            *(func.coalesce(owed.c[name], 0).label(name) for name in ("waiting", "in_flight", "dead")),
            owed.c.oldest,
            *(peer.c[name] for name in ("acked", "heard_at", "as_of", "away_since")),
        )
        .select_from(peer.outerjoin(owed, owed.c.to_tenant == peer.c.tenant_id))
        .order_by(peer.c.tenant_id)
    )


_STATUS: Final = _status()
