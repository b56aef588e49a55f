"""What a care plan plans, line by line: treatments, prevention, measures, follow-up, support care, social support.

Source: CI-SIS, volet CANCER-PPS: the acts of the two sections « Plan de soins » (translations MED-566 and MED-567).
A line that is read and put back unchanged stays as it was to the last statement; what of a line has no place here
(a weight that gives the reason of a diet) is kept when the line changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from passerelle.oncology.care_plan import COPY, CarePlan, is_section
from passerelle.oncology.coded import (
    CISIS,
    LOINC,
    Code,
    Id,
    Link,
    Moment,
    Participation,
    Qualifier,
    Section,
    Statement,
    Time,
    Value,
    Words,
    unreferenced,
)
from passerelle.oncology.header import Header
from passerelle.oncology.sheet_making import identified

PLAN: Final = "1.2.250.1.213.1.1.2.158"
_PROCEDURE: Final = "1.3.6.1.4.1.19376.1.5.3.1.4.19"
_DONE: Final = "2.16.840.1.113883.10.20.1.29"
_TO_COME: Final = "2.16.840.1.113883.10.20.1.25"
_SIMPLE: Final = ("1.3.6.1.4.1.19376.1.5.3.1.4.13", "1.2.250.1.213.1.1.3.48")
_COMMENT: Final = ("2.16.840.1.113883.10.20.1.40", "1.3.6.1.4.1.19376.1.5.3.1.4.2", "1.2.250.1.213.1.1.3.32")
_PLANNED: Final = "GEN-177"
_RHYTHM: Final = "ORG-004"
_MODE: Final = "ORG-006"
_SIDE_EFFECTS: Final = "MED-565"
_SAID: Final = "48767-8"
_LABELS: Final = {
    _PLANNED: "Date(s) prévisionnelle(s)",
    _RHYTHM: "Rythme",
    _MODE: "Mode",
    _SIDE_EFFECTS: "Effets secondaires",
}


class Kind(StrEnum):
    """What a line of the plan is, by its code in TerminologieCISIS."""

    TREATMENT = "MED-568"
    PREVENTION = "MED-569"
    MEASURE = "MED-570"
    FOLLOW_UP = "MED-571"
    SUPPORT_CARE = "MED-572"
    SOCIAL_SUPPORT = "MED-573"


NAMES: Final = {
    Kind.TREATMENT: "Traitement",
    Kind.PREVENTION: "Action de prévention et de gestion médicamenteuse des effets secondaires",
    Kind.MEASURE: "Mesure associée",
    Kind.FOLLOW_UP: "Suivi",
    Kind.SUPPORT_CARE: "Soin oncologique de support",
    Kind.SOCIAL_SUPPORT: "Accompagnement social ou socioprofessionnel",
}
TREATING: Final = "MED-566"
SUPPORTING: Final = "MED-567"
SECTIONS: Final = {
    TREATING: ("Programme thérapeutique et de suivi", frozenset(tuple(Kind)[:4])),
    SUPPORTING: (
        "Soins oncologiques de support, accompagnement social et socioprofessionnel",
        frozenset(tuple(Kind)[4:]),
    ),
}
"""The two sections by the translation of their code: title, and the lines that stand in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One line. Days are HL7 times (`YYYYMMDD`); `source` is the statement it was read from, if it was."""

    kind: Kind
    what: Code | None = None
    words: str | None = None
    is_done: bool = False
    rank: str | None = None
    starts: str | None = None
    ends: str | None = None
    planned_from: str | None = None
    planned_to: str | None = None
    is_regular: bool | None = None
    rhythm: str | None = None
    mode: Code | None = None
    side_effects: str | None = None
    comment: str | None = None
    performers: tuple[Participation, ...] = ()
    source: Statement | None = field(default=None, compare=False, repr=False)


def items(plan: CarePlan) -> tuple[PlanItem, ...]:
    """The lines of a plan, in its order."""
    return tuple(
        _item(link.statement, kind)
        for section in plan.sections
        if is_section(section, PLAN)
        for link in section.entries
        if (kind := _kind(link.statement)) is not None
    )


def with_items(plan: CarePlan, given: Iterable[PlanItem]) -> CarePlan:
    """The plan with these lines instead of its own; its copy in PDF, which no longer says the same, is taken out.

    Lines keep their order within their section. What the sections hold besides stays after them.
    """
    lines = tuple(given)
    if lines == items(plan):
        return plan
    sections = [each for each in plan.sections if not is_section(each, COPY)]
    for key, (title, kinds) in SECTIONS.items():
        mine = [each for each in lines if each.kind in kinds]
        at = next((n for n, each in enumerate(sections) if is_section(each, PLAN, key)), None)
        if at is None and mine:
            at = _place(sections)
            sections.insert(at, new_section(plan.header, key, title))
        if at is not None:
            sections[at] = _filled(plan.header, sections[at], key, mine)
    return replace(plan, sections=tuple(sections))


def new_section(header: Header, key: str, title: str) -> Section:
    """An empty section « Plan de soins »."""
    translation = Code(code=key, system=CISIS, label=title, system_name="TerminologieCISIS")
    return Section(
        code=Code(code="18776-5", system=LOINC, label="Plan de soins", translations=(translation,)),
        templates=tuple(
            Id(root=each) for each in ("2.16.840.1.113883.10.20.1.10", "1.3.6.1.4.1.19376.1.5.3.1.3.36", PLAN)
        ),
        ids=(identified(header, key),),
        title=title,
    )


def _place(sections: list[Section]) -> int:
    """After the last section of plans, else after the first section."""
    last = max((at for at, each in enumerate(sections) if is_section(each, PLAN)), default=0)
    return min(last + 1, len(sections))


def _filled(header: Header, section: Section, key: str, lines: list[PlanItem]) -> Section:
    others = [link for link in section.entries if _kind(link.statement) is None]
    entries = [
        *(Link(statement=_statement(header, f"{key}/{number}", each)) for number, each in enumerate(lines, 1)),
        *others,
    ]
    if tuple(entries) == section.entries:
        return section
    return unreferenced(replace(section, entries=tuple(entries)))


def _kind(statement: Statement) -> Kind | None:
    code = statement.code.code if statement.code else None
    return Kind(code) if statement.kind == "procedure" and code in set(Kind) else None


def _child(statement: Statement, code: str) -> Statement | None:
    return next(
        (each.statement for each in statement.links if each.statement.code and each.statement.code.code == code), None
    )


def _item(statement: Statement, kind: Kind) -> PlanItem:
    planned, rhythm = _child(statement, _PLANNED), _child(statement, _RHYTHM)
    mode, effects, said = _child(statement, _MODE), _child(statement, _SIDE_EFFECTS), _child(statement, _SAID)
    qualifiers = statement.code.qualifiers if statement.code else ()
    regular = rhythm.value.value if rhythm and rhythm.value else None
    return PlanItem(
        kind=kind,
        what=qualifiers[0].value if qualifiers else None,
        words=_text(statement),
        is_done=statement.mood == "EVN",
        rank=statement.priority.original.text if statement.priority and statement.priority.original else None,
        starts=statement.time.start if statement.time else None,
        ends=statement.time.stop if statement.time else None,
        planned_from=planned.time.start if planned and planned.time else None,
        planned_to=planned.time.stop if planned and planned.time else None,
        is_regular=None if regular is None else regular == "true",
        rhythm=_text(rhythm),
        mode=mode.value.code if mode and mode.value else None,
        side_effects=_text(effects) or _original(effects),
        comment=_text(said),
        performers=statement.participations,
        source=statement,
    )


def _text(statement: Statement | None) -> str | None:
    return statement.text.text if statement and statement.text else None


def _original(statement: Statement | None) -> str | None:
    value = statement.value if statement else None
    return value.code.original.text if value and value.code and value.code.original else None


def _statement(header: Header, purpose: str, item: PlanItem) -> Statement:
    """The act of a line: as it was where nothing changed."""
    source = item.source or _new(header, purpose, item.kind)
    before = _item(source, item.kind)
    if before == item:
        return source
    made = source
    if item.what != before.what or source.code is None:
        code = source.code or Code(code=item.kind.value, system=CISIS, label=NAMES[item.kind])
        made = replace(made, code=replace(code, qualifiers=() if item.what is None else (Qualifier(value=item.what),)))
    if item.words != before.words:
        made = replace(made, text=Words(text=item.words) if item.words else None)
    if item.is_done != before.is_done:
        made = _in_mood(made, item.is_done)
    if item.rank != before.rank:
        made = replace(made, priority=Code(original=Words(text=item.rank)) if item.rank else None)
    if (item.starts, item.ends) != (before.starts, before.ends):
        made = replace(made, times=(_time(item.starts, item.ends),))
    made = replace(made, participations=item.performers)
    for name, changed, child in _children(item, before):
        if changed:
            made = _with_child(header, f"{purpose}/{name}", made, name, child)
    return made


def _children(item: PlanItem, before: PlanItem) -> Iterable[tuple[str, bool, Statement | None]]:
    """The statements below a line: code, whether it changed, what it says now."""
    yield (
        _PLANNED,
        (item.planned_from, item.planned_to) != (before.planned_from, before.planned_to),
        _observed(_PLANNED, Value(type="CD", code=Code(null_flavor="NA")), _time(item.planned_from, item.planned_to))
        if item.planned_from or item.planned_to
        else None,
    )
    yield (
        _RHYTHM,
        (item.is_regular, item.rhythm) != (before.is_regular, before.rhythm),
        _observed(_RHYTHM, Value(type="BL", value="true" if item.is_regular else "false"), words=item.rhythm)
        if item.is_regular is not None or item.rhythm
        else None,
    )
    yield (_MODE, item.mode != before.mode, _observed(_MODE, Value(type="CD", code=item.mode)) if item.mode else None)
    effects = Code(original=Words(text=item.side_effects))
    yield (
        _SIDE_EFFECTS,
        item.side_effects != before.side_effects,
        _observed(_SIDE_EFFECTS, Value(type="CD", code=effects)) if item.side_effects else None,
    )
    yield (_SAID, item.comment != before.comment, _commented(item.comment) if item.comment else None)


def _with_child(header: Header, purpose: str, above: Statement, code: str, child: Statement | None) -> Statement:
    kept = [each for each in above.links if not (each.statement.code and each.statement.code.code == code)]
    if child is None:
        return replace(above, links=tuple(kept))
    old = _child(above, code)
    if child.kind == "observation":
        child = replace(child, ids=old.ids if old and old.ids else (identified(header, purpose),))
    is_comment = code == _SAID
    link = Link(statement=child, type_code="SUBJ" if is_comment else "COMP", inverted=is_comment)
    at = next((n for n, each in enumerate(above.links) if each.statement is old), len(kept)) if old else len(kept)
    return replace(above, links=(*kept[:at], link, *kept[at:]))


def _new(header: Header, purpose: str, kind: Kind) -> Statement:
    return Statement(
        kind="procedure",
        class_code="PROC",
        mood="INT",
        negated=False,
        templates=tuple(Id(root=each) for each in (_PROCEDURE, _TO_COME, "1.2.250.1.213.1.1.3.62")),
        ids=(identified(header, purpose),),
        code=Code(code=kind.value, system=CISIS, label=NAMES[kind], system_name="TerminologieCISIS"),
        status="active",
        times=(Time(null_flavor="UNK"),),
    )


def _in_mood(statement: Statement, is_done: bool) -> Statement:
    swapped = {_TO_COME: _DONE} if is_done else {_DONE: _TO_COME}
    return replace(
        statement,
        mood="EVN" if is_done else "INT",
        status="completed" if is_done else "active",
        templates=tuple(replace(each, root=swapped.get(each.root or "", each.root)) for each in statement.templates),
    )


def _observed(code: str, value: Value, time: Time | None = None, words: str | None = None) -> Statement:
    return Statement(
        kind="observation",
        class_code="OBS",
        mood="EVN",
        templates=tuple(Id(root=each) for each in _SIMPLE),
        code=Code(code=code, system=CISIS, label=_LABELS[code], system_name="TerminologieCISIS"),
        text=Words(text=words) if words else None,
        status="completed",
        times=(time or Time(null_flavor="NA"),),
        values=(value,),
    )


def _commented(words: str) -> Statement:
    return Statement(
        kind="act",
        class_code="ACT",
        mood="EVN",
        templates=tuple(Id(root=each) for each in _COMMENT),
        code=Code(code=_SAID, system=LOINC, label="Commentaire"),
        text=Words(text=words),
        status="completed",
    )


def _time(start: str | None, stop: str | None) -> Time:
    if start is None and stop is None:
        return Time(null_flavor="UNK")
    return Time(
        low=Moment(value=start) if start else Moment(null_flavor="UNK"), high=Moment(value=stop) if stop else None
    )
