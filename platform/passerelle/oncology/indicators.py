"""What the boards of a network did in a period, for the network itself: counts and delays, of no patient by name.

A period is a whole one, of the length that `activity.period_months` says, and over: no two overlap, none is still
growing, so that nothing is learnt by comparing them. Small counts are withheld with what would give them away
(`small_counts`). Sources: circulaire DHOS/SDO n° 2005-101 of 22 February 2005; INCa, référentiel des RCP; the threshold
is of the operator. Decision 0126.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Select,
    Subquery,
    and_,
    bindparam,
    cast,
    func,
    select,
    tuple_,
)

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.kernel.clock import PARIS, legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.oncology.small_counts import Tree, is_small, withheld, withheld_part
from passerelle.oncology.tables import board, board_case, board_session, board_sheet, recourse_case, recourse_referral
from passerelle_policies.vocabulary import Action, Kind

_MONTHS: Final = 12
_SINCE = bindparam("activity_since", type_=DateTime(timezone=True))
_UNTIL = bindparam("activity_until", type_=DateTime(timezone=True))


class Level(StrEnum):
    """What a line of the activity is about; each line adds up those of the next level below it."""

    NETWORK = "network"
    KIND = "kind"
    ORGAN = "organ"
    BOARD = "board"


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A delay, in days: half of the cases waited no longer than `p50`, nine in ten no longer than `p90`."""

    p50: int
    p90: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The activity of a board, of an organ, of a kind, of all. What is None is withheld.

    `discussed` and `registered_only` are what was asked of the boards; `referred`, the cases that another network was
    asked about; `lent`, those that other networks asked about here; `sheets`, the cases whose sheet was approved.
    """

    level: Level
    kind: str | None = None
    organ: str | None = None
    board_id: UUID | None = None
    name: str | None = None
    sessions_held: int = 0
    sessions_in_quorum: int = 0
    sessions_cancelled: int = 0
    cases: int | None = 0
    discussed: int | None = 0
    registered_only: int | None = 0
    off_standard: int | None = 0
    referred: int | None = 0
    sheets: int | None = 0
    lent: int | None = 0
    to_session: Days | None = None
    to_sheet: Days | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The activity of a period, whose last day is not in it; `least` is the smallest count that is shown."""

    since: date
    until: date
    least: int
    lines: tuple[Line, ...]


