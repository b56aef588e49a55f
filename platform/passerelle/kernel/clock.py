"""One clock, injected, so that a test can live through ten years."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
_Day = TypeVar("_Day", bound=date)
_NEVER = datetime.max.replace(tzinfo=UTC)


class Clock(Protocol):
    """Tells the time. `now` is always aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def set(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        self._at += by


def legal_day(clock: Clock) -> date:
    """The day in metropolitan France, on which a rule is or is not in force."""
    global _day
    begins, ends, day = _day
    if not begins <= (now := clock.now()) < ends:
        day = now.astimezone(PARIS).date()
        begins, ends = (
            datetime.combine(each, time(), PARIS).astimezone(UTC) for each in (day, day + timedelta(days=1))
        )
        _day = begins, ends, day
    return day


#: The legal day last asked for, from its midnight to the next: a request asks often, and mostly of today.
_day: tuple[datetime, datetime, date] = (_NEVER, _NEVER, date.max)


def written_day(at: datetime) -> str:
    """The legal day of an instant as people read it: 31/12/2026."""
    return f"{at.astimezone(PARIS):%d/%m/%Y}"


def months_before(instant: _Day, months: int) -> _Day:
    """The same day `months` earlier, or the last day of that month when it is shorter."""
    index = instant.year * 12 + instant.month - 1 - months
    year, month = divmod(index, 12)
    day = instant.day
    if day > 28:  # up to there every month has it
        day = min(day, calendar.monthrange(year, month + 1)[1])
    return instant.replace(year=year, month=month + 1, day=day)


def days_after(instant: datetime, days: int) -> datetime:
    """The same hour in Paris so many days later: delays of the law are days of the calendar, not times 24 hours."""
    return _last(instant.astimezone(PARIS) + timedelta(days=days))


def months_after(instant: datetime, months: int) -> datetime:
    """The same hour in Paris on the same day so many months later, or on the last day of a shorter month."""
    return _last(months_before(instant.astimezone(PARIS), -months))


def _last(local: datetime) -> datetime:
    """In UTC. When the hour comes twice or not at all that day, the later reading: a delay never ends early."""
    return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
