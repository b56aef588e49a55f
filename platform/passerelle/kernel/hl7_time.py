"""HL7 points in time of any precision (HL7 v3 TS and v2 DTM): `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+ZZZZ]`.

A time stands for a range: `2021` is the whole year. What clinical documents hold is often less than a time
(a date only) and sometimes no time at all; the text is always kept as given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from passerelle.kernel.clock import PARIS

_SHAPE: Final = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d{2})(?:(?P<day>\d{2})(?:(?P<hour>\d{2})(?:(?P<minute>\d{2})"
    r"(?:(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?)?)?)?)?(?P<rest>.*)",
    re.ASCII | re.DOTALL,
)
_OFFSET: Final = re.compile(r"([+-])(\d{2}):?(\d{2})?|Z", re.ASCII)
_PARTS: Final = ("year", "month", "day", "hour", "minute", "second", "fraction")
_UNIT: Final = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}
_TICK: Final = timedelta(microseconds=1)
_MAX_OFFSET: Final = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class Hl7Time:
    """A time as given and the range it may mean, both ends included and in UTC.

    `precision` is year, month, day, hour, minute, second or fraction, and empty when nothing could be read.
    `is_broken` is true when the text is not an HL7 time of our calendar; the range is then that of its longest
    readable beginning, or None.
    """

    given: str
    earliest: datetime | None
    latest: datetime | None
    precision: str
    is_broken: bool

    @classmethod
    def parse(cls, text: str | None, *, default: tzinfo = PARIS) -> Hl7Time:
        """Read any text; never raises. `default` is the zone of a time without offset (UTC in ebRIM)."""
        given = text or ""
        stripped = given.strip()
        shape = _SHAPE.fullmatch(stripped)
        if shape is None:
            return cls(given, None, None, "", True)
        zone = _zone(shape["rest"], default)
        is_broken = zone is None
        for length in range(sum(shape[part] is not None for part in _PARTS), 0, -1):
            parts = _PARTS[:length]
            window = _window([shape[part] for part in parts], zone or default)
            if window is not None:
                return cls(given, *window, parts[-1], is_broken)
            is_broken = True
        return cls(given, None, None, "", True)


def _zone(text: str, default: tzinfo) -> tzinfo | None:
    """The zone that the end of a time names; None when it is not a zone."""
    if not text:
        return default
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    if match[1] is None:
        return UTC
    hours, minutes = int(match[2]), int(match[3] or 0)
    offset = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or offset > _MAX_OFFSET:
        return None
    return timezone(-offset if match[1] == "-" else offset)


def _window(parts: list[str], zone: tzinfo) -> tuple[datetime, datetime] | None:
    """First and last instant of the unit that `parts` name; None when the calendar does not have it."""
    numbers = [int(part) for part in parts[:6]]
    precision = _PARTS[len(parts) - 1]
    year, month, day, hour, minute, second = (*numbers, *(1, 1, 1, 0, 0, 0)[len(numbers) :])
    if second == 60:  # a leap second: the last second of its minute
        second = 59
    try:
        start = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  given its zone below
        if precision == "fraction":
            fraction = parts[6]
            start = start.replace(microsecond=int(fraction[:6].ljust(6, "0")))
            end = start + timedelta(microseconds=10 ** max(0, 6 - len(fraction)))
        elif precision == "year":
            end = start.replace(year=year + 1)
        elif precision == "month":
            end = start.replace(year=year + month // 12, month=month % 12 + 1)
        else:
            end = start + _UNIT[precision]
        # An hour that comes twice or never, when clocks change, has two readings: the range takes both.
        readings = [start.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
        endings = [end.replace(tzinfo=zone, fold=fold).astimezone(UTC) - _TICK for fold in (0, 1)]
        return min(readings), max(*endings, min(readings))
    except (ValueError, OverflowError):
        return None