async def activity(act: Act, since: date, *, exported: bool = False) -> Activity:
    """The activity of the period that begins on `since`, for the cancer network; its reading is journalled.

    Refused: ACCESS_REFUSED; ACTIVITY_PERIOD_INVALID for a day that begins no period, ACTIVITY_PERIOD_NOT_OVER.
    """
    period = period_of(act.context, since)
    action = Action.EXPORT if exported else Action.READ
    await access.require(act, journal.NOBODY, Kind.BOARD_ACTIVITY, action, reason=period.reason)
    return await counted(act, period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A whole period; its last day is not in it."""

    since: date
    until: date

    @property
    def reason(self) -> str:
        """What the journal keeps of it."""
        return f"{self.since}/{self.until}"


def period_of(context: Context, since: date) -> Period:
    """The period that begins on a day. Refused: ACTIVITY_PERIOD_INVALID."""
    return Period(since=since, until=_end_of(context, since))


async def counted(act: Act, period: Period) -> Activity:
    """The activity of a period, to whoever was let in. Refused: ACTIVITY_PERIOD_NOT_OVER."""
    if act.now < _midnight(period.until):
        said = {"until": period.until.isoformat(), "newest": _newest(act.context)}
        raise Conflict("ACTIVITY_PERIOD_NOT_OVER", **said)
    given = {"activity_since": _midnight(period.since), "activity_until": _midnight(period.until)}
    boards = (await act.connection.execute(_BOARDS, given)).mappings().all()
    found = {_key(row): row for row in (await act.connection.execute(_CASES, given)).mappings()}
    least = access.number(act.context, "activity.small_count")
    return Activity(since=period.since, until=period.until, least=least, lines=tuple(_lines(boards, found, least)))


def _end_of(context: Context, since: date) -> date:
    months = access.number(context, "activity.period_months")
    if since.day != 1 or (since.month - 1) % months or _MONTHS % months or since.year >= date.max.year:
        raise InvalidInput("ACTIVITY_PERIOD_INVALID", months=months, newest=_newest(context))
    last = since.month - 1 + months
    return date(since.year + last // _MONTHS, last % _MONTHS + 1, 1)


def _newest(context: Context) -> str:
    """The first day of the newest period that is over."""
    today, months = legal_day(context.clock), access.number(context, "activity.period_months")
    began = (today.year * _MONTHS + today.month - 1) // months * months - months
    return date(began // _MONTHS, began % _MONTHS + 1, 1).isoformat()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, PARIS)


_Key = tuple[str | None, str | None, UUID | None]


def _key(row: Mapping[str, Any]) -> _Key:
    """Kind, organ and board of a line; of a board without organ, the empty one stands for none."""
    return row["kind"], row["organ"], row["board_id"]


def _lines(boards: Iterable[Mapping[str, Any]], counted: Mapping[_Key, Mapping[str, Any]], least: int) -> list[Line]:
    """A tree of lines, each before those that it adds up."""
    keys: list[_Key] = [(None, None, None)]
    parents: list[int | None] = [None]
    about: dict[_Key, Mapping[str, Any]] = {}
    for row in boards:
        key = _key(row)
        kind, organ, _ = key
        about[key] = row
        above = 0
        for each in ((kind, None, None), (kind, organ, None), key):
            if each not in keys:
                keys.append(each)
                parents.append(above)
            above = keys.index(each)
    tree = Tree(tuple(parents))
    none: dict[str, Any] = {}
    rows = [counted.get(key, none) for key in keys]
    wholes = [row.get("cases", 0) for row in rows]
    hidden = withheld(tree, wholes, least)
    parts = {
        name: ([row.get(name, 0) for row in rows], _hidden_part(tree, rows, name, wholes, hidden, least))
        for name in ("discussed", "off_standard", "referred", "sheets")
    }
    own = {name: _summed(keys, about, name) for name in _OF_BOARDS}
    lent_hidden = withheld(tree, own["lent"], least)
    lines = []
    for node, key in enumerate(keys):
        shown = {name: None if node in kept else counts[node] for name, (counts, kept) in parts.items()}
        cases, row = None if node in hidden else wholes[node], rows[node]
        discussed = shown["discussed"]
        lines.append(
            Line(
                level=_level(key),
                kind=key[0],
                organ=key[1] or None,
                board_id=key[2],
                name=about[key]["name"] if key in about else None,
                sessions_held=own["sessions_held"][node],
                sessions_in_quorum=own["sessions_in_quorum"][node],
                sessions_cancelled=own["sessions_cancelled"][node],
                cases=cases,
                discussed=discussed,
                registered_only=None if cases is None or discussed is None else cases - discussed,
                off_standard=shown["off_standard"],
                referred=shown["referred"],
                sheets=shown["sheets"],
                lent=None if node in lent_hidden else own["lent"][node],
                to_session=_days(row, "to_session", cases, least),
                to_sheet=_days(row, "to_sheet", shown["sheets"], least),
            )
        )
    return lines


_OF_BOARDS: Final = ("sessions_held", "sessions_in_quorum", "sessions_cancelled", "lent")


def _hidden_part(
    tree: Tree,
    rows: list[Mapping[str, Any]],
    name: str,
    wholes: list[int],
    hidden: frozenset[int],
    least: int,
) -> frozenset[int]:
    return withheld_part(tree, [row.get(name, 0) for row in rows], wholes, hidden, least)


def _summed(keys: list[_Key], about: Mapping[_Key, Mapping[str, Any]], name: str) -> list[int]:
    """A count of each board, added up for the lines above it."""
    return [
        sum(
            row[name]
            for (kind, organ, board_id), row in about.items()
            if key in ((None, None, None), (kind, None, None), (kind, organ, None), (kind, organ, board_id))
        )
        for key in keys
    ]


def _level(key: _Key) -> Level:
    kind, organ, board_id = key
    if board_id is not None:
        return Level.BOARD
    if organ is not None:
        return Level.ORGAN
    return Level.NETWORK if kind is None else Level.KIND


def _days(row: Mapping[str, Any], name: str, of: int | None, least: int) -> Days | None:
    """A delay of enough cases to be told."""
    if not of or is_small(of, least) or row[f"{name}_p50"] is None:
        return None
    return Days(p50=row[f"{name}_p50"], p90=row[f"{name}_p90"])


def _day(at: Any) -> ColumnElement[Any]:
    return cast(func.timezone(PARIS.key, at), Date)


def _each_case() -> Subquery:
    """A line for each case of the period, whoever's it is: nothing that names him."""
    approved = (
        select(func.min(board_sheet.c.approved_at))
        .where(board_sheet.c.patient_id == board_case.c.patient_id, board_sheet.c.case_id == board_case.c.case_id)
        .scalar_subquery()
    )
    referred = (
        select(recourse_referral.c.referral_id)
        .where(
            recourse_referral.c.patient_id == board_case.c.patient_id,
            recourse_referral.c.case_id == board_case.c.case_id,
            recourse_referral.c.state != "withdrawn",
        )
        .exists()
    )
    return (
        select(
            board.c.kind,
            func.coalesce(board.c.organ, "").label("organ"),
            board.c.board_id,
            (board_case.c.discussion == "discussed").label("discussed"),
            board_case.c.off_standard,
            referred.label("referred"),
            approved.is_not(None).label("sheets"),
            (_day(board_session.c.starts_at) - _day(board_case.c.registered_at)).label("to_session"),
            (_day(approved) - _day(board_session.c.starts_at)).label("to_sheet"),
        )
        .select_from(board_session.join(board).join(board_case))
        .where(_in_period(), board_case.c.state.in_(["registered", "heard"]))
        .subquery("each_case")
    )


def _in_period() -> ColumnElement[bool]:
    held = board_session.c.state.in_(["held", "held_without_quorum"])
    return and_(board_session.c.starts_at >= _SINCE, board_session.c.starts_at < _UNTIL, held)


def _counted_cases() -> Select[Any]:
    one = _each_case()
    by = (one.c.kind, one.c.organ, one.c.board_id)

    def percentile(share: float, of: ColumnElement[Any], name: str) -> ColumnElement[Any]:
        return func.percentile_disc(share).within_group(of).label(name)

    return select(
        *by,
        func.count().label("cases"),
        *(func.count().filter(one.c[name]).label(name) for name in ("discussed", "off_standard", "referred", "sheets")),
        *(
            percentile(share, one.c[name], f"{name}_p{share * 100:.0f}")
            for name in ("to_session", "to_sheet")
            for share in (0.5, 0.9)
        ),
    ).group_by(func.grouping_sets(tuple_(*by), tuple_(*by[:2]), tuple_(by[0]), tuple_()))


def _counted_boards() -> Select[Any]:
    """Every board, with its sessions of the period, and what other networks lent it."""
    state = board_session.c.state
    in_period = and_(board_session.c.starts_at >= _SINCE, board_session.c.starts_at < _UNTIL)
    sessions = (
        select(
            board_session.c.board_id,
            func.count().filter(state.in_(["held", "held_without_quorum"])).label("sessions_held"),
            func.count().filter(state == "held").label("sessions_in_quorum"),
            func.count().filter(state == "cancelled").label("sessions_cancelled"),
        )
        .where(in_period)
        .group_by(board_session.c.board_id)
        .subquery("sessions")
    )
    lent = (
        select(board_session.c.board_id, func.count().label("lent"))
        .select_from(recourse_case.join(board_session))
        .where(_in_period(), recourse_case.c.state.in_(["received", "heard", "returned"]))
        .group_by(board_session.c.board_id)
        .subquery("lent")
    )
    counts = [*(sessions.c[name] for name in _OF_BOARDS if name != "lent"), lent.c.lent]
    return (
        select(
            board.c.kind,
            func.coalesce(board.c.organ, "").label("organ"),
            board.c.board_id,
            board.c.name,
            *(func.coalesce(each, 0).label(each.name) for each in counts),
        )
        .select_from(
            board.outerjoin(sessions, sessions.c.board_id == board.c.board_id).outerjoin(
                lent, lent.c.board_id == board.c.board_id
            )
        )
        .order_by(board.c.kind, board.c.organ, board.c.name, board.c.board_id)
    )


_BOARDS: Final = _counted_boards()
_CASES: Final = _counted_cases()
