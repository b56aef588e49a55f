"""The lines of a care plan as people read and write them, and back into what the plan codes.

A line names the one that it continues by its number: what of that one has no place here is kept. Days are ISO 8601,
as precise as they are known (`2026`, `2026-03`, `2026-03-01`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier import relations
from passerelle.dossier.formats import values
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle.oncology.care_plan import CarePlan
from passerelle.oncology.coded import Code, Id, Name, NamePart, Organisation, Participation
from passerelle.oncology.people import NOWHERE, UNREACHED, People, rpps_of
from passerelle.oncology.plan_items import Kind, PlanItem, items, with_items
from passerelle.oncology.sheet_header import subject_of

_DAY: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_UNKNOWN: Final = (Id(null_flavor="UNK"),)
_NAMELESS: Final = Organisation(null_flavor="UNK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Performer:
    """Who does it and where: an RPPS number, or a name where there is none."""

    name: str | None = None
    rpps: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A code with its system (OID) and its words."""

    code: str
    system: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is planned. `number` is the line's own when it is read, the one that it continues when it is written."""

    number: int | None = None
    kind: Kind
    what: Coded | None = None
    words: str | None = None
    is_done: bool = False
    rank: str | None = None
    starts: str | None = None
    ends: str | None = None
    planned_from: str | None = None
    planned_to: str | None = None
    is_regular: bool | None = None
    rhythm: str | None = None
    mode: Coded | None = None
    side_effects: str | None = None
    comment: str | None = None
    performers: tuple[Performer, ...] = ()


_TEXTS: Final = ("words", "rank", "rhythm", "side_effects", "comment")
_DAYS: Final = ("starts", "ends", "planned_from", "planned_to")
PLAIN: Final = ("is_done", "is_regular", *_TEXTS, *_DAYS)
"""What of a line is a word or a flag by itself."""


def lines(plan: CarePlan) -> tuple[Line, ...]:
    """The lines of a plan, numbered from 1."""
    return tuple(_line(number, each) for number, each in enumerate(items(plan), 1))


async def with_lines(act: Act, plan: CarePlan, given: Sequence[Line]) -> CarePlan:
    """The plan with these lines instead of its own.

    Refused: PLAN_LINES_TOO_MANY, PLAN_LINE_UNKNOWN, PLAN_LINE_TWICE, PLAN_LINE_EMPTY, PLAN_DAY_MALFORMED,
    PLAN_DAYS_REVERSED, PLAN_PERFORMER_EMPTY, RPPS_INVALID, RPPS_UNKNOWN, VALUE_TOO_LONG, VALUE_MALFORMED.
    """
    limit = dossier_access.number(act.context, "oncology.plan_lines_max")
    if len(given) > limit or any(len(each.performers) > limit for each in given):
        raise LimitExceeded("PLAN_LINES_TOO_MANY", limit=limit)
    continued = [each.number for each in given if each.number is not None]
    if len(set(continued)) < len(continued):
        raise InvalidInput("PLAN_LINE_TWICE")
    held = items(plan)
    if any(not 1 <= each <= len(held) for each in continued):
        raise InvalidInput("PLAN_LINE_UNKNOWN")
    people = People(act)
    return with_items(plan, [await _item(act, people, held, each) for each in given])


def _line(number: int, item: PlanItem) -> Line:
    said: dict[str, Any] = {name: getattr(item, name) for name in ("is_done", "is_regular", *_TEXTS)}
    said |= {name: shown_day(getattr(item, name)) for name in _DAYS}
    return Line(
        number=number,
        kind=item.kind,
        what=_coded(item.what),
        mode=_coded(item.mode),
        performers=tuple(map(_performer, item.performers)),
        **said,
    )


async def _item(act: Act, people: People, held: tuple[PlanItem, ...], line: Line) -> PlanItem:
    before = PlanItem(kind=line.kind) if line.number is None else held[line.number - 1]
    if before.kind is not line.kind:
        before = PlanItem(kind=line.kind)
    shown = _line(0, before)
    changed: dict[str, Any] = {"is_done": line.is_done, "is_regular": line.is_regular}
    for names, read in ((_TEXTS, _text), (_DAYS, _day)):
        for name in names:
            given = getattr(line, name)
            if given != getattr(shown, name):
                changed[name] = read(given)
    for name in ("what", "mode"):
        coded = getattr(line, name)
        if coded != getattr(shown, name):
            changed[name] = code_of(coded)
    if line.performers != shown.performers:
        changed["performers"] = tuple([await _participation(act, people, each) for each in line.performers])
    made = replace(before, **changed)
    if made.what is None and made.words is None:
        raise InvalidInput("PLAN_LINE_EMPTY")
    for first, last in ((made.starts, made.ends), (made.planned_from, made.planned_to)):
        if first and last and _reversed(first, last):
            raise InvalidInput("PLAN_DAYS_REVERSED")
    return made


def _text(given: str | None) -> str | None:
    return values.text(given, "line")


def _reversed(first: str, last: str) -> bool:
    """Whether a period ends before it begins, as far as both are known."""
    known = min(len(first), len(last), 8)
    return first[:known] > last[:known]


def _coded(code: Code | None) -> Coded | None:
    if code is None or not code.code:
        return None
    return Coded(code=code.code, system=code.system or "", label=code.label or code.code)


def code_of(given: Coded | None) -> Code | None:
    """A code as plans hold it; None for none. Refused: PLAN_LINE_EMPTY, VALUE_TOO_LONG, VALUE_MALFORMED."""
    if given is None:
        return None
    code, system, label = (values.key(each, "what") for each in (given.code, given.system, given.label))
    if code is None or system is None or label is None:
        raise InvalidInput("PLAN_LINE_EMPTY")
    return Code(code=code, system=system, label=label)


def shown_day(given: str | None) -> str | None:
    """An HL7 time as people read its day: `20260301101500+0200` is `2026-03-01`."""
    return "-".join(part for part in (given[:4], given[4:6], given[6:8]) if part) if given else None


def _day(given: str | None) -> str | None:
    if given is None:
        return None
    match = _DAY.fullmatch(given)
    if match is None:
        raise InvalidInput("PLAN_DAY_MALFORMED")
    try:
        date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError as broken:
        raise InvalidInput("PLAN_DAY_MALFORMED") from broken
    return given.replace("-", "")


def _performer(who: Participation) -> Performer:
    subject = subject_of(who)
    name = " ".join(_names(who.name)) if who.name else ""
    return Performer(
        name=name or None,
        rpps=rpps_of(subject) if subject else None,
        place=who.organisation.name if who.organisation else None,
    )


def _names(name: Name) -> Iterator[str]:
    for kind in ("given", "family"):
        part = name.part(kind)
        if part:
            yield part


async def _participation(act: Act, people: People, given: Performer) -> Participation:
    name, place = values.text(given.name, "name"), values.text(given.place, "place")
    where = Organisation(ids=_UNKNOWN, name=place) if place else None
    if given.rpps is not None:
        subject = relations.professional(given.rpps)
        await relations.known_professional(act, given.rpps)
        known = await people.who("performer", subject, _NAMELESS, type_code="PRF")
        here = None if known.organisation == _NAMELESS else known.organisation
        return replace(known, organisation=where or here)
    if name is None:
        raise InvalidInput("PLAN_PERFORMER_EMPTY")
    return Participation(
        part="performer",
        type_code="PRF",
        ids=_UNKNOWN,
        addresses=NOWHERE,
        telecoms=UNREACHED,
        name=Name(parts=(NamePart(kind="family", text=name),)),
        organisation=where,
    )
