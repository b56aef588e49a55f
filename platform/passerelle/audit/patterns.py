"""Unusual patterns in a network's journals: six named rules, each an aggregate with its figures.

A finding is a reason to ask, never a proof. Readings are what professionals were shown of a record; what they fed
into it counts for nothing here. Days and nights are those of Paris.
Sources: CNIL, "tracer les opérations" (analyse proactive des traces); RGPD, art. 32 and 39.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Date,
    Float,
    Numeric,
    Select,
    String,
    Text,
    and_,
    case,
    cast,
    collate,
    column,
    distinct,
    extract,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.journal import NOBODY, Outcome
from passerelle.audit.tables import journal
from passerelle.kernel.clock import PARIS
from passerelle_policies.vocabulary import Action, ActorKind, Mode

_SHOWN = {"name": "actor_name", "profession": "actor_profession", "structure": "actor_establishment"}
_READINGS = (Action.READ.value, Action.EXPORT.value, Action.BREAK_GLASS.value)


class Pattern(StrEnum):
    """What is looked for."""

    MANY_PATIENTS = "many_patients"  # in one day, beside his own habit
    AT_NIGHT = "at_night"  # by someone who does not work at night
    SAME_NAME = "same_name"  # as the patient's
    READ_BY_MANY = "read_by_many"  # one record
    EMERGENCIES = "emergencies"  # broken glass, often
    REFUSALS = "refusals"  # in series: looking for someone


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on something is unusual: parameters `oversight.*` of the rules, the network's own if it has any."""

    ratio: int  # times the usual
    habit_days: int  # before the period, from which a habit is taken
    day_patients: int
    night_from: int  # hours of Paris
    night_until: int
    night_patients: int
    night_habit: int  # nights of the habit at most: beyond, he works at night
    readers: int
    emergencies: int
    refusals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusual:
    """One finding: `count` was seen where `usual` was to be expected (when there is something to expect), and
    `least` is from how many on it is told. No professional for a record read by many."""

    pattern: Pattern
    rpps: str | None
    name: str | None
    profession: str | None
    structure: str | None
    patient_id: UUID | None
    day: date | None
    count: int
    usual: float | None
    least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What one rule found: how many in all, and the furthest from the usual."""

    pattern: Pattern
    found: int
    furthest: list[Unusual]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`until` is exclusive."""

    since: datetime
    until: datetime

    def covers(self, at: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(at >= self.since, at < self.until)

    def with_habit(self, limits: Limits) -> Period:
        return Period(since=self.since - timedelta(days=limits.habit_days), until=self.until)


async def of_journal(connection: AsyncConnection, period: Period, limits: Limits, *, first: int) -> list[Review]:
    """What the rules that need the journal alone find, `first` of each at most."""
    rules = {
        Pattern.MANY_PATIENTS: _many_patients,
        Pattern.AT_NIGHT: _at_night,
        Pattern.READ_BY_MANY: _read_by_many,
        Pattern.EMERGENCIES: _emergencies,
        Pattern.REFUSALS: _refusals,
    }
    return [await _review(connection, each, rule(period, limits), first) for each, rule in rules.items()]


async def names_seen(connection: AsyncConnection, period: Period) -> list[tuple[str, str]]:
    """Who came in the period: number and name, as each gave it."""
    came = select(journal.c.actor_id, journal.c.actor_name).where(_by_professional(period)).distinct()
    return [(row.actor_id, row.actor_name) for row in await connection.execute(came)]


async def same_name(
    connection: AsyncConnection,
    period: Period,
    borne: Sequence[tuple[str, str]],
    is_named: Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[bool]],
    *,
    first: int,
) -> Review:
    """Who asked for the record of someone of his own name. `borne` are numbers with a family name, `is_named` the
    SQL condition that a patient has that name."""
    bearer = (
        func.unnest(literal([each[0] for each in borne], ARRAY(Text())), literal([n for _, n in borne], ARRAY(Text())))
        .table_valued(column("rpps", Text()), column("family", Text()))
        .render_derived("bearer")
    )
    asked = (
        select(
            *_who(),
            journal.c.patient_id,
            _none(Date()).label("day"),
            func.count(distinct(journal.c.line_id)).label("count"),
        )
        .join(bearer, bearer.c.rpps == journal.c.actor_id)
        .where(
            _by_professional(period), journal.c.action.in_(_READINGS), is_named(journal.c.patient_id, bearer.c.family)
        )
        .group_by(journal.c.actor_id, journal.c.patient_id)
        .cte("asked")
    )
    return await _review(connection, Pattern.SAME_NAME, _told(asked, literal(1)), first)


