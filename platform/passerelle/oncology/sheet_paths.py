"""Where the sections and statements of a board sheet stand, found as `sheet.toml` declares them."""

from __future__ import annotations

from collections.abc import Iterator

from passerelle.oncology.coded import Link, Section, Statement
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_table import Field, Record, SectionKind, table


def is_a(section: Section, kind: SectionKind) -> bool:
    roots = {each.root for each in section.templates}
    if kind.templates[-1] not in roots:
        return False
    translations = {each.code for each in section.code.translations} if section.code else set()
    keys = {each.key.code for each in table().sections.values() if each.key}
    return kind.key.code in translations if kind.key else not translations & keys


def section_of(sheet: BoardSheet, name: str) -> Section | None:
    path = path_of(sheet.sections, table().sections[name])
    if path is None:
        return None
    sections = sheet.sections
    for at in path[:-1]:
        sections = sections[at].sections
    return sections[path[-1]]


def path_of(sections: tuple[Section, ...], kind: SectionKind) -> tuple[int, ...] | None:
    for at, section in enumerate(sections):
        if is_a(section, kind):
            return (at,)
    if kind.inside is not None:
        outer = table().sections[kind.inside]
        for at, section in enumerate(sections):
            if is_a(section, outer):
                inner = path_of(section.sections, kind)
                return None if inner is None else (at, *inner)
    return None


def steps(field: Field) -> list[tuple[Field, ...]]:
    """The statements to pass through, each one or one of several, down to the field's own."""
    declared = table()
    steps: list[tuple[Field, ...]] = [(field,)] if field.is_statement else []
    under = field.under
    while under:
        above = tuple(declared.fields[each] for each in under)
        steps.insert(0, above)
        under = above[0].under
    return steps


def _matches(statement: Statement, step: tuple[Field, ...]) -> bool:
    if step[0].type == "comment":
        return statement.code is not None and statement.code.code == table().shapes["comment"].code
    return statement.code is not None and any(statement.code.code in each.codes for each in step)


def index_of(links: tuple[Link, ...], step: tuple[Field, ...]) -> tuple[int, ...] | None:
    """Where a statement is: right here, else below (the samples of 2025 nest the motive deeper than those of 2022)."""
    for at, link in enumerate(links):
        if _matches(link.statement, step):
            return (at,)
    if step[0].type == "comment":
        return None
    for at, link in enumerate(links):
        below = index_of(link.statement.links, step)
        if below is not None:
            return (at, *below)
    return None


def _at(links: tuple[Link, ...], path: tuple[int, ...]) -> Statement:
    for at in path[:-1]:
        links = links[at].statement.links
    return links[path[-1]].statement


def found(links: tuple[Link, ...], field: Field) -> Statement | None:
    statement: Statement | None = None
    for step in steps(field):
        path = index_of(links, step)
        if path is None:
            return None
        statement = _at(links, path)
        links = statement.links
    return statement


def of_record(links: tuple[Link, ...], record: Record) -> Iterator[Statement]:
    for link in links:
        if _is_item(link.statement, record):
            yield link.statement
        else:
            yield from of_record(link.statement.links, record)


def _is_item(statement: Statement, record: Record) -> bool:
    code = statement.code.code if statement.code else None
    return any(each.root == record.of for each in statement.templates) and record.code in {None, code}
