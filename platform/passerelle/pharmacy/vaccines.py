"""What the vaccination calendar asks of someone, set against the vaccines that were dispensed to him.

A dispensing is no injection, and the record does not know them all: what is due here is what is to be checked with
the patient. What cannot be told is said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from passerelle.kernel.clock import months_before
from passerelle.pharmacy.calendar import Calendar, Series, Vaccination, at_age


class VaccineStatus(StrEnum):
    """What can be told of one vaccination."""

    DUE = "due"  # the age is reached, and no dispensing stands for it
    UPCOMING = "upcoming"
    DISPENSED = "dispensed"  # a dispensing stands for every age reached
    UNKNOWN = "unknown"  # the record does not reach back far enough to tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Doses:
    """Doses of a vaccine, dispensed one day."""

    atc: str | None
    on: date
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VaccineDue:
    """One vaccination of the calendar. `on` is the day since which, or on which, it is due; None when done."""

    code: str
    label: str
    status: VaccineStatus
    on: date | None
    last_dispensed_on: date | None


def vaccines_due(
    calendar: Calendar, born: date, dispensed: Sequence[Doses], *, on: date, since: date
) -> list[VaccineDue]:
    """What the calendar says to someone born then, on the day `on`, of what was dispensed and seen `since` a day.

    A vaccination that asks nothing of his age, and of nobody near it, is left out.
    """
    found = (_of_vaccination(each, calendar, born, dispensed, on, since) for each in calendar.vaccinations)
    return [each for each in found if each is not None]


def _of_vaccination(
    vaccination: Vaccination, calendar: Calendar, born: date, dispensed: Sequence[Doses], on: date, since: date
) -> VaccineDue | None:
    own = [each for each in dispensed if (each.atc or "").startswith(vaccination.atc)]
    last = max((each.on for each in own), default=None)
    current = next((each for each in vaccination.series if each.is_asked_of(born, on)), None)
    status: VaccineStatus | None = None
    day: date | None = None
    if current is not None:
        began, asked = _asked(current, born, on)
        had = sum(each.count for each in own if each.on >= began)
        reached = [each for each in asked if each <= on]
        ahead = asked[had:]
        if had >= len(reached):
            status = VaccineStatus.DISPENSED if reached else None
        else:
            status, day = (VaccineStatus.UNKNOWN if began < since else VaccineStatus.DUE), reached[had]
    else:
        ahead = []
    if day is None:
        ahead += [at_age(born, each.ages[0]) for each in vaccination.series]
        end = months_before(on, -calendar.horizon)
        near = min((each for each in ahead if on < each <= end), default=None)
        if near is not None:
            status, day = VaccineStatus.UPCOMING, near
    if status is None:
        return None
    return VaccineDue(code=vaccination.code, label=vaccination.label, status=status, on=day, last_dispensed_on=last)


def _asked(series: Series, born: date, on: date) -> tuple[date, list[date]]:
    """The first day on which a dose counts, and the days of the doses."""
    if series.season is None:
        return months_before(at_age(born, series.ages[0]), series.early), [at_age(born, each) for each in series.ages]
    running = [each for each in _seasons(series.season, on) if each[1] >= on]
    begin = max(running[0][0], at_age(born, series.ages[0]))
    return running[0][0], [begin]


def _seasons(season: tuple[str, str], on: date) -> Iterator[tuple[date, date]]:
    """The seasons round a day, earliest first: a season may end in the year after."""
    first, last = season
    for year in (on.year - 1, on.year, on.year + 1):
        yield date.fromisoformat(f"{year}-{first}"), date.fromisoformat(f"{year + (last < first)}-{last}")
