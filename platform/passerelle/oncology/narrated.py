"""Sections that speak in words alone: one paragraph of the narrative for each of their fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from passerelle.oncology.coded import Element, Section, plain
from passerelle.oncology.sheet_table import Field, table

_PARTING: Final = frozenset({"br", "tr", "paragraph", "item", "list", "table", "caption", "thead", "tbody"})


def text_of(children: Iterable[Element | str]) -> str | None:
    """The words of a narrative, a line for each row, item or paragraph."""
    return plain("".join(_words(children)))


def answer(section: Section, field: Field) -> str | None:
    """What the section says for this field: in its own paragraph, under its own heading, or the whole text."""
    if section.narrative is None:
        return None
    mark = ("ID", _id(field))
    for element in _elements(section.narrative):
        if mark in element.attributes:
            return text_of(each for each in element.children if isinstance(each, str) or each.name != "caption")
    if len(table().of_section(field.section or "")) == 1:
        return _close(text_of(section.narrative))
    return _under_heading(section.narrative, field.label)


def answering(section: Section, field: Field, given: object) -> Section:
    """The section with these words for this field, those of its other fields kept."""
    fields = table().of_section(field.section or "")
    words = {each.name: answer(section, each) for each in fields}
    words[field.name] = None if given is None else str(given)
    said = [_paragraph(each, text, alone=len(fields) == 1) for each in fields if (text := words[each.name])]
    return replace(section, narrative=tuple(said))


def lines(text: str) -> Iterator[Element | str]:
    """Words of several lines as a narrative holds them."""
    for number, line in enumerate(text.split("\n")):
        if number:
            yield Element(name="br")
        if line:
            yield line


def _paragraph(field: Field, text: str, *, alone: bool) -> Element:
    caption = () if alone else (Element(name="caption", children=(field.label,)),)
    return Element(name="paragraph", attributes=(("ID", _id(field)),), children=(*caption, *lines(text)))


def _id(field: Field) -> str:
    return f"texte-{field.name}"


def _words(children: Iterable[Element | str]) -> Iterator[str]:
    for each in children:
        if isinstance(each, str):
            yield each
        else:
            yield "\n" if each.name in _PARTING else " " if each.name in {"td", "th"} else ""
            yield from _words(each.children)
            yield "\n" if each.name in _PARTING - {"br"} else ""


def _elements(children: Iterable[Element | str]) -> Iterator[Element]:
    for each in children:
        if isinstance(each, Element):
            yield each
            yield from _elements(each.children)


def _close(text: str | None) -> str | None:
    """Without empty lines: those of a narrative that others wrote are between its rows."""
    return None if text is None else "\n".join(filter(None, text.split("\n"))) or None


def _under_heading(children: Iterable[Element | str], heading: str) -> str | None:
    for found in _elements(children):
        if found.name == "table":
            heads = [text_of(each.children) for each in _elements(found.children) if each.name == "th"]
            if heads and (heads[0] or "").casefold() == heading.casefold():
                cells = (each for each in _elements(found.children) if each.name == "td")
                return _close("\n".join(text_of(each.children) or "" for each in cells))
    return None
