"""A professional's sessions in his own calendar application: an address that is secret, and shows no patient.

The address is told once, when it is made; only its hash is kept. Who makes another revokes the one before. Each reading
is decided and journalled as his: whoever left the network reads nothing more. Source: RFC 5545, RFC 7986.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard
from sqlalchemy import ColumnElement, and_, case, exists, insert, or_, select, update

from passerelle.audit import journal
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access as shared
from passerelle.dossier.relations import holds
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS, Clock
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.directory import Directory
from passerelle.kernel.errors import InvalidInput, TryLater
from passerelle.oncology.tables import board, board_member, board_seat, board_session, calendar_feed
from passerelle_policies.vocabulary import Action, ActorKind, Kind

_KEY_OCTETS: Final = 32
_HOUR: Final = timedelta(hours=1)
_DAYS: Final = timedelta(days=1)
_STATUS: Final = {"cancelled": "CANCELLED"}


async def make_address(act: Act) -> str:
    """A new key for the actor's own calendar; the one before opens nothing more. It is said this once.

    Refused: ACCESS_REFUSED but to those who may read sessions; CALENDAR_NOT_YOURS but to a professional.
    """
    await revoke_address(act)
    key = secrets.token_urlsafe(_KEY_OCTETS)
    await act.connection.execute(
        insert(calendar_feed).values(
            feed_id=uuid4(), subject=act.context.actor.subject, key_hash=_hash(key), created_at=act.now
        )
    )
    return key


async def revoke_address(act: Act) -> bool:
    """Revoke the actor's address; false when he has none. Refused: as `make_address`."""
    await shared.require(act, journal.NOBODY, Kind.BOARD_SESSION, Action.READ)
    if act.context.actor.kind is not ActorKind.PROFESSIONAL:
        raise InvalidInput("CALENDAR_NOT_YOURS")
    his = and_(calendar_feed.c.subject == act.context.actor.subject, calendar_feed.c.revoked_at.is_(None))
    revoked = await act.connection.execute(
        update(calendar_feed).where(his).values(revoked_at=act.now).returning(calendar_feed.c.feed_id)
    )
    return revoked.first() is not None


async def read(tenant: Tenant, directory: Directory, clock: Clock, request_id: str, key: str) -> bytes:
    """The calendar at an address (text/calendar).

    Refused: CALENDAR_UNKNOWN alike for an address that never was, one that was revoked, and one of somebody who is not
    in this network any more; CALENDAR_TOO_OFTEN, ACCESS_REFUSED.
    """
    nobody = Actor(kind=ActorKind.SYSTEM, id="calendar", name="Agenda")
    asked = Context(tenant=tenant, actor=nobody, clock=clock, request_id=request_id, directory=directory)
    rpps = await _whose(asked, key)
    known = await directory.professional(rpps)
    if known is None or not known.is_active or not known.practices_in(tenant.id):
        raise InvalidInput("CALENDAR_UNKNOWN")
    actor = Actor(
        kind=ActorKind.PROFESSIONAL, id=rpps, name=known.name, profession=known.profession, specialty=known.specialty
    )
    context = Context(tenant=tenant, actor=actor, clock=clock, request_id=request_id, directory=directory)
    async with transaction(context) as act:
        await shared.require(act, journal.NOBODY, Kind.BOARD_SESSION, Action.READ)
        since = act.now - _DAYS * shared.number(context, "oncology.feed_past_days")
        rows = (await act.connection.execute(_sessions_of(actor.subject, since))).all()
    return _written(tenant, rows)


def is_his(subject: ColumnElement[str | None] | ColumnElement[str] | str) -> ColumnElement[bool]:
    """SQL condition: a row of `board_session` is one that someone sits at or organises."""
    seated = exists().where(board_seat.c.session_id == board_session.c.session_id, board_seat.c.subject == subject)
    held = and_(
        board_member.c.board_id == board_session.c.board_id,
        board_member.c.subject == subject,
        holds(board_member, board_session.c.starts_at),
    )
    organises = exists().where(held, board_member.c.duty.in_(["secretary", "coordinator"]))
    sits = exists().where(held, board_member.c.duty == "member", board_session.c.state.in_(["planned", "cancelled"]))
    return or_(seated, organises, sits)


