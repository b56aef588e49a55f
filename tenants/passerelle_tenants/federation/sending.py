"""Giving a carrier what is owed and due, in bundles, until the other network acknowledged it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import structlog
from sqlalchemy import (
    BigInteger,
    DateTime,
    Double,
    Interval,
    SmallInteger,
    Text,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    true,
    update,
    values,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import plan_for_bundles
from passerelle_tenants.federation import peers
from passerelle_tenants.federation.envelopes import STATES, Bundle, Unsealable, seal
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.tables import HASTY, ROW, federation_out, federation_peer
from passerelle_tenants.federation.travellers import BUNDLE, Owed, Priority

_log = structlog.get_logger("passerelle.federation")
# Of a wait, how much it may be shorter or longer: what failed together does not come back together.
_JITTER: Final = 0.2
#: What is marked as sent, and gathered, in one transaction.
_AT_ONCE: Final = 4 * BUNDLE


@dataclass(frozen=True, slots=True)
class Sent:
    """What one turn gave to the carrier; `failed`: envelopes that it did not take, whose states fall due again."""

    bundles: int = 0
    states: int = 0
    failed: int = 0

    def __add__(self, other: Sent) -> Sent:
        return Sent(self.bundles + other.bundles, self.states + other.states, self.failed + other.failed)


async def send_due(office: Office) -> Sent:
    """Send every peer that answers what is owed to it and due, and every peer its sign of life when that is due.

    Returns when nothing is due, or as much is on its way as may be (`pace`, `federation.window` at most): the
    acknowledgements that come in send the rest (`taking_in`).
    """
    await peers.sync(office)
    done = Sent()
    for sign in await peers.signs_due(office):
        done += await give(office, sign.to_tenant, sign.bundle())
    window = office.number("federation.window")
    for peer, on_way in await office.tenant.database.fetch(_ON_WAY, {"now": office.clock.now(), "window": window}):
        office.pace(peer).on_way = on_way
        done += await send_to(office, peer)
    return done


async def send_to(office: Office, peer: str) -> Sent:
    """Send one peer what is due, as much as there is room for; of what narrows a view, all. No more once a carrier
    failed: what was not given to it falls due again."""
    done, room = Sent(), office.pace(peer).room
    while True:
        taken = await _take(office, peer, room)
        if not taken:
            return done
        office.pace(peer).on_way += len(taken)
        done += await _send(office, peer, taken)
        room -= len(taken)
        # What narrows goes first: where something else went, none of it is left.
        is_all = len(taken) < _AT_ONCE if room > 0 else any(row[-1] > Priority.NARROWS for row in taken)
        if is_all or done.failed:
            return done


async def give(office: Office, peer: str, bundle: Bundle) -> Sent:
    """Seal a bundle and have it carried. What goes wrong is logged: whatever matters is sent again."""
    try:
        await office.carrier.carry(peer, await seal(office, peer, bundle))
    except Unsealable:
        _log.warning("no key to seal with", tenant=office.tenant.id, peer=peer)
    except Exception as error:  # noqa: BLE001 - a carrier may fail in any way it likes
        _log.warning("not carried", tenant=office.tenant.id, peer=peer, kind=bundle.kind, error=type(error).__name__)
    else:
        return Sent(bundles=1)
    return Sent(failed=1)


async def _take(office: Office, peer: str, room: int) -> list[tuple[Any, ...]]:
    """Mark some bundles of what is due as sent, and commit that: should it be lost from here on, it falls due."""
    return await office.tenant.database.fetch(
        _TAKE,
        {
            "now": office.clock.now(),
            "peer": peer,
            "lowest": int(max(Priority) if room > 0 else Priority.NARROWS),
            "limit": min(room, _AT_ONCE) if room > 0 else BUNDLE,
            "wait": office.number("federation.retry_seconds"),
            "longest": office.number("federation.retry_seconds_max"),
        },
    )


async def _send(office: Office, peer: str, taken: list[tuple[Any, ...]]) -> Sent:
    by_rank = sorted(taken, key=lambda row: int(row[-1]))
    parts = [by_rank[first : first + BUNDLE] for first in range(0, len(by_rank), BUNDLE)]
    async with office.tenant.database.transaction() as connection:
        await plan_for_bundles(connection)
        bundles = [await _gathered(office, connection, peer, each) for each in parts]
    done = Sent()
    for part, bundle in zip(parts, bundles, strict=True):
        given = await give(office, peer, bundle)
        done += Sent(given.bundles, len(part) if given.bundles else 0, given.failed)
        if given.failed:
            break
    return done


async def _gathered(office: Office, connection: AsyncConnection, peer: str, taken: list[tuple[Any, ...]]) -> Bundle:
    by_kind: dict[str, list[Owed]] = defaultdict(list)
    for kind, object_id, patient_id, version, payload, *_ in taken:
        by_kind[kind].append(Owed(object_id=object_id, patient_id=patient_id, version=version, payload=payload))
    parts: dict[str, bytes] = {}
    for traveller in office.kinds:
        if owed := by_kind.get(traveller.kind):
            gathered = await traveller.gather(connection, peer, owed)
            parts[traveller.kind] = gathered if isinstance(gathered, bytes) else gathered.encode()
    states = {
        kind: [[each.object_id.hex for each in by_kind[kind]], [each.version for each in by_kind[kind]]]
        for kind in parts
    }
    return Bundle(kind=STATES, bundle_id=uuid4().hex, head={"states": states}, parts=parts)


_OWED: Final = and_(federation_out.c.acked_version < federation_out.c.version, federation_out.c.dead_at.is_(None))
_NOW = bindparam("now", type_=DateTime(timezone=True))


def _on_way() -> Statement:
    """Each peer that answers and has something due, with how much is on its way to it."""
    out, peer = federation_out, federation_peer
    of_peer = and_(out.c.to_tenant == peer.c.tenant_id, _OWED)
    window = bindparam("window", type_=BigInteger())
    on_its_way = (
        select(out.c.object_id)
        .where(of_peer, out.c.next_attempt_at > _NOW, out.c.sent_version == out.c.version)
        .limit(window)
        .correlate(peer)
        .subquery()
    )
    # As a value: as a condition (EXISTS), PostgreSQL may look for everything that is due to everybody first.
    due = select(true()).where(of_peer, out.c.next_attempt_at <= _NOW).limit(1).correlate(peer).scalar_subquery()
    count = select(func.count()).select_from(on_its_way).scalar_subquery()
    return Statement(select(peer.c.tenant_id, count).where(peer.c.away_since.is_(None), due))


def _take_due() -> Statement:
    out = federation_out
    peer, limit = bindparam("peer", type_=Text()), bindparam("limit", type_=BigInteger())
    rank = values(column("priority", SmallInteger()), name="rank").data([(int(each),) for each in Priority])
    of_rank = (
        select(ROW, out.c.next_attempt_at)
        .where(out.c.to_tenant == peer, out.c.priority == rank.c.priority, _OWED, out.c.next_attempt_at <= _NOW)
        .order_by(out.c.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .lateral("of_rank")
    )
    due = (
        select(of_rank.c.place)
        .select_from(rank.join(of_rank, true()))
        .where(rank.c.priority <= bindparam("lowest", type_=SmallInteger()))
        .order_by(rank.c.priority, of_rank.c.next_attempt_at)
        .limit(limit)
        .cte("due")
    )
    hasty = select(HASTY).cte("hasty")
    wait = func.least(
        bindparam("wait", type_=Double()) * func.power(literal(2.0), func.least(out.c.attempts, 20)),
        bindparam("longest", type_=Double()),
    ) * (1 - _JITTER + 2 * _JITTER * func.random())
    return Statement(
        update(out)
        .where(ROW.element == due.c.place)
        .values(
            sent_version=out.c.version,
            sent_at=_NOW,
            attempts=out.c.attempts + 1,
            next_attempt_at=_NOW + wait * literal(timedelta(seconds=1), Interval()),
        )
        .returning(
            *(out.c[name] for name in ("kind", "object_id", "patient_id", "version")),
            cast(out.c.payload, Text()),
            select(hasty.c.hasty).scalar_subquery(),
            out.c.priority,
        )
    )


_ON_WAY: Final = _on_way()
_TAKE: Final = _take_due()
