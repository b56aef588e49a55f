"""The data-protection officer looks into the journals of his network: each search with its reason, itself journalled.

Sources: RGPD, art. 39; CSP R.1111-48. Nothing of a record is shown but who came to it, how, and what was answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
    select,
    union_all,
)

from passerelle.audit import journal, oversight, patterns
from passerelle.audit.journal import NOBODY
from passerelle.audit.oversight import Found, Place, Search
from passerelle.audit.patterns import Limits, Pattern, Period, Review
from passerelle.audit.transactions import Act
from passerelle.dossier import access, judging
from passerelle.dossier.judging import Judged
from passerelle.dossier.reading import page_size
from passerelle.dossier.searches import reason_told, searched
from passerelle.identities import patients
from passerelle.identities.namesakes import family_names, is_named
from passerelle.kernel import messages
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, PasserelleError
from passerelle_policies.vocabulary import Action, Kind

_PERIOD_EMPTY: Final = "PERIOD_EMPTY"
_PATIENT_UNKNOWN: Final = "PATIENT_UNKNOWN"


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
        raise Conflict(_PATIENT_UNKNOWN)
    return await oversight.found(act.connection, wanted, first=page_size(act.context, first), before=before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """A search in one statement, decided and journalled. It is answered where nothing is `lacking`.

    `found` has the columns of `audit.oversight.SHOWN`, newest first. The line of this very search, which the statement
    wrote and could not select, is in it where it answers.
    """

    judged: Judged
    is_answered: ColumnElement[bool]
    lacking: ColumnElement[Any]
    found: Select[Any]


def searching(bounds: Iterable[str] = ()) -> Searching:
    """`search` and the beginning of `unusual` as selectables, for a search that has these bounds (`Search.bounds`);
    bind values in `searching_parameters`, `unusual_parameters`."""
    flaw = bindparam("search_flaw", type_=JSON())
    provided: ColumnElement[bool] = flaw.is_(None)
    by = oversight.bound(bounds)
    if "patient_id" in by:
        identity = patients.identity()
        known = select(identity.c.patient_id).where(identity.c.patient_id == by["patient_id"]).exists()
        provided = and_(provided, known)
    judged = judging.judged(
        Kind.JOURNAL,
        *oversight.SHOWN,
        action=Action.SEARCH,
        provided=provided,
        reason=bindparam("search_reason", type_=Text()),
    )
    size = bindparam("page_size", type_=Integer())
    lines = (journal.lines(), judged.journal_line)
    both = union_all(*(select(oversight.newest_of(each, by, size).subquery()) for each in lines)).subquery("either")
    return Searching(
        judged=judged,
        is_answered=and_(judged.is_allowed(), provided),
        lacking=case((not_(provided), func.coalesce(flaw, func.json_build_object(literal("code"), _PATIENT_UNKNOWN)))),
        found=select(both).where(judged.is_allowed()).order_by(both.c.at.desc(), both.c.line_id.desc()).limit(size),
    )


def searching_parameters(
    context: Context, wanted: Search, *, reason: str, size: int, before: Place | None
) -> dict[str, Any]:
    """Every bind value of a search. Refused: REASON_MISSING."""

    def checked() -> None:
        if wanted.since and wanted.until:
            _must_be_a_period(wanted.since, wanted.until)

    return {
        **_searched_parameters(context, wanted.patient_id or NOBODY, reason),
        **oversight.bound_parameters(wanted.bounds(before)),
        "search_flaw": _flaw(checked),
        "page_size": size,
    }


def unusual_parameters(
    context: Context, since: datetime, until: datetime, *, reason: str, first: int | None
) -> dict[str, Any]:
    """Every bind value of the statement that decides upon `unusual`. Refused: REASON_MISSING."""

    def checked() -> None:
        _must_be_near(context, since, until)
        page_size(context, first)

    return {**_searched_parameters(context, NOBODY, reason), "search_flaw": _flaw(checked)}


def _searched_parameters(context: Context, patient_id: UUID, reason: str) -> dict[str, Any]:
    return {
        **judging.parameters(context, Kind.JOURNAL, patient_id, action=Action.SEARCH),
        "search_reason": reason_told(reason),
    }


def _flaw(checked: Callable[[], None]) -> str | None:
    """What is wrong with a question, in JSON: it is told to whom the rules let ask it."""
    try:
        checked()
    except InvalidInput as error:
        return json.dumps({"code": error.code, **error.fields})
    return None


def not_answered(context: Context, told: Mapping[str, Any]) -> PasserelleError:
    """Why a search is not answered: what `Searching` says, its refusal or what is `lacking`."""
    if "code" in told:
        return Conflict(**told) if told["code"] == _PATIENT_UNKNOWN else InvalidInput(**told)
    return judging.refusal(context, Kind.JOURNAL, told, action=Action.SEARCH)


async def unusual(act: Act, since: datetime, until: datetime, *, reason: str, first: int | None = None) -> list[Review]:
    """What each rule of `audit.patterns` finds in that period, `first` of each at most, the furthest first.

    Refused: as `search`; PERIOD_TOO_LONG.
    """
    await searched(act, NOBODY, reason)
    _must_be_near(act.context, since, until)
    return await reviews(act, since, until, first=page_size(act.context, first))


async def reviews(act: Act, since: datetime, until: datetime, *, first: int) -> list[Review]:
    """What each rule finds, once that is decided and journalled."""
    period = Period(since=since, until=until)
    found = await patterns.of_journal(act.connection, period, limits_of(act.context), first=first)
    seen = await patterns.names_seen(act.connection, period)
    borne = sorted({(rpps, family) for rpps, name in seen for family in family_names(name)})
    return [*found, await patterns.same_name(act.connection, period, borne, is_named, first=first)]


def sentence_of(pattern: Pattern, count: int, usual: float | None) -> str:
    """A finding in a French sentence, with its figures."""
    expected = "" if usual is None else f"{usual:g}".replace(".", ",")
    return messages.sentence(f"UNUSUAL_{pattern}".upper(), {"count": count, "usual": expected})


def limits_of(context: Context) -> Limits:
    """From where on something is unusual in this network, today."""
    return Limits(**{each.name: access.number(context, f"oversight.{each.name}") for each in fields(Limits)})


def _must_be_a_period(since: datetime, until: datetime) -> None:
    if until <= since:
        raise InvalidInput(_PERIOD_EMPTY)


def _must_be_near(context: Context, since: datetime, until: datetime) -> None:
    _must_be_a_period(since, until)
    longest = access.number(context, "oversight.period_days")
    if until - since > timedelta(days=longest):
        raise LimitExceeded("PERIOD_TOO_LONG", limit=longest)
