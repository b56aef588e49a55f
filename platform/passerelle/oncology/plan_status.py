"""What a care plan says of itself: its state, when the board met, when the patient was given it, what is told him.

Source: CI-SIS, volet CANCER-PPS: section « Statut du document » (1.2.250.1.213.1.1.2.35), comments to the patient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from passerelle.kernel.errors import InvalidInput
from passerelle.oncology.care_plan import COPY, CarePlan, is_section, section_of
from passerelle.oncology.coded import (
    CISIS,
    LOINC,
    SNOMED_CT,
    Code,
    Id,
    Link,
    Participation,
    Section,
    Statement,
    Time,
    Value,
    unreferenced,
)
from passerelle.oncology.header import Header
from passerelle.oncology.sheet_making import identified
from passerelle.oncology.value_sets import value_sets

STATUS: Final = "1.2.250.1.213.1.1.2.35"
STATE: Final = "GEN-065"
BOARD_DAY: Final = "ORG-189"
HANDED: Final = "GEN-178"
_STATES: Final = "jdv-statut-document-cisis"
_LABELS: Final = {
    STATE: "Statut du document",
    BOARD_DAY: "Date de la RCP",
    HANDED: "Date de remise du document au patient",
}
_Change = Callable[[Statement], Statement]
_Among = Callable[[tuple[Link, ...]], tuple[Link, ...]]
_SIMPLE: Final = ("1.3.6.1.4.1.19376.1.5.3.1.4.13", "1.2.250.1.213.1.1.3.48")
_OF_DOCUMENT: Final = "1.2.250.1.213.1.1.3.48.16"


def state(plan: CarePlan) -> Code | None:
    """In progress 385651009, done 398166005, approved 9571008 or closed 29179001."""
    found = _found(plan, STATE)
    return found.value.code if found and found.value else None


def board_day(plan: CarePlan) -> str | None:
    """The day of the board whose decision the plan follows."""
    return _day(_found(plan, BOARD_DAY))


def in_state(plan: CarePlan, code: str, day: str) -> CarePlan:
    """The plan in another state, since `day`. Refused: SHEET_CODE_NOT_IN_SET."""
    known = value_sets()[_STATES]
    if code not in known:
        raise InvalidInput("SHEET_CODE_NOT_IN_SET", field="document_status", value_set=_STATES)
    value = Value(type="CD", code=replace(known[code], system=SNOMED_CT))
    return _put(plan, STATE, value, day, (*_SIMPLE, _OF_DOCUMENT))


def decided_on(plan: CarePlan, day: str) -> CarePlan:
    """The plan with the day of the board."""
    return _put(plan, BOARD_DAY, Value(type="EIVL_TS", value=day), day, _SIMPLE)


def handed_over(plan: CarePlan, day: str, by: Participation | None = None) -> CarePlan:
    """The plan once the patient was given it, and by whom."""
    given = _put(plan, HANDED, Value(type="EIVL_TS", value=day), day, _SIMPLE)
    if by is None:
        return given
    return _changed(given, HANDED, lambda it: replace(it, participations=(replace(by, part="performer"),)))


def without(plan: CarePlan, *codes: str) -> CarePlan:
    """The plan that no longer says these of itself."""
    return _in_section(
        plan,
        lambda entries: tuple(
            each for each in entries if each.statement.code is None or each.statement.code.code not in codes
        ),
    )


def new_section(header: Header) -> Section:
    """An empty section of status."""
    return Section(
        code=Code(code="33557-0", system=LOINC, label="Etat d'achèvement"),
        templates=(Id(root=STATUS),),
        ids=(identified(header, STATUS),),
        title=_LABELS[STATE],
    )


def _found(plan: CarePlan, code: str) -> Statement | None:
    section = section_of(plan, STATUS)
    entries = section.entries if section else ()
    return next((each.statement for each in entries if each.statement.code and each.statement.code.code == code), None)


def _day(statement: Statement | None) -> str | None:
    if statement is None:
        return None
    return (statement.value.value if statement.value else None) or (statement.time.start if statement.time else None)


def _put(plan: CarePlan, code: str, value: Value, day: str, templates: tuple[str, ...]) -> CarePlan:
    if section_of(plan, STATUS) is None:
        plan = replace(plan, sections=(new_section(plan.header), *plan.sections))
    if _found(plan, code) is not None:
        return _changed(plan, code, lambda it: replace(it, values=(value,), times=(Time(value=day),)))
    statement = Statement(
        kind="observation",
        class_code="OBS",
        mood="EVN",
        templates=tuple(Id(root=each) for each in templates),
        ids=(identified(plan.header, code),),
        code=Code(code=code, system=CISIS, label=_LABELS[code], system_name="TerminologieCISIS"),
        status="completed",
        times=(Time(value=day),),
        values=(value,),
    )
    return _in_section(plan, lambda entries: (*entries, Link(statement=statement)))


def _changed(plan: CarePlan, code: str, change: _Change) -> CarePlan:
    def among(entries: tuple[Link, ...]) -> tuple[Link, ...]:
        return tuple(
            replace(each, statement=change(each.statement))
            if each.statement.code and each.statement.code.code == code
            else each
            for each in entries
        )

    return _in_section(plan, among)


def _in_section(plan: CarePlan, change: _Among) -> CarePlan:
    sections = tuple(
        unreferenced(replace(each, entries=change(each.entries))) if is_section(each, STATUS) else each
        for each in plan.sections
        if not is_section(each, COPY)
    )
    return replace(plan, sections=sections)
