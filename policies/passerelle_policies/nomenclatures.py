"""The code lists that the State publishes, as far as Passerelle reads them.

The CSV files in `codes/` carry the facts over; `codes/SOURCES.md` names where each came from. A list changes
by publication, never by a rule of ours: what a rule makes of a code stands in the packs.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from passerelle_policies.vocabulary import Role, Setting


@dataclass(frozen=True, slots=True)
class Code:
    """One coded value: its code, the OID (or name) of its code system, its French label."""

    code: str
    system: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentType:
    """One XDS typeCode. The class follows from the type (ASS_X16, else ASS_X04); three types have none yet."""

    code: str
    system: str
    label: str
    class_code: str | None
    class_label: str | None
    in_jdv: bool
    in_dmp: bool

    @property
    def is_exchanged(self) -> bool:
        """Whether the exchange takes it: a type of JDV_J07, or one that a DMP still takes after JDV_J07 dropped it."""
        return self.in_jdv or self.in_dmp


@dataclass(frozen=True, slots=True, kw_only=True)
class Profession:
    """One profession or function, with the role that the matrix gives it."""

    code: str
    system: str
    label: str
    role: Role
    is_in_force: bool


def document_type(code: str) -> DocumentType | None:
    """The document type of `code` (JDV_J07 and the older types of ASS_X04), or None."""
    return document_types().get(code)


def document_class(code: str) -> Code | None:
    """The document class of `code` (TRE_A03), or None."""
    return document_classes().get(code)


def profession(code: str) -> Profession | None:
    """The profession or function of `code` (TRE_G15, R94, R95, R85, A00), or None. The one in force wins a clash."""
    return professions().get(code)


def specialty(code: str) -> Code | None:
    """The savoir-faire of `code` (TRE_R01, a superset of TRE_R38), or None."""
    return _codes("specialties").get(code)


def specialties() -> Mapping[str, Code]:
    """Every savoir-faire by code."""
    return _codes("specialties")


def author_specialty(code: str) -> Code | None:
    """The XDS authorSpecialty of `code` (JDV_J01, such as G15_10/SM26), or None."""
    return _codes("author_specialties").get(code)


def facility_type(code: str) -> Code | None:
    """The healthcareFacilityTypeCode of `code` (JDV_J02), or None."""
    return _codes("facility_types").get(code)


@cache
def settings() -> Mapping[str, Setting]:
    """The setting of each healthcareFacilityTypeCode that is a pharmacy or a health establishment."""
    return {row["code"]: Setting(row["setting"]) for row in _rows("settings")}


def practice_setting(code: str) -> Code | None:
    """The practiceSettingCode of `code` (JDV_J04), or None."""
    return _codes("practice_settings").get(code)


def confidentiality(code: str) -> Code | None:
    """The confidentialityCode of `code` (JDV_J08), or None."""
    return _codes("confidentiality_codes").get(code)


def format_code_of(template: str) -> str | None:
    """The XDS formatCode of a structured CDA model, by its template OID (ASS_A11), or None.

    A non-structured body has several, by media type: None, and the caller decides (`is_format_code`).
    """
    return _format_codes().get(template)


def is_format_code(code: str) -> bool:
    """Whether ASS_A11 knows this XDS formatCode."""
    return code in _known_formats()


@cache
def document_types() -> Mapping[str, DocumentType]:
    """Every document type by code."""
    classes = document_classes()
    found: dict[str, DocumentType] = {}
    for row in _rows("document_types"):
        its_class = classes.get(row["class_code"])
        found[row["code"]] = DocumentType(
            code=row["code"],
            system=row["system"],
            label=row["label"],
            class_code=its_class.code if its_class else None,
            class_label=its_class.label if its_class else None,
            in_jdv=row["in_jdv_j07"] == "yes",
            in_dmp=row["in_ass_x16"] == "yes",
        )
    return found


def document_classes() -> Mapping[str, Code]:
    """Every document class by code."""
    return _codes("document_classes")


@cache
def professions() -> Mapping[str, Profession]:
    """Every profession or function by code."""
    found: dict[str, Profession] = {}
    for row in _rows("professions"):
        each = Profession(
            code=row["code"],
            system=row["system"],
            label=row["label"],
            role=Role(row["role"]),
            is_in_force=row["in_force"] == "yes",
        )
        if each.is_in_force or each.code not in found:
            found[each.code] = each
    return found


@cache
def _codes(name: str) -> Mapping[str, Code]:
    return {row["code"]: Code(row["code"], row["system"], row["label"]) for row in _rows(name)}


@cache
def _format_codes() -> Mapping[str, str]:
    by_template: dict[str, set[str]] = {}
    for row in _rows("format_codes"):
        by_template.setdefault(row["template"], set()).add(row["code"])
    return {template: next(iter(codes)) for template, codes in by_template.items() if len(codes) == 1}


@cache
def _known_formats() -> frozenset[str]:
    return frozenset(row["code"] for row in _rows("format_codes"))


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("passerelle_policies").joinpath("codes", f"{name}.csv").read_text("utf-8")
    yield from csv.DictReader(text.splitlines())