def _many_patients(period: Period, limits: Limits) -> Select[Any]:
    days = _readings(period.with_habit(limits), by=_local().cast(Date), now=period)
    his = (
        select(days.c.rpps, func.percentile_cont(0.5).within_group(days.c.count).label("usual"))
        .where(~days.c.now)
        .group_by(days.c.rpps)
        .cte("his")
    )
    theirs = (
        select(days.c.profession, func.percentile_cont(0.5).within_group(days.c.count).label("usual"))
        .group_by(days.c.profession)
        .cte("theirs")
    )
    usual = cast(func.coalesce(his.c.usual, theirs.c.usual), Float())
    compared = (
        select(days, usual.label("usual"))
        .outerjoin(his, his.c.rpps == days.c.rpps)
        .join(theirs, theirs.c.profession.is_not_distinct_from(days.c.profession))
        .where(days.c.now)
        .cte("compared")
    )
    return _worst(compared, func.greatest(limits.day_patients, limits.ratio * compared.c.usual), compared.c.usual)


def _at_night(period: Period, limits: Limits) -> Select[Any]:
    hour = extract("hour", _local())
    evening = (_local() - _inline(f"interval '{limits.night_until:d} hours'")).cast(Date)
    nights = _readings(
        period.with_habit(limits),
        by=evening,
        only=or_(hour >= limits.night_from, hour < limits.night_until),
        now=period,
    )
    worked = (
        select(nights.c.rpps, func.count().label("usual")).where(~nights.c.now).group_by(nights.c.rpps).cte("worked")
    )
    usual = func.coalesce(worked.c.usual, 0)
    compared = (
        select(nights, usual.label("usual"))
        .outerjoin(worked, worked.c.rpps == nights.c.rpps)
        .where(nights.c.now, usual <= limits.night_habit)
        .cte("compared")
    )
    return _worst(compared, literal(limits.night_patients), compared.c.usual)


def _read_by_many(period: Period, limits: Limits) -> Select[Any]:
    nobody = [_none(String()).label(name) for name in ("rpps", "name", "profession", "structure")]
    pair = select(journal.c.patient_id, journal.c.actor_id).where(_is_reading(period)).distinct().cte("pair")
    records = (
        select(*nobody, pair.c.patient_id, _none(Date()).label("day"), func.count().label("count"))
        .group_by(pair.c.patient_id)
        .cte("records")
    )
    median = select(cast(func.percentile_cont(0.5).within_group(records.c.count), Float())).scalar_subquery()
    return _told(records, func.greatest(limits.readers, limits.ratio * median), median)


def _emergencies(period: Period, limits: Limits) -> Select[Any]:
    broken = or_(journal.c.action == Action.BREAK_GLASS.value, journal.c.mode == Mode.BREAK_GLASS.value)
    return _told(_readings(period, only=broken), literal(limits.emergencies))


def _refusals(period: Period, limits: Limits) -> Select[Any]:
    # Whoever asks for patients that are unknown here is filed under nobody, one line for each.
    whom = case(
        (journal.c.patient_id == NOBODY, cast(journal.c.line_id, Text())), else_=cast(journal.c.patient_id, Text())
    )
    day = _local().cast(Date)
    refused = (
        select(
            *_who(),
            _none(journal.c.patient_id.type).label("patient_id"),
            day.label("day"),
            func.count(distinct(whom)).label("count"),
        )
        .where(_by_professional(period), journal.c.outcome == Outcome.REFUSED.value)
        .group_by(journal.c.actor_id, day)
        .cte("refused")
    )
    return _worst(refused, literal(limits.refusals))


