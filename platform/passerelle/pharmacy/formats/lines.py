"""What a line of a prescription and a line of a dispensation have in common: quantities, days, instructions, people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from lxml import etree

from passerelle.dossier.formats import cda_people, values
from passerelle.dossier.formats.hl7v3 import attribute, find, find_all
from passerelle.dossier.formats.passages import Passages
from passerelle.kernel.clock import PARIS
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle.kernel.hl7_time import Hl7Time

MAX_LINES: Final = 200
"""Lines of one document; an order form holds a dozen."""
_SUBSTITUTIONS: Final = "2.16.840.1.113883.5.1070"
"""HL7 SubstanceAdminSubstitution."""
_QUANTITY: Final = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)
_MAX_DAYS: Final = 3660
_DAYS_IN: Final = {"d": 1, "wk": 7, "mo": 30, "a": 365}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescriber:
    """Who prescribed: the RPPS number when that is what identifies him, and his name."""

    rpps: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Period:
    """First and last day of a treatment, both included, and how many they are."""

    first: date | None = None
    last: date | None = None
    days: int | None = None


def counted(found: int) -> None:
    """Refuse TOO_MANY_LINES."""
    if found > MAX_LINES:
        raise LimitExceeded("TOO_MANY_LINES", limit=MAX_LINES)


def quantity(element: etree._Element | None, field: str) -> Decimal | None:
    """The `value` of a physical quantity; VALUE_MALFORMED for what is no number."""
    given = None if element is None else values.key(element.get("value"), field)
    if given is None:
        return None
    if not _QUANTITY.fullmatch(given):
        raise InvalidInput("VALUE_MALFORMED", field=field)
    return Decimal(given)


def whole(element: etree._Element | None, field: str) -> int | None:
    """The same, where only whole numbers make sense."""
    number = quantity(element, field)
    if number is not None and number != int(number):
        raise InvalidInput("VALUE_MALFORMED", field=field)
    return None if number is None else int(number)


def instant(value: str | None, field: str) -> datetime | None:
    """The beginning of what an HL7 time may mean; None for none, and for what is no time."""
    return Hl7Time.parse(values.key(value, field)).earliest


def day(value: str | None, field: str) -> date | None:
    """The day in Paris of an HL7 time."""
    at = instant(value, field)
    return None if at is None else at.astimezone(PARIS).date()


def period(holder: etree._Element) -> Period:
    """The first interval (IVL_TS) among the `effectiveTime` of an entry."""
    for element in find_all(holder, "effectiveTime"):
        interval = interval_of(element)
        if interval != Period():
            return interval
    return Period()


def interval_of(element: etree._Element) -> Period:
    """`low` with `high` or `width`."""
    first = day(attribute(element, "low", "value"), "effectiveTime/low")
    last = day(attribute(element, "high", "value"), "effectiveTime/high")
    width, unit = find(element, "width"), attribute(element, "width", "unit")
    days = None
    if first is not None and last is not None and last >= first:
        days = (last - first).days + 1
    elif unit in _DAYS_IN and (number := quantity(width, "effectiveTime/width")) is not None:
        days = int(number * _DAYS_IN[unit])
    return Period(first, last, days if days is not None and 0 < days <= _MAX_DAYS else None)


def instruction(holder: etree._Element, code: str, passages: Passages) -> str | None:
    """The words of a line's act `code`: PINSTRUCT to the patient, FINSTRUCT from or to the dispenser."""
    for act in find_all(holder, "entryRelationship/act"):
        if attribute(act, "code", "code") == code:
            return passages.words(find(act, "text"), code)
    return None


def prescriber(assigned: etree._Element | None, field: str) -> Prescriber | None:
    """Who stands in an `assignedAuthor`."""
    if assigned is None:
        return None
    who = cda_people.person(assigned, field)
    name = " ".join(part for part in (who.given_name, who.family_name) if part) or None
    rpps = who.id if who.is_rpps else None
    return None if rpps is None and name is None else Prescriber(rpps=rpps, name=name)


def substitution(line: etree._Element, passages: Passages) -> tuple[str | None, str | None]:
    """What a line allows of substitution, or what was substituted: its code and its words."""
    for act in find_all(line, "entryRelationship/act"):
        code = find(act, "code")
        if code is not None and code.get("codeSystem") == _SUBSTITUTIONS:
            return values.key(code.get("code"), "substitution"), passages.words(
                find(code, "originalText"), "substitution"
            )
    return None, None
