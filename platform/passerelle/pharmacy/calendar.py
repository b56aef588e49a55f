"""The vaccination calendar as dated data: `calendars/*.toml`, one edition each, in force from a day on."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import count
from typing import Any

from passerelle.kernel.clock import months_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Doses at given ages, in months. `season` (two days, MM-DD) asks for one dose a season from the first age on."""

    ages: tuple[int, ...]
    until: int | None
    early: int
    season: tuple[str, str] | None

    def is_asked_of(self, born: date, day: date) -> bool:
        """Whether someone born then is of its ages that day."""
        return at_age(born, self.ages[0]) <= day and (self.until is None or day < at_age(born, self.until))


@dataclass(frozen=True, slots=True, kw_only=True)
class Vaccination:
    """What one kind of vaccine is recommended for, in the order of the ages."""

    code: str
    label: str
    atc: tuple[str, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """One edition. `not_told` says, in French, what it does not hold; `horizon` is how many months it looks ahead."""

    edition: str
    effective: date
    source: str
    read: str
    horizon: int
    not_told: tuple[str, ...]
    vaccinations: tuple[Vaccination, ...]


#: Nobody is older, in months.
_OLDEST = 130 * 12


def at_age(born: date, months: int) -> date:
    """The day on which someone reaches an age."""
    return months_before(born, -months)


def calendar_on(day: date) -> Calendar | None:
    """The edition in force that day; none before the first."""
    return next((each for each in reversed(_calendars()) if each.effective <= day), None)


@cache
def _calendars() -> tuple[Calendar, ...]:
    folder = files("passerelle.pharmacy").joinpath("calendars")
    read = (_read(tomllib.loads(each.read_text("utf-8"))) for each in folder.iterdir() if each.name.endswith(".toml"))
    return tuple(sorted(read, key=lambda each: each.effective))


def _read(said: Mapping[str, Any]) -> Calendar:
    return Calendar(
        edition=said["edition"],
        effective=said["effective"],
        source=said["source"],
        read=said["read"],
        horizon=said["horizon"],
        not_told=tuple(said["not_told"]),
        vaccinations=tuple(
            Vaccination(
                code=each["code"],
                label=each["label"],
                atc=tuple(each["atc"]),
                series=tuple(one for some in each["series"] for one in _series(some)),
            )
            for each in said["vaccination"]
        ),
    )


def _series(said: Mapping[str, Any]) -> Iterator[Series]:
    """One series, and those that repeat it: a dose every so many months, until the next is due."""
    ages, until, every = tuple(said["ages"]), said.get("until"), said.get("every")
    season: Sequence[str] | None = said.get("season")
    for turn in count():
        later = turn * (every or 0)
        yield Series(
            ages=tuple(each + later for each in ages),
            until=until + later if until is not None else None,
            early=said.get("early", 0),
            season=(season[0], season[1]) if season else None,
        )
        if every is None or ages[0] + later + every > _OLDEST:
            return