def _local() -> ColumnElement[Any]:
    return func.timezone(_inline(f"'{PARIS}'"), journal.c.at)


def _inline(sql: str) -> ColumnElement[Any]:
    """What is grouped by must be the same text twice: no bind parameter in it."""
    return literal_column(sql)


def _none(type_: Any) -> ColumnElement[Any]:
    return cast(null(), type_)


def _by_professional(period: Period) -> ColumnElement[bool]:
    return and_(period.covers(journal.c.at), journal.c.actor_kind == ActorKind.PROFESSIONAL.value)


def _is_reading(period: Period) -> ColumnElement[bool]:
    return and_(
        _by_professional(period),
        journal.c.action.in_(_READINGS),
        journal.c.outcome == Outcome.ALLOWED.value,
        journal.c.patient_id != NOBODY,
    )


def _who() -> list[ColumnElement[Any]]:
    return [
        journal.c.actor_id.label("rpps"),
        *(
            func.max(collate(journal.c[column], "C")).label(name)  # any would do: octets compare fast
            for name, column in _SHOWN.items()
        ),
    ]


def _readings(
    period: Period,
    *,
    by: ColumnElement[Any] | None = None,
    only: ColumnElement[bool] | None = None,
    now: Period | None = None,
) -> CTE:
    """For each professional (and day or night, `by`): how many patients he read of; `now` when that day is one that
    the period touches. Pairs are made first: they hash, where a count of distinct patients would sort every line."""
    day = _none(Date()) if by is None else by
    keys = [journal.c.actor_id, journal.c.patient_id, *([] if by is None else [by])]
    touched = func.bool_or(now.covers(journal.c.at)) if now else true()
    read = select(*_who(), journal.c.patient_id, day.label("day"), touched.label("now")).where(_is_reading(period))
    pair = (read if only is None else read.where(only)).group_by(*keys).cte("pair")
    return (
        select(
            pair.c.rpps,
            *(func.max(pair.c[name]).label(name) for name in ("name", "profession", "structure")),
            _none(pair.c.patient_id.type).label("patient_id"),
            pair.c.day,
            func.count().label("count"),
            func.bool_or(pair.c.now).label("now"),
        )
        .group_by(pair.c.rpps, pair.c.day)
        .cte("readings")
    )


def _told(seen: CTE, least: ColumnElement[Any], usual: ColumnElement[Any] | None = None) -> Select[Any]:
    """The rows of `seen` that come up to `least`, with the columns of a finding."""
    names = ("rpps", "name", "profession", "structure", "patient_id", "day", "count")
    return select(
        *(seen.c[name] for name in names),
        (_none(Float()) if usual is None else usual).label("usual"),
        cast(least, Float()).label("least"),
    ).where(seen.c.count >= least)


def _worst(seen: CTE, least: ColumnElement[Any], usual: ColumnElement[Any] | None = None) -> Select[Any]:
    """`_told`, but one row for each professional: the day that is furthest."""
    return (
        _told(seen, least, usual).ext(distinct_on(seen.c.rpps)).order_by(seen.c.rpps, seen.c.count.desc(), seen.c.day)
    )


async def _review(connection: AsyncConnection, pattern: Pattern, rule: Select[Any], first: int) -> Review:
    found = rule.cte("found")
    shown = (
        select(found, func.count().over().label("in_all"))
        .order_by(
            (cast(found.c.count, Numeric()) / cast(found.c.least, Numeric())).desc(), found.c.rpps, found.c.patient_id
        )
        .limit(first)
    )
    rows = [dict(row) for row in (await connection.execute(shown)).mappings()]
    in_all = [row.pop("in_all") for row in rows]
    return Review(
        pattern=pattern, found=in_all[0] if in_all else 0, furthest=[Unusual(pattern=pattern, **row) for row in rows]
    )
