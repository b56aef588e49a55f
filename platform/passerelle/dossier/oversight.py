"""The data-protection officer looks into the journals of his network: each search with its reason, itself journalled.

Sources: RGPD, art. 39; CSP R.1111-48. Nothing of a record is shown but who came to it, how, and what was answered.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta

from passerelle.audit import oversight, patterns
from passerelle.audit.journal import NOBODY
from passerelle.audit.oversight import Found, Place, Search
from passerelle.audit.patterns import Limits, Pattern, Period, Review
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.hindsight import searched
from passerelle.dossier.reading import page_size
from passerelle.identities import patients
from passerelle.identities.namesakes import family_names, is_named
from passerelle.kernel import messages
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded


async def search(
    act: Act, wanted: Search, *, reason: str, first: int | None = None, before: Place | None = None
) -> list[Found]:
    """One page of lines, newest first: of any patient of the network, or of the one who is named, who then reads of
    the search in his journal.

    Refused: ACCESS_REFUSED but to an officer, REASON_MISSING, PATIENT_UNKNOWN, PERIOD_EMPTY, PAGE_SIZE_INVALID.
    """
    await searched(act, wanted.patient_id or NOBODY, reason)
    if wanted.since and wanted.until:
        _must_be_a_period(wanted.since, wanted.until)
    if wanted.patient_id and await patients.by_id(act, wanted.patient_id) is None:
        raise Conflict("PATIENT_UNKNOWN")
    return await oversight.found(act.connection, wanted, first=page_size(act.context, first), before=before)


async def unusual(act: Act, since: datetime, until: datetime, *, reason: str, first: int | None = None) -> list[Review]:
    """What each rule of `audit.patterns` finds in that period, `first` of each at most, the furthest first.

    Refused: as `search`; PERIOD_TOO_LONG.
    """
    await searched(act, NOBODY, reason)
    _must_be_a_period(since, until)
    longest = access.number(act.context, "oversight.period_days")
    if until - since > timedelta(days=longest):
        raise LimitExceeded("PERIOD_TOO_LONG", limit=longest)
    period, size = Period(since=since, until=until), page_size(act.context, first)
    found = await patterns.of_journal(act.connection, period, limits_of(act.context), first=size)
    seen = await patterns.names_seen(act.connection, period)
    borne = sorted({(rpps, family) for rpps, name in seen for family in family_names(name)})
    return [*found, await patterns.same_name(act.connection, period, borne, is_named, first=size)]


def sentence_of(pattern: Pattern, count: int, usual: float | None) -> str:
    """A finding in a French sentence, with its figures."""
    expected = "" if usual is None else f"{usual:g}".replace(".", ",")
    return messages.sentence(f"UNUSUAL_{pattern}".upper(), {"count": count, "usual": expected})


def limits_of(context: Context) -> Limits:
    """From where on something is unusual in this network, today."""
    return Limits(**{each.name: access.number(context, f"oversight.{each.name}") for each in fields(Limits)})


def _must_be_a_period(since: datetime, until: datetime) -> None:
    if until <= since:
        raise InvalidInput("PERIOD_EMPTY")
