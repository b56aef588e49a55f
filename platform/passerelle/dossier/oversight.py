"""The data-protection officer looks into the journals of his network: each search with its reason, itself journalled.

Sources: RGPD, art. 39; CSP R.1111-48. Nothing of a record is shown but who came to it, how, and what was answered.
"""

from __future__ import annotations

from datetime import datetime

from passerelle.audit import oversight
from passerelle.audit.journal import NOBODY
from passerelle.audit.oversight import Found, Habit, Search
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.hindsight import searched
from passerelle.dossier.reading import page_size
from passerelle.kernel.errors import InvalidInput


async def search(
    act: Act, wanted: Search, *, reason: str, first: int | None = None, before_line: int | None = None
) -> list[Found]:
    """One page of lines of any patient of the network, newest first.

    Refused: ACCESS_REFUSED but to an officer, REASON_MISSING, PERIOD_EMPTY, PAGE_SIZE_INVALID.
    """
    await searched(act, NOBODY, reason)
    _must_be_a_period(wanted.since, wanted.until)
    size = page_size(act.context, first)
    return await oversight.found(act.connection, wanted, first=size, before_line=before_line)


async def unusual(act: Act, since: datetime, until: datetime, *, reason: str, first: int | None = None) -> list[Habit]:
    """The professionals whose accesses are far from those of their profession in that period; refused as `search`."""
    await searched(act, NOBODY, reason)
    _must_be_a_period(since, until)
    number = access.number
    return await oversight.unusual(
        act.connection,
        since,
        until,
        ratio=number(act.context, "oversight.unusual_ratio"),
        night=(number(act.context, "oversight.night_from"), number(act.context, "oversight.night_until")),
        first=page_size(act.context, first),
    )


def _must_be_a_period(since: datetime, until: datetime) -> None:
    if until <= since:
        raise InvalidInput("PERIOD_EMPTY")
