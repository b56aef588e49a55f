"""What a board sheet holds, as declared in `sheet.toml`: shapes of statements, sections, lists and fields."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from passerelle.oncology.coded import CISIS, LOINC, Code

Stage = Literal["session", "approval"]
FieldType = Literal["code", "boolean", "integer", "words", "date", "status", "comment", "narrative", "group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a statement of this kind is made of when it is new."""

    kind: str
    class_code: str
    mood: str
    templates: tuple[str, ...]
    negated: bool | None = None
    status: str | None = None
    time: str | None = None
    """Why there is no time, until one is given."""
    low: str | None = None
    """The same, for a time that is an interval."""
    value: str | None = None
    value_type: str = "CD"
    original: str | None = None
    site: str | None = None
    priority: str | None = None
    priority_label: str | None = None
    link: str | None = None
    inverted: bool | None = None
    inside: str | None = None
    code: str | None = None
    system: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionKind:
    """A section of the document, found by its CI-SIS template."""

    name: str
    rank: int
    code: Code
    title: str
    templates: tuple[str, ...]
    compulsory: bool = False
    since: str | None = None
    until: str | None = None
    inside: str | None = None
    inside_until: str | None = None
    holds: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    key: Code | None = None

    def parent(self, edition: str) -> str | None:
        """The section that this one stands in, in that edition."""
        return self.inside if self.inside_until is None or edition <= self.inside_until else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A list of like statements: tumours, treatments, requests."""

    name: str
    label: str
    section: str
    shape: str
    of: str
    code: str | None = None
    since: str | None = None
    needed: Stage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One answer of the sheet, or of an item of one of its lists."""

    name: str
    label: str
    type: FieldType
    section: str | None = None
    record: str | None = None
    under: tuple[str, ...] = ()
    code: str | None = None
    system: str = CISIS
    earlier: str | None = None
    """Its code before the edition of 2025."""
    shape: str = "simple"
    link: str | None = None
    at: str | None = None
    values: str | None = None
    negated: bool | None = None
    alternative: str | None = None
    when: tuple[str, str] | None = None
    words: dict[str, str] = field(default_factory=dict)
    since: str | None = None
    needed: Stage | None = None
    usual: str | None = None
    """What a new sheet answers."""

    @property
    def is_statement(self) -> bool:
        """Whether it is a statement of its own, rather than something said in the one above it."""
        return self.type == "comment" or (self.code is not None and not (self.at or "").endswith(".qualifier"))

    @property
    def codes(self) -> frozenset[str]:
        """The codes by which its statement is found."""
        return frozenset(each for each in (self.code, self.earlier) if each)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What the header tells, or one of several fields."""

    name: str
    label: str
    needed: Stage
    any_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything that is declared."""

    shapes: dict[str, Shape]
    sections: dict[str, SectionKind]
    records: dict[str, Record]
    fields: dict[str, Field]
    wholes: tuple[Whole, ...]

    def of_section(self, section: str) -> list[Field]:
        """The fields of a section itself, in order."""
        return [each for each in self.fields.values() if each.section == section]

    def of_record(self, record: str) -> list[Field]:
        """The fields of an item of a list, in order."""
        return [each for each in self.fields.values() if each.record == record]


@cache
def table() -> Table:
    """The declarations, read once."""
    given = tomllib.loads(files(__package__).joinpath("sheet.toml").read_text(encoding="utf-8"))
    return Table(
        shapes={name: Shape(**_tuples(each)) for name, each in given["shape"].items()},
        sections={each["name"]: _section(rank, **each) for rank, each in enumerate(given["section"])},
        records={each["name"]: Record(**each) for each in given["record"]},
        fields={each["name"]: _field(each) for each in given["field"]},
        wholes=tuple(Whole(**_tuples(each)) for each in given["whole"]),
    )


def _section(
    rank: int, *, code: str, label: str, key: str | None = None, key_label: str = "", **rest: Any
) -> SectionKind:
    translation = None if key is None else Code(code=key, system=CISIS, label=key_label)
    return SectionKind(rank=rank, code=Code(code=code, system=LOINC, label=label), key=translation, **_tuples(rest))


def _field(given: dict[str, Any]) -> Field:
    kept = _tuples(given)
    if given["type"] == "comment":
        kept["shape"] = "comment"
    if "when" in kept:
        name, _, answer = kept["when"].partition("=")
        kept["when"] = (name, answer)
    return Field(**kept)


def _tuples(given: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
