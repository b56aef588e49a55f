"""The copy in PDF that a care plan carries: for whom and by whom it is, then every section as the document shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from passerelle.dossier.formats.rendering import time_words
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.hl7_time import Hl7Time
from passerelle.oncology.care_plan import CarePlan
from passerelle.oncology.coded import Element, Name, Participation, Section
from passerelle.oncology.formats import cda_narrative
from passerelle.oncology.formats.plain_pdf import Block, document
from passerelle.oncology.header import Header

TITLE: Final = "Programme personnalisé de soins"
_ROWS: Final = frozenset({"tr", "paragraph", "item", "caption"})
_BESIDE: Final = " · "
_MANY: Final = 4
"""So many columns are not told apart without their heads."""


def pdf(plan: CarePlan) -> bytes:
    """The PDF of a plan. Equal plans give the same octets."""
    title = plan.header.title or TITLE
    return document(title, [Block("title", title), *whom(plan.header), *_sections(plan.sections)])


def whom(header: Header) -> Iterator[Block]:
    """For whom a plan is, by whom, and of when."""
    patient = header.patient
    names = [_name(each) for each in patient.names]
    ids = [each.extension for each in patient.ids[:1] if each.extension]
    told = [*names, *(f"INS {each}" for each in ids)]
    if patient.birth and patient.birth.value:
        told.append(f"né(e) le {_day(patient.birth.value)}")
    yield Block("text", f"Patient : {', '.join(filter(None, told))}")
    for author in header.authors:
        yield Block("text", f"Rédigé par : {_person(author)}")
    if header.created and header.created.value:
        yield Block("text", f"Le {_day(header.created.value)}")


def _sections(sections: Iterable[Section], above: str = "p") -> Iterator[Block]:
    for at, section in enumerate(sections, 1):
        if section.title:
            yield Block("heading", section.title)
        narrative = section.narrative
        if narrative is None:
            narrative = cda_narrative.narrate(section, f"{above}{at}").children
        yield from (Block("text", line) for line in _lines(narrative))
        yield from _sections(section.sections, f"{above}{at}.")


def _lines(children: Iterable[Element | str], heads: tuple[str, ...] = ()) -> Iterator[str]:
    """The lines of a narrative: a row of a table is one, its cells beside each other, named where there are many."""
    loose: list[str] = []
    for each in children:
        if isinstance(each, str):
            loose.append(each)
        elif each.name in {"br", *_ROWS} or _holds_rows(each):
            yield from _said(loose)
            loose = []
            if each.name == "tr":
                yield from _said([_row(each, heads)])
            elif each.name == "table":
                named = tuple(_cell(cell) for cell in _below(each, "th"))
                yield from _lines((inner for inner in each.children if not _is_head(inner)), named)
            else:
                yield from _lines(each.children, heads)
        else:
            loose += _words(each.children)
    yield from _said(loose)


def _row(row: Element, heads: tuple[str, ...]) -> str:
    cells = [_cell(each) for each in row.children if isinstance(each, Element)]
    if len(cells) == len(heads) >= _MANY:
        cells = [cells[0], *(f"{head} : {cell}" for head, cell in zip(heads[1:], cells[1:], strict=True) if cell)]
    return _BESIDE.join(filter(None, cells))


def _cell(cell: Element) -> str:
    return " ".join("".join(_words(cell.children)).split())


def _is_head(child: Element | str) -> bool:
    return isinstance(child, Element) and child.name == "thead"


def _below(element: Element, name: str) -> Iterator[Element]:
    for each in element.children:
        if isinstance(each, Element):
            if each.name == name:
                yield each
            yield from _below(each, name)


def _said(parts: list[str]) -> Iterator[str]:
    line = " ".join("".join(parts).split())
    if line:
        yield line


def _holds_rows(element: Element) -> bool:
    return any(isinstance(each, Element) and (each.name in _ROWS or _holds_rows(each)) for each in element.children)


def _words(children: Iterable[Element | str]) -> Iterator[str]:
    for each in children:
        if isinstance(each, str):
            yield each
        elif each.name == "br":
            yield " "
        else:
            yield from _words(each.children)


def _person(who: Participation) -> str:
    where = who.organisation.name if who.organisation else None
    return ", ".join(filter(None, (_name(who.name) if who.name else "", where)))


def _name(name: Name) -> str:
    given = name.part("given") or ""
    return f"{given} {name.part('family') or ''}".strip()


def _day(value: str) -> str:
    try:
        return time_words(Hl7Time.parse(value[:8]))
    except InvalidInput:
        return value[:8]
