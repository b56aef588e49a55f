"""Who is to hear of what happened: from the outbox to `federation_out`, one statement for thousands of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    SmallInteger,
    TableValuedAlias,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from passerelle.audit.outbox import unaddressed
from passerelle.kernel.prepared import plan_for_bundles
from passerelle_tenants.federation import peers
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.tables import federation_out, federation_peer, federation_version, patient_place
from passerelle_tenants.federation.travellers import Audience, Kinds

#: Events that one turn takes.
AT_ONCE: Final = 2_000

_LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended('federation/addressing', 0))")
_NOW = bindparam("now", type_=DateTime(timezone=True))
_RULE: Final[dict[str, TypeEngine[Any]]] = {
    "event": Text(),
    "kind": Text(),
    "priority": SmallInteger(),
    "audience": Text(),
    "object_key": Text(),
    "network_key": Text(),
    "carries": Boolean(),
}


@dataclass(frozen=True, slots=True)
class Done:
    """What one turn did: events that were looked at, states that are owed for it."""

    events: int
    owed: int


async def address(office: Office) -> Done:
    """Look at the oldest events that nobody looked at, and owe each network what it is to hear of them.

    A state that is owed already is owed anew, under a higher version: it is gathered once for all its changes. What was
    dead lives again.
    """
    await peers.sync(office)  # who is not known yet is told nothing, and an event is looked at once
    given = {"now": office.clock.now(), "limit": AT_ONCE, **_rules(office.kinds)}
    async with office.tenant.database.transaction() as connection:
        await in_turn(connection)
        await plan_for_bundles(connection)  # the plan kept from turns without an event read the whole outbox for each
        events, owed = (await connection.execute(_ADDRESS, given)).one()
    return Done(events, owed)


async def in_turn(connection: AsyncConnection) -> None:
    """Wait until nobody else addresses, before anything else is read: whoever tells a network of a patient as a whole
    (`owing`) leaves no event between that and what is addressed afterwards."""
    await connection.execute(_LOCK)


def owe(rows: FromClause, now: ColumnElement[Any]) -> Insert:
    """SQL: owe what `rows` name, each object once for each network, in the caller's transaction.

    Columns of `rows`: `to_tenant`, `kind`, `object_id`, `patient_id` (nil for nobody), `priority`, `since`, `payload`
    (null for a state). Locks in the order of the key, as whoever else locks several.
    """
    names = ["to_tenant", "kind", "object_id", "patient_id", "priority", "since", "payload"]
    ordered = select(*(rows.c[name] for name in names)).order_by(*(rows.c[name] for name in names[:3])).subquery("owed")
    added = upsert(federation_out).from_select(
        [*names, "version", "next_attempt_at"],
        select(*(ordered.c[name] for name in names), federation_version.next_value(), now),
    )
    was_owed = federation_out.c.acked_version < federation_out.c.version
    return added.on_conflict_do_update(
        index_elements=names[:3],
        set_={
            "patient_id": added.excluded.patient_id,
            "priority": added.excluded.priority,
            # Drawn later, and written first by another: its state, gathered later still, holds this change too.
            "version": func.greatest(federation_out.c.version, added.excluded.version),
            "since": case((was_owed, federation_out.c.since), else_=added.excluded.since),
            "next_attempt_at": added.excluded.next_attempt_at,
            "attempts": 0,
            "deferred": 0,
            "dead_at": null(),
            "code": null(),
            "payload": added.excluded.payload,
        },
    )


def _rules(kinds: Kinds) -> dict[str, list[Any]]:
    """The declarations of every kind, column by column."""
    rows = [
        (event, kind.kind, int(kind.priority), each.to.value, each.object_id or "", each.network or "", each.carries)
        for kind in kinds
        for each in kind.addressed
        for event in each.events
    ]
    columns = zip(*rows, strict=True) if rows else ([] for _ in _RULE)
    return dict(zip(_RULE, map(list, columns), strict=True))


def _rule() -> TableValuedAlias:
    given = (bindparam(name, type_=ARRAY(type_)) for name, type_ in _RULE.items())
    columns = (column(name, type_) for name, type_ in _RULE.items())
    return func.unnest(*given).table_valued(*columns).render_derived("rule")


def _audience(event: FromClause, rule: FromClause) -> FromClause:
    """The networks that a rule names for an event, as rows of `to_tenant`."""

    def is_to(audience: Audience) -> ColumnElement[bool]:
        return rule.c.audience == literal(audience.value)

    in_force = or_(patient_place.c.until.is_(None), patient_place.c.until > _NOW)
    home = patient_place.alias("home")
    is_home_elsewhere = (
        select(home.c.tenant_id)
        .where(home.c.patient_id == event.c.patient_id, home.c.is_home)
        .where(or_(home.c.until.is_(None), home.c.until > _NOW))
        .correlate(event)
        .exists()
    )
    places = select(patient_place.c.tenant_id.label("to_tenant")).where(
        patient_place.c.patient_id == event.c.patient_id,
        in_force,
        or_(
            and_(is_to(Audience.HOME), patient_place.c.is_home),
            and_(is_to(Audience.PLACES), not_(is_home_elsewhere)),
            is_to(Audience.EVERYWHERE),
        ),
    )
    named = event.c.payload.op("->>")(rule.c.network_key)
    peers = select(federation_peer.c.tenant_id).where(
        or_(is_to(Audience.PEERS), and_(is_to(Audience.NAMED), federation_peer.c.tenant_id == named))
    )
    return union_all(places, peers).lateral("heard_by")


def _address() -> Select[int, int]:
    event = unaddressed(_NOW, bindparam("limit", type_=BigInteger()))
    rule = _rule()
    to = _audience(event, rule)
    object_id = case(
        (rule.c.object_key == literal(""), event.c.patient_id),
        else_=cast(event.c.payload.op("->>")(rule.c.object_key), Uuid()),
    )
    found = (
        select(
            to.c.to_tenant,
            rule.c.kind,
            object_id.label("object_id"),
            event.c.patient_id,
            rule.c.priority,
            event.c.at,
            case((rule.c.carries, event.c.payload)).label("payload"),
        )
        .select_from(event.join(rule, rule.c.event == event.c.name).join(to, true()))
        .where(object_id.is_not(None))
        .cte("found")
    )
    once = (
        select(
            found.c.to_tenant,
            found.c.kind,
            found.c.object_id,
            func.array_agg(found.c.patient_id, type_=ARRAY(Uuid()))[1].label("patient_id"),
            func.min(found.c.priority).label("priority"),
            func.min(found.c.at).label("since"),
            func.array_agg(found.c.payload, type_=ARRAY(JSONB()))[1].label("payload"),
        )
        .group_by(found.c.to_tenant, found.c.kind, found.c.object_id)
        .subquery("once")
    )
    written = owe(once, _NOW).returning(federation_out.c.object_id).cte("written")
    return select(
        select(func.count()).select_from(event).scalar_subquery().label("events"),
        select(func.count()).select_from(written).scalar_subquery().label("owed"),
    )


_ADDRESS: Final = _address()
