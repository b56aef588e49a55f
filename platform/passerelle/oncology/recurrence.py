"""The days on which a board meets, as its charter says them (RFC 5545, RRULE).

Only what names days is taken: the hour is that of the first session, in Paris, summer and winter alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

from dateutil.rrule import rrulestr

from passerelle.kernel.clock import PARIS
from passerelle.kernel.errors import InvalidInput

_PART: Final = re.compile(r"([A-Z]+)=([A-Z0-9,+-]{1,60})", re.ASCII)
_DAY: Final = "(?:MO|TU|WE|TH|FR|SA|SU)"
_MONTHLY: Final = frozenset({"MONTHLY"})
_ALL: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY"})
# What each part may say, of which frequencies. Nothing that might never fall: dateutil would look for it until 9999.
_SAYS: Final = {
    "INTERVAL": (re.compile(r"[1-9]|[1-4]\d|5[0-2]", re.ASCII), _ALL),
    "BYDAY": (re.compile(rf"{_DAY}(?:,{_DAY}){{0,6}}"), _ALL),
    "BYMONTH": (re.compile(r"(?:[1-9]|1[0-2])(?:,(?:[1-9]|1[0-2])){0,11}", re.ASCII), _ALL - _MONTHLY),
    "BYSETPOS": (re.compile(r"[+-]?[1-4]", re.ASCII), _MONTHLY),
    "BYMONTHDAY": (re.compile(r"-?(?:[1-9]|1\d|2[0-8])(?:,-?(?:[1-9]|1\d|2[0-8])){0,9}", re.ASCII), _MONTHLY),
    "WKST": (re.compile(_DAY), _ALL),
}
_NUMBERED: Final = re.compile(rf"[+-]?[1-5]{_DAY}(?:,[+-]?[1-5]{_DAY}){{0,6}}", re.ASCII)


def checked(rule: str) -> str:
    """The rule as it is kept.

    Refused: RECURRENCE_INVALID for what is no rule, and for one that says more than on which days of the week, or of
    the month, a board meets.
    """
    found = [_PART.fullmatch(each) for each in rule.strip().upper().removeprefix("RRULE:").split(";")]
    parts = [(each[1], each[2]) for each in found if each]
    said = dict(parts)
    if len(said) != len(found) or said.get("FREQ") not in _ALL or not all(_may_say(said, each) for each in said):
        raise InvalidInput("RECURRENCE_INVALID")
    return ";".join("=".join(each) for each in parts)


def _may_say(said: Mapping[str, str], part: str) -> bool:
    if part == "FREQ":
        return True
    if part not in _SAYS:
        return False
    frequency, value = said["FREQ"], said[part]
    if part == "BYSETPOS" and not _SAYS["BYDAY"][0].fullmatch(said.get("BYDAY", "")):
        return False
    if part == "BYDAY" and ("BYMONTHDAY" in said or (frequency == "MONTHLY" and _NUMBERED.fullmatch(value))):
        return "BYMONTHDAY" not in said
    pattern, frequencies = _SAYS[part]
    return frequency in frequencies and pattern.fullmatch(value) is not None


def occurrences(rule: str, first: datetime, until: datetime) -> Iterator[datetime]:
    """The instants of the rule from the day of `first` on, at its hour in Paris, up to `until`; in UTC."""
    begin = first.astimezone(PARIS).replace(tzinfo=None)
    end = until.astimezone(PARIS).replace(tzinfo=None)
    found = rrulestr(f"{rule};UNTIL={end:%Y%m%dT%H%M%S}", dtstart=begin)
    instants = (each.replace(tzinfo=PARIS).astimezone(UTC) for each in found)
    return takewhile(lambda each: each <= until, instants)
