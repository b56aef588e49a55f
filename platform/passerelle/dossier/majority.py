"""Coming of age: when a minor's representatives stop, and what he is told that day (Code civil, art. 388, 414).

The day is legal, in Paris. Somebody born on 29 February comes of age on 1 March; whose birth date is incomplete, on
the earliest day that it may stand for: nobody represents him a day too long.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from passerelle.dossier import access
from passerelle.identities.civil_status import first_day
from passerelle.kernel.clock import PARIS
from passerelle.kernel.context import Context


def comes_of_age_at(context: Context, birth_date: str) -> datetime | None:
    """The instant at which somebody born then comes of age; nothing when the birth date says nothing."""
    born = first_day(birth_date)
    if born is None:
        return None
    year = born.year + access.number(context, "majority.years")
    try:
        day = born.replace(year=year)
    except ValueError:
        day = date(year, 3, 1)
    return datetime.combine(day, time(), PARIS).astimezone(UTC)
