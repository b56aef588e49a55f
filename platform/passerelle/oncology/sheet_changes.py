"""A board sheet with other answers: sections and statements are made when first needed, and taken away when empty."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from passerelle.kernel.errors import InvalidInput
from passerelle.oncology import answers, narrated, sheet_making, sheet_paths
from passerelle.oncology.answers import Answer
from passerelle.oncology.coded import Link, Section, Statement, unreferenced
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_table import Field, Record, SectionKind, table

_Step = tuple[Field, ...]


def put_field(sheet: BoardSheet, field: Field, given: Answer | None) -> BoardSheet:
    """The sheet with this answer to a field of a section."""
    name = field.section or ""
    if given is None and sheet_paths.section_of(sheet, name) is None:
        return sheet
    if field.type == "narrative":
        return _in_section(sheet, name, lambda section: narrated.answering(section, field, given))

    def change(section: Section) -> Section:
        maker = _Maker(sheet, "")
        bare = unreferenced(section)
        return replace(bare, entries=maker.put(bare.entries, field, given))

    return _in_section(sheet, name, change)


def put_items(sheet: BoardSheet, record: Record, given: object) -> BoardSheet:
    """The sheet with this list in the place of the one it had."""
    if given is None:
        given = ()
    if not isinstance(given, list | tuple):
        raise InvalidInput("SHEET_VALUE_MALFORMED", field=record.name)
    if not given and sheet_paths.section_of(sheet, record.section) is None:
        return sheet
    made = tuple(_new_item(sheet, record, number, each) for number, each in enumerate(given, 1))

    def change(section: Section) -> Section:
        bare = unreferenced(section)
        kept = tuple(each for each in bare.entries if not any(sheet_paths.of_record((each,), record)))
        return replace(bare, entries=_ordered(kept, made))

    return _in_section(sheet, record.section, change)


def _ordered(kept: tuple[Link, ...], made: tuple[Link, ...]) -> tuple[Link, ...]:
    """Comments on the whole stay last."""
    comment = table().shapes["comment"].code
    last = tuple(each for each in kept if each.statement.code and each.statement.code.code == comment)
    return (*(each for each in kept if each not in last), *made, *last)


def _new_item(sheet: BoardSheet, record: Record, number: int, given: object) -> Link:
    if not isinstance(given, Mapping):
        raise InvalidInput("SHEET_VALUE_MALFORMED", field=record.name)
    fields = {each.name: each for each in table().of_record(record.name) if each.type != "group"}
    unknown = next((name for name in given if name not in fields), None)
    if unknown is not None:
        raise InvalidInput("SHEET_FIELD_UNKNOWN", field=str(unknown))
    purpose = f"{record.name}/{number}"
    made = sheet_making.of_shape(sheet.header, table().shapes[record.shape], purpose)
    item = made if _is(made, record) else made.statement.links[0]
    statement = item.statement
    maker = _Maker(sheet, f"{purpose}/")
    for field in fields.values():
        value = answers.accepted(field, given.get(field.name))
        if value is not None:
            statement = maker.put_in(statement, field, value)
    if item is made:
        return replace(made, statement=statement)
    outer = replace(made.statement, links=(replace(item, statement=statement),), times=statement.times)
    return replace(made, statement=outer)


def _is(link: Link, record: Record) -> bool:
    return any(each.root == record.of for each in link.statement.templates)


class _Maker:
    """Puts answers into the statements of one section, or of one item of a list."""

    def __init__(self, sheet: BoardSheet, purpose: str) -> None:
        self._sheet = sheet
        self._purpose = purpose

    def put_in(self, statement: Statement, field: Field, given: Answer) -> Statement:
        """The item of a list with this answer."""
        if not sheet_paths.steps(field):
            return answers.answering(statement, field, given)
        return replace(statement, links=self.put(statement.links, field, given))

    def put(self, links: tuple[Link, ...], field: Field, given: Answer | None) -> tuple[Link, ...]:
        """The statements with this answer."""
        return self._put(links, sheet_paths.steps(field), field, given)

    def _put(self, links: tuple[Link, ...], steps: list[_Step], field: Field, given: Answer | None) -> tuple[Link, ...]:
        step, *rest = steps
        is_last = not rest
        path = sheet_paths.index_of(links, self._wide(step) if is_last and given is not None else step)
        if path is None:
            if given is None:
                return links
            made = sheet_making.of_field(self._sheet.header, step[0], self._sheet.edition, self._purpose)
            links, path = (*links, made), (len(links),)
        if not is_last:
            return _changed_at(
                links, path, lambda link: _with_links(link, self._put(link.statement.links, rest, field, given))
            )
        if given is None and field.is_statement and not _has_links(links, path):
            return _without(links, path)
        return _changed_at(links, path, lambda link: self._answering(link, field, given))

    def _wide(self, step: _Step) -> _Step:
        """A field and the one it stands instead of."""
        other = step[0].alternative
        return step if other is None else (*step, table().fields[other])

    def _answering(self, link: Link, field: Field, given: Answer | None) -> Link:
        statement = link.statement
        if field.alternative is not None and not (statement.code and statement.code.code in field.codes):
            fresh = sheet_making.of_field(self._sheet.header, field, self._sheet.edition, self._purpose).statement
            statement = replace(fresh, links=statement.links)
        elif field.earlier is not None:
            fresh = sheet_making.of_field(self._sheet.header, field, self._sheet.edition, self._purpose).statement
            statement = replace(statement, code=fresh.code)
        return replace(link, statement=answers.answering(statement, field, given))


def _with_links(link: Link, links: tuple[Link, ...]) -> Link:
    return replace(link, statement=replace(link.statement, links=links))


def _changed_at(links: tuple[Link, ...], path: tuple[int, ...], change: Callable[[Link], Link]) -> tuple[Link, ...]:
    at, *rest = path
    link = links[at]
    link = _with_links(link, _changed_at(link.statement.links, tuple(rest), change)) if rest else change(link)
    return (*links[:at], link, *links[at + 1 :])


def _without(links: tuple[Link, ...], path: tuple[int, ...]) -> tuple[Link, ...]:
    at, *rest = path
    if not rest:
        return (*links[:at], *links[at + 1 :])
    return (*links[:at], _with_links(links[at], _without(links[at].statement.links, tuple(rest))), *links[at + 1 :])


def _has_links(links: tuple[Link, ...], path: tuple[int, ...]) -> bool:
    at, *rest = path
    statement = links[at].statement
    return _has_links(statement.links, tuple(rest)) if rest else bool(statement.links)


def _in_section(sheet: BoardSheet, name: str, change: Callable[[Section], Section]) -> BoardSheet:
    sheet = with_section(sheet, name)
    path = sheet_paths.path_of(sheet.sections, table().sections[name]) or ()
    return replace(sheet, sections=_changed_in(sheet.sections, path, change))


def _changed_in(
    sections: tuple[Section, ...], path: tuple[int, ...], change: Callable[[Section], Section]
) -> tuple[Section, ...]:
    at, *rest = path
    section = sections[at]
    section = replace(section, sections=_changed_in(section.sections, tuple(rest), change)) if rest else change(section)
    return (*sections[:at], section, *sections[at + 1 :])


def with_section(sheet: BoardSheet, name: str, section: Section | None = None) -> BoardSheet:
    """The sheet with this section where its edition has it; empty if none is given and it was not there."""
    kind = table().sections[name]
    if sheet_paths.path_of(sheet.sections, kind) is not None:
        return sheet
    made = section or sheet_making.of_section(sheet.header, kind, sheet.edition)
    parent = kind.parent(sheet.edition)
    if parent is None:
        return replace(sheet, sections=_inserted(sheet.sections, made, kind))
    return _in_section(sheet, parent, lambda outer: replace(outer, sections=_inserted(outer.sections, made, kind)))


def _inserted(sections: tuple[Section, ...], made: Section, kind: SectionKind) -> tuple[Section, ...]:
    later = [each for each in table().sections.values() if each.rank > kind.rank]
    at = next(
        (n for n, each in enumerate(sections) if any(sheet_paths.is_a(each, one) for one in later)), len(sections)
    )
    return (*sections[:at], made, *sections[at:])
