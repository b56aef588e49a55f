"""A sheet of one edition of the volet as one of another: what an edition moved is moved, what it adds is added."""

from __future__ import annotations

from dataclasses import replace

from passerelle.oncology import sheet_making, sheet_paths
from passerelle.oncology.coded import Code, Section
from passerelle.oncology.sheet import BoardSheet, Edition
from passerelle.oncology.sheet_changes import put_field, with_section
from passerelle.oncology.sheet_fields import answer, put
from passerelle.oncology.sheet_table import SectionKind, table


def in_edition(sheet: BoardSheet, edition: Edition) -> BoardSheet:
    """The sheet as one of `edition`. Nothing that it says is lost; what an edition does not know of stays."""
    if sheet.edition == edition:
        return sheet
    templates = tuple(
        replace(each, extension=edition) if each.extension == sheet.edition else each for each in sheet.header.templates
    )
    moved = replace(sheet, edition=edition, header=replace(sheet.header, templates=templates))
    for kind in table().sections.values():
        if kind.parent(sheet.edition) != kind.parent(edition):
            moved = _moved(moved, kind)
    moved = replace(moved, sections=tuple(each for each in moved.sections if not _is_empty(moved, each)))
    for field in table().fields.values():
        given = answer(moved, field.name) if field.earlier is not None else None
        if given is not None:
            moved = put_field(moved, field, given)  # under the code of its edition
        if field.usual is not None and (field.since or edition) <= edition and answer(moved, field.name) is None:
            moved = put(moved, **{field.name: field.usual})
    return moved


def _moved(sheet: BoardSheet, kind: SectionKind) -> BoardSheet:
    """The sheet with a section where its edition has it."""
    section = sheet_paths.section_of(sheet, kind.name)
    if section is None:
        return sheet
    left = replace(sheet, sections=_left(sheet.sections, section))
    return with_section(left, kind.name, section)


def _left(sections: tuple[Section, ...], leaving: Section) -> tuple[Section, ...]:
    return tuple(
        replace(each, sections=_left(each.sections, leaving)) if each.sections else each
        for each in sections
        if each is not leaving
    )


def _is_empty(sheet: BoardSheet, section: Section) -> bool:
    """Whether a section that the edition does without holds no more than it always does."""
    kinds = [each for each in table().sections.values() if each.until and each.until < sheet.edition]
    kind = next((each for each in kinds if sheet_paths.is_a(section, each)), None)
    if kind is None or section.entries or section.others:
        return False
    held = [each for each in kinds if each.inside == kind.name]
    fixed = [sheet_making.of_section(sheet.header, each, sheet.edition) for each in held]
    return all(
        any(sheet_paths.is_a(each, one) and _alike(each, made) for one, made in zip(held, fixed, strict=True))
        for each in section.sections
    )


def _alike(section: Section, made: Section) -> bool:
    """Whether a section says nothing but that there is nothing to say."""
    values = [value.code for each in section.entries for value in each.statement.values]
    return not section.sections and len(section.entries) == len(made.entries) and all(map(_is_void, values))


def _is_void(code: Code | None) -> bool:
    return code is not None and code.code is None and code.null_flavor is not None
