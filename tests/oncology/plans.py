"""Care plans of invented people, for tests."""

from __future__ import annotations

from passerelle.oncology.care_plan import CarePlan, section_of
from passerelle.oncology.coded import Id
from passerelle.oncology.plan_derivation import derived_from
from passerelle.oncology.plan_status import HANDED, STATUS
from passerelle.oncology.sheet import BoardSheet
from tests.oncology.sheets import a_sheet, who

CREATED = "20260601101500+0200"


def a_plan(number: int = 1, sheet: BoardSheet | None = None) -> CarePlan:
    """The plan that a sheet gives."""
    return derived_from(
        sheet or a_sheet(number),
        id=Id(root=f"1.2.250.1.999.9.{number}"),
        set_id=Id(root=f"1.2.250.1.999.8.{number}"),
        author=who("participant", 1, type_code="RESP"),
        created=CREATED,
    )


def handed_on(plan: CarePlan) -> str | None:
    """The day on which the plan says that the patient was given it."""
    section = section_of(plan, STATUS)
    for each in section.entries if section else ():
        said = each.statement
        if said.code is not None and said.code.code == HANDED and said.value is not None:
            return said.value.value
    return None
