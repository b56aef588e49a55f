"""The aftercare plan (plan personnalisé de l'après-cancer, PPAC) as a value: what is followed up, whom to call, which
signs warn; no database.

Source: plan cancer 2009-2013, measure 25 (relayed to the attending physician at the end of treatment). Decision 0127.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from dateutil.relativedelta import relativedelta

from passerelle.oncology import as_json

TITLE: Final = "Plan personnalisé de l'après-cancer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is done, by whom, from when; every how many months, until when. Days are ISO 8601."""

    what: str
    first_on: str
    who: str | None = None
    every_months: int | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Whom to call, about what, and how."""

    name: str
    reach: str
    role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AftercarePlan:
    """A follow-up schedule, with whom to call and the signs that warn."""

    steps: tuple[Step, ...] = ()
    contacts: tuple[Contact, ...] = ()
    warning_signs: tuple[str, ...] = ()
    comment: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What the column `care_plan.content` keeps."""
        return as_json.dumped(self)

    @classmethod
    def from_json(cls, given: object) -> AftercarePlan:
        """The plan that `to_json` gave. Refused: SHEET_MALFORMED."""
        return as_json.loaded(cls, given)


def days_of(step: Step, years: int) -> tuple[date, ...]:
    """The days of a step. One that ends nowhere goes on for so many years; on a shorter month, its last day."""
    first = date.fromisoformat(step.first_on)
    if step.every_months is None:
        return (first,)
    last = date.fromisoformat(step.until) if step.until else first + relativedelta(years=years)
    found, number = [first], 1
    # From the first day each time: the 31st stays the 31st after a shorter month.
    while (following := first + relativedelta(months=number * step.every_months)) <= last:
        found.append(following)
        number += 1
    return tuple(found)
