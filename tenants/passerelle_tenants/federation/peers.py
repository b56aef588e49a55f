"""The other networks: who is there, who answers, who is away, and signs of life between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, DateTime, Text, bindparam, case, false, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit.outbox import first_unaddressed
from passerelle.kernel.database import Statement
from passerelle_tenants.federation.envelopes import HEARTBEAT, Bundle
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.tables import federation_out, federation_peer

#: How exactly it is kept when a network was heard of last.
_HEARD_EXACTLY: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """What a network is told at each sign of life. `asks`: it is away, and is to answer at once."""

    to_tenant: str
    as_of: datetime
    asks: bool

    def bundle(self) -> Bundle:
        return Bundle(kind=HEARTBEAT, bundle_id=uuid4().hex, head={"as_of": self.as_of.isoformat(), "asks": self.asks})


async def sync(office: Office) -> None:
    """Give every other network of the directory its row; one that was never heard of is away until it is."""
    names = {each: name for each, name in (await office.keyring.networks()).items() if each != office.tenant.id}
    if not names or office.known_peers == names:
        return
    now = office.clock.now()
    rows = [{"tenant_id": each, "name": name, "away_since": now, "probe_at": now} for each, name in names.items()]
    added = upsert(federation_peer).values(rows)
    async with office.tenant.database.transaction() as connection:
        await connection.execute(
            added.on_conflict_do_update(
                index_elements=["tenant_id"],
                set_={"name": added.excluded.name},
                where=federation_peer.c.name != added.excluded.name,
            )
        )
    office.known_peers.clear()
    office.known_peers.update(names)


async def signs_due(office: Office) -> list[SignOfLife]:
    """Call away who was silent for `federation.away_seconds`, and take the signs of life that are due."""
    now = office.clock.now()
    rows = await office.tenant.database.fetch(
        _SIGNS_DUE,
        {
            "now": now,
            "silent": now - office.seconds("federation.away_seconds"),
            "next": now + office.seconds("federation.heartbeat_seconds"),
        },
    )
    return [SignOfLife(*row) for row in rows]


async def sign_to(office: Office, peer: str) -> SignOfLife:
    """The sign of life that answers one that asked."""
    [(as_of,)] = await office.tenant.database.fetch(_AS_OF, {"now": office.clock.now(), "peer": peer})
    return SignOfLife(peer, as_of, asks=False)


async def heard(office: Office, peer: str, as_of: datetime | None = None) -> bool:
    """Note that a peer was heard of; true when it was away, and all that it is owed fell due with that.

    `as_of`: until when it says that everything it changed was applied here.
    """
    now = office.clock.now()
    last = office.last_heard.get(peer)
    if as_of is None and last is not None and timedelta() <= now - last < _HEARD_EXACTLY:
        return False
    [(was_away,)] = await office.tenant.database.fetch(_HEARD, {"now": now, "peer": peer, "as_of": as_of})
    office.last_heard[peer] = now
    return bool(was_away)


_NOW = bindparam("now", type_=DateTime(timezone=True))
_PEER = bindparam("peer", type_=Text())
_SILENT = bindparam("silent", type_=DateTime(timezone=True))
_NEXT = bindparam("next", type_=DateTime(timezone=True))


def _as_of(peer: ColumnElement[str]) -> ColumnElement[datetime]:
    """Until when all that was committed here was applied there; what is dead is not."""
    owed = federation_out.c.acked_version < federation_out.c.version

    def oldest(*conditions: ColumnElement[bool]) -> ColumnElement[Any]:
        return (
            select(func.min(federation_out.c.since))
            .where(federation_out.c.to_tenant == peer, owed, *conditions)
            .scalar_subquery()
        )

    alive, dead = federation_out.c.dead_at.is_(None), federation_out.c.dead_at.is_not(None)
    return func.least(_NOW, oldest(alive), oldest(dead), first_unaddressed(), type_=DateTime(timezone=True))


def _signs_due() -> Statement:
    peer = federation_peer
    is_silent = or_(peer.c.heard_at.is_(None), peer.c.heard_at < _SILENT)
    return Statement(
        update(peer)
        .where(or_(peer.c.probe_at.is_(None), peer.c.probe_at <= _NOW))
        .values(
            probe_at=_NEXT,
            away_since=case((is_silent, func.coalesce(peer.c.away_since, _NOW)), else_=peer.c.away_since),
        )
        .returning(peer.c.tenant_id, _as_of(peer.c.tenant_id), peer.c.away_since.is_not(None))
    )


def _heard() -> Statement:
    peer, out = federation_peer, federation_out
    before = (
        select(peer.c.tenant_id, peer.c.away_since.is_not(None).label("was_away"))
        .where(peer.c.tenant_id == _PEER)
        .cte("before")
    )
    noted = (
        update(peer)
        .where(peer.c.tenant_id == before.c.tenant_id)
        .values(
            heard_at=_NOW,
            as_of=func.coalesce(bindparam("as_of", type_=DateTime(timezone=True)), peer.c.as_of),
            away_since=null(),
            probe_at=case((before.c.was_away, _NOW), else_=peer.c.probe_at),
        )
        .returning(peer.c.tenant_id)
        .cte("noted")
    )
    due = (
        update(out)
        .where(
            out.c.to_tenant == before.c.tenant_id,
            before.c.was_away,
            out.c.acked_version < out.c.version,
            out.c.dead_at.is_(None),
            out.c.next_attempt_at > _NOW,
        )
        .values(next_attempt_at=_NOW, attempts=0, sent_version=0)
        .returning(out.c.object_id)
        .cte("due")
    )
    return Statement(select(func.coalesce(func.bool_or(before.c.was_away), false())).add_cte(noted, due))


_SIGNS_DUE: Final = _signs_due()
_AS_OF: Final = Statement(select(_as_of(_PEER)))
_HEARD: Final = _heard()