async def _whose(asked: Context, key: str) -> str:
    """The RPPS number of whose address it is, the reading being counted."""
    now, most = asked.clock.now(), shared.number(asked, "oncology.feed_per_hour")
    hour = now.replace(minute=0, second=0, microsecond=0)
    counted = (
        update(calendar_feed)
        .where(calendar_feed.c.key_hash == _hash(key), calendar_feed.c.revoked_at.is_(None))
        .values(hour=hour, reads=case((calendar_feed.c.hour == hour, calendar_feed.c.reads + 1), else_=1))
        .returning(calendar_feed.c.subject, calendar_feed.c.reads)
    )
    async with asked.tenant.database.transaction() as connection:
        row = (await connection.execute(counted)).one_or_none()
    if row is None:
        raise InvalidInput("CALENDAR_UNKNOWN")
    if row.reads > most:
        raise TryLater("CALENDAR_TOO_OFTEN", retry_after=math.ceil((hour + _HOUR - now).total_seconds()), limit=most)
    return str(row.subject).partition(":")[2]


def _sessions_of(subject: str, since: datetime) -> Any:
    excused = exists().where(
        board_seat.c.session_id == board_session.c.session_id,
        board_seat.c.subject == subject,
        board_seat.c.answer == "excused",
    )
    return (
        select(board_session, board.c.name, excused.label("is_excused"))
        .select_from(board_session.join(board))
        .where(board_session.c.starts_at > since, is_his(subject))
        .order_by(board_session.c.starts_at, board_session.c.session_id)
    )


def _written(tenant: Tenant, rows: Iterable[Any]) -> bytes:
    calendar = Calendar()
    for name, value in (
        ("prodid", "-//Passerelle//RCP//FR"),
        ("version", "2.0"),
        ("calscale", "GREGORIAN"),
        ("method", "PUBLISH"),
        ("x-wr-calname", f"RCP, {tenant.name}"),
    ):
        calendar.add(name, value)
    calendar.add("refresh-interval", _HOUR, parameters={"VALUE": "DURATION"})
    calendar.add_component(_paris())
    for row in rows:
        calendar.add_component(_event(tenant, row))
    octets: bytes = calendar.to_ical()
    return octets


def _event(tenant: Tenant, row: Any) -> Event:
    event = Event()
    event.add("uid", f"{row.session_id}@{tenant.id}.passerelle")
    event.add("sequence", row.sequence)
    event.add("dtstamp", row.changed_at.astimezone(UTC))
    event.add("last-modified", row.changed_at.astimezone(UTC))
    event.add("dtstart", row.starts_at.astimezone(PARIS))
    event.add("dtend", row.ends_at.astimezone(PARIS))
    event.add("summary", row.name)
    event.add("status", _STATUS.get(row.state, "CONFIRMED"))
    event.add("transp", "TRANSPARENT" if row.is_excused else "OPAQUE")
    event.add("class", "PRIVATE")
    if row.place:
        event.add("location", row.place)
    return event


def _paris() -> Timezone:
    """The clock of metropolitan France, by the rule that holds since 1996."""
    paris = Timezone()
    paris.add("tzid", PARIS.key)
    for part, name, begins, before, after, month in (
        (TimezoneStandard(), "CET", datetime(1996, 10, 27, 3), 2, 1, 10),  # noqa: DTZ001 - a wall clock's time
        (TimezoneDaylight(), "CEST", datetime(1996, 3, 31, 2), 1, 2, 3),  # noqa: DTZ001 - a wall clock's time
    ):
        part.add("tzname", name)
        part.add("dtstart", begins)
        part.add("tzoffsetfrom", timedelta(hours=before))
        part.add("tzoffsetto", timedelta(hours=after))
        part.add("rrule", {"freq": "yearly", "bymonth": month, "byday": "-1su"})
        paris.add_component(part)
    return paris


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
