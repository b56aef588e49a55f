"""Invented clinical cases (`cases.toml`): what the documents about one patient speak of."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One condition and what goes with it. `imaging` and `act` begin with a CCAM code, empty where none is given."""

    name: str
    sexes: str
    youngest: int
    oldest: int = 120
    diagnosis: str
    icd10: str
    reason: str
    course: str
    history: tuple[str, ...]
    allergies: tuple[str, ...]
    plan: tuple[str, ...]
    treatments: tuple[tuple[str, ...], ...]  # medicine, dose, rhythm
    results: tuple[tuple[str, ...], ...]  # test, value, unit, reference range
    imaging: tuple[str, str, str, str]  # CCAM, examination, findings, conclusion
    act: tuple[str, str, str]  # CCAM, operation, report


@cache
def cases() -> tuple[Case, ...]:
    """All of them."""
    read = tomllib.loads(files(__package__).joinpath("cases.toml").read_text("utf-8"))
    return tuple(
        Case(name=name, **{field: _frozen(value) for field, value in case.items()}) for name, case in read.items()
    )


def case_for(draw: Random, sex: str, age: int) -> Case:
    """A case that may befall someone of that sex and age; the mildest when there is none."""
    possible = [case for case in cases() if sex in case.sexes and case.youngest <= age <= case.oldest]
    return draw.choice(possible or [min(cases(), key=lambda case: case.youngest)])


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
