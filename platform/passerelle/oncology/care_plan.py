"""The care plan (programme personnalisé de soins, PPS) as a value: its edition, its header, its sections; no database.

Source: CI-SIS, volet CANCER-PPS 2022.01 and 2025.01 (document 18776-5, template 1.2.250.1.213.1.1.1.26). What is
planned, line by line, is in `plan_items`; the plan that a decision of a board gives, in `plan_derivation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from passerelle.oncology import as_json
from passerelle.oncology.coded import Section
from passerelle.oncology.header import Header
from passerelle.oncology.sheet import NEWEST, Edition

TYPE: Final = "18776-5"
TEMPLATE: Final = "1.2.250.1.213.1.1.1.26"
COPY: Final = "1.2.250.1.213.1.1.2.243"
"""The section that holds a PDF of the document (FR-Document-PDF-copie), which the edition of 2025 asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlan:
    """A care plan. Two plans that say the same are equal.

    The copy in PDF is no part of it while it is ours: it is made anew whenever the plan is written.
    """

    edition: Edition = NEWEST
    header: Header
    sections: tuple[Section, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What the column `care_plan.content` keeps."""
        return as_json.dumped(self)

    @classmethod
    def from_json(cls, given: object) -> CarePlan:
        """The plan that `to_json` gave. Refused: SHEET_MALFORMED."""
        return as_json.loaded(cls, given)


def section_of(plan: CarePlan, template: str, key: str | None = None) -> Section | None:
    """The first section that bears a template; `key` is the translation that tells two of the same apart."""
    return next((each for each in plan.sections if is_section(each, template, key)), None)


def is_section(section: Section, template: str, key: str | None = None) -> bool:
    """Whether a section bears a template, and that translation of its code if one is given."""
    if not any(each.root == template for each in section.templates):
        return False
    translations = section.code.translations if section.code else ()
    return key is None or any(each.code == key for each in translations)
