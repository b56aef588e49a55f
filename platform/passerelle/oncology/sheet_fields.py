"""The fields of a board sheet by name: what it answers, what it answers once changed, what it still lacks.

`answer(sheet, "quorum")` is a `Code`, `put(sheet, quorum="ORG-126")` another sheet. Lists (`tumours`, `proposals`…) are
tuples of mappings from the names of their fields. What is declared is in `sheet.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from passerelle.kernel.errors import InvalidInput
from passerelle.oncology import answers, narrated, sheet_changes, sheet_paths
from passerelle.oncology.answers import Answer
from passerelle.oncology.coded import Code, Statement
from passerelle.oncology.header import Header
from passerelle.oncology.sheet import NEWEST, BoardSheet, Edition
from passerelle.oncology.sheet_table import Field, Record, Stage, table

Item = Mapping[str, Answer]


def begun(header: Header, edition: Edition = NEWEST) -> BoardSheet:
    """A new sheet, with what every sheet says."""
    usual = {
        each.name: each.usual
        for each in table().fields.values()
        if each.usual is not None and (each.since or edition) <= edition
    }
    return put(BoardSheet(edition=edition, header=header), **usual)


def answer(sheet: BoardSheet, name: str) -> Answer | None:
    """What the sheet answers to the field `name`. Refused: SHEET_FIELD_UNKNOWN."""
    field = _field(name)
    section = sheet_paths.section_of(sheet, field.section or "")
    if section is None:
        return None
    if field.type == "narrative":
        return narrated.answer(section, field)
    found = sheet_paths.found(section.entries, field)
    return None if found is None else answers.answered(found, field)


def items(sheet: BoardSheet, name: str) -> tuple[Item, ...]:
    """The items of the list `name`, each with what it answers. Refused: SHEET_FIELD_UNKNOWN."""
    record = _record(name)
    section = sheet_paths.section_of(sheet, record.section)
    if section is None:
        return ()
    return tuple(_item(statement, record) for statement in sheet_paths.of_record(section.entries, record))


def put(sheet: BoardSheet, **given: object) -> BoardSheet:
    """The sheet with these answers; None takes one away, a list replaces the whole list.

    The narrative of a section that changes is written anew. Refused: SHEET_FIELD_UNKNOWN, SHEET_VALUE_MALFORMED,
    SHEET_CODE_NOT_IN_SET.
    """
    declared = table()
    for name in given:
        if name not in declared.records:
            _field(name)
    for name in (*declared.fields, *declared.records):
        if name in given:
            value = given[name]
            if name in declared.records:
                sheet = sheet_changes.put_items(sheet, declared.records[name], value)
            else:
                sheet = sheet_changes.put_field(
                    sheet, declared.fields[name], answers.accepted(declared.fields[name], value)
                )
    return sheet


def missing(sheet: BoardSheet, by: Stage = "approval") -> list[str]:
    """The compulsory answers that the sheet lacks before the session opens, or before it is approved.

    A field of an item of a list is named `tumours.1.tnm_t`.
    """
    declared = table()
    stages = {"session"} if by == "session" else {"session", "approval"}
    asked = [each for each in declared.fields.values() if each.section and each.needed in stages]
    return [
        *(each.name for each in asked if _is_asked(sheet, each) and answer(sheet, each.name) is None),
        *(name for record in declared.records.values() for name in _missing_in(sheet, record, stages)),
        *(each.name for each in declared.wholes if each.needed in stages and not _tells(sheet, each.name)),
    ]


def label(name: str) -> str:
    """The French name of what `missing` names."""
    declared = table()
    head, _, rest = name.partition(".")
    if head in declared.records and rest:
        number, _, inner = rest.partition(".")
        return f"{declared.records[head].label} {number} : {declared.fields[inner].label}"
    for each in (declared.records, declared.fields, {whole.name: whole for whole in declared.wholes}):
        if head in each:
            return str(each[head].label)
    raise InvalidInput("SHEET_FIELD_UNKNOWN", field=head)


def _field(name: str) -> Field:
    field = table().fields.get(name)
    if field is None or field.section is None or field.type == "group":
        raise InvalidInput("SHEET_FIELD_UNKNOWN", field=name)
    return field


def _record(name: str) -> Record:
    record = table().records.get(name)
    if record is None:
        raise InvalidInput("SHEET_FIELD_UNKNOWN", field=name)
    return record


def _tells(sheet: BoardSheet, name: str) -> bool:
    whole = next(each for each in table().wholes if each.name == name)
    if not whole.any_of:
        return bool(getattr(sheet, name))
    records = table().records
    return any(items(sheet, each) if each in records else answer(sheet, each) is not None for each in whole.any_of)


def _is_asked(sheet: BoardSheet, field: Field) -> bool:
    if field.since is not None and sheet.edition < field.since:
        return False
    if field.when is None:
        return True
    other, wanted = field.when
    given = answer(sheet, other)
    return (given.code if isinstance(given, Code) else str(given).lower()) == wanted


def _missing_in(sheet: BoardSheet, record: Record, stages: set[str]) -> Iterator[str]:
    found = items(sheet, record.name)
    if record.needed in stages and not found:
        yield record.name
    for number, item in enumerate(found, 1):
        for field in table().of_record(record.name):
            if field.needed in stages and item.get(field.name) is None:
                yield f"{record.name}.{number}.{field.name}"


def _item(statement: Statement, record: Record) -> Item:
    held = {}
    for field in table().of_record(record.name):
        found = sheet_paths.found(statement.links, field) if sheet_paths.steps(field) else statement
        if found is not None and field.type != "group":
            held[field.name] = answers.answered(found, field)
    return {name: value for name, value in held.items() if value is not None}
