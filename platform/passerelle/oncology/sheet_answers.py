"""The answers of a sheet as a face tells and takes them: by name, in words, each with the document it was taken from.

A field of an item of a list is named `tumours.1.topography`, as `sheet_fields.missing` names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from passerelle.kernel.errors import InvalidInput
from passerelle.oncology import narrated, sheet_fields, sheet_paths
from passerelle.oncology.answers import Answer
from passerelle.oncology.coded import Code
from passerelle.oncology.formats import cda_narrative
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_table import Field, table

NULL_FLAVOR: Final = "2.16.840.1.113883.5.1008"
"""The code system of why there is no code (UNK, NA, NASK…)."""
_FLAGS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetAnswer:
    """One answer. `value` is what is written back, in the code system `system` if it is a code; `text` what people
    read; `source` the document that it was taken from, for who may read it."""

    name: str
    label: str
    value: str
    system: str | None
    text: str
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetSection:
    """One section of a sheet, in words."""

    name: str
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """An answer to a field, as it is given; no value takes it away."""

    name: str
    value: str | None = None
    system: str | None = None
    label: str | None = None


def told(sheet: BoardSheet, sources: Mapping[str, str], readable: Collection[str]) -> Iterator[SheetAnswer]:
    """Everything that a sheet answers, in the order of its declaration; sources that may not be read are not told."""
    declared = table()

    def source(name: str) -> str | None:
        document = sources.get(name)
        return document if document in readable else None

    for field in declared.fields.values():
        if field.section is not None and field.type != "group":
            answer = sheet_fields.answer(sheet, field.name)
            if answer is not None:
                yield _told(field, field.name, answer, source(field.name))
    for record in declared.records:
        for number, item in enumerate(sheet_fields.items(sheet, record), 1):
            for name, answer in item.items():
                yield _told(declared.fields[name], f"{record}.{number}.{name}", answer, source(record))


def sections(sheet: BoardSheet) -> Iterator[SheetSection]:
    """The sections of a sheet as its document shows them, in words."""
    for kind in table().sections.values():
        section = sheet_paths.section_of(sheet, kind.name)
        if section is not None:
            children = section.narrative or cda_narrative.narrate(section, kind.name).children
            yield SheetSection(name=kind.name, label=kind.title, text=narrated.text_of(children) or "")


def taken(answers: Iterable[GivenAnswer]) -> dict[str, object]:
    """Answers as `sheet_fields.put` takes them: a list is given whole, by its items.

    Refused: SHEET_FIELD_UNKNOWN, SHEET_ANSWERED_TWICE, SHEET_VALUE_MALFORMED.
    """
    declared, plain = table(), dict[str, object]()
    items: dict[str, dict[int, dict[str, object]]] = {}
    for each in answers:
        record, _, rest = each.name.partition(".")
        number, _, inner = rest.partition(".")
        if rest and record in declared.records and number.isdecimal() and len(number) <= 3:
            held = items.setdefault(record, {}).setdefault(int(number), {})
            _once(held, inner, _value(inner, each))
        elif each.name in declared.records and each.value is None:
            items.setdefault(each.name, {})
        else:
            _once(plain, each.name, _value(each.name, each))
    return plain | {record: [held[number] for number in sorted(held)] for record, held in items.items()}


def _once(held: dict[str, object], name: str, value: object) -> None:
    if name in held:
        raise InvalidInput("SHEET_ANSWERED_TWICE", field=name)
    held[name] = value


def _value(name: str, given: GivenAnswer) -> object:
    field = table().fields.get(name)
    if field is None:
        raise InvalidInput("SHEET_FIELD_UNKNOWN", field=name[:100])
    if given.value is None:
        return None
    if field.type == "code":
        if given.system == NULL_FLAVOR:
            return Code(null_flavor=given.value)
        if given.system is None:
            return given.value
        return Code(code=given.value, system=given.system, label=given.label)
    if field.type == "boolean":
        return _FLAGS.get(given.value, given.value)
    if field.type == "integer" and given.value.isdecimal() and len(given.value) <= 9:
        return int(given.value)
    return given.value


def _told(field: Field, name: str, answer: Answer, source: str | None) -> SheetAnswer:
    value, system, text = _words(field, answer)
    return SheetAnswer(name=name, label=sheet_fields.label(name), value=value, system=system, text=text, source=source)


def _words(field: Field, answer: Answer) -> tuple[str, str | None, str]:
    if isinstance(answer, bool):
        return ("true", None, "Oui") if answer else ("false", None, "Non")
    if not isinstance(answer, Code):
        word: Any = field.words.get(str(answer), answer)
        return str(answer), None, str(word)
    original = answer.original.text if answer.original else None
    if answer.code is None:
        return answer.null_flavor or "", NULL_FLAVOR, original or answer.label or "Non renseigné"
    return answer.code, answer.system, answer.label or original or answer.code
