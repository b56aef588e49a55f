"""The passages of a narrative that coded entries point to (HL7 CDA R2 §4.3.5.1: `reference` to an `ID`).

References are read as they are found: with or without their `#`, to an ID that is not there, or with the words
themselves in their place.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.hl7v3 import NAMESPACE, find

_PARTING: Final = frozenset(f"{{{NAMESPACE}}}{name}" for name in ("br", "td", "th", "tr", "item", "paragraph"))
_ROW: Final = f"{{{NAMESPACE}}}tr"
_TABLE: Final = f"{{{NAMESPACE}}}table"
_CELLS: Final = (f"{{{NAMESPACE}}}td", f"{{{NAMESPACE}}}th")


class Passages:
    """Every element of one document that has an ID."""

    def __init__(self, document: etree._Element) -> None:
        self._by_id: dict[str, etree._Element] = {}
        for element in document.iter():
            name = element.get("ID")
            if name:
                self._by_id.setdefault(name, element)

    def at(self, element: etree._Element | None) -> etree._Element | None:
        """The passage that the `reference` in `element` (a `text` or an `originalText`) names."""
        reference = None if element is None else find(element, "reference")
        value = None if reference is None else reference.get("value")
        return None if not value else self._by_id.get(value.removeprefix("#"))

    def words(self, element: etree._Element | None, field: str) -> str | None:
        """The words of a `text` or an `originalText`: those of the passage it names, else its own.

        Refused: VALUE_TOO_LONG, VALUE_MALFORMED.
        """
        if element is None:
            return None
        passage = self.at(element)
        return words(element if passage is None else passage, field)

    def cell(self, element: etree._Element | None, heading: str) -> str | None:
        """What the table row of a passage holds under `heading`."""
        row = self.at(element)
        while row is not None and row.tag != _ROW:
            row = row.getparent()
        table = row
        while table is not None and table.tag != _TABLE:
            table = table.getparent()
        if row is None or table is None:
            return None
        head = next(table.iter(_ROW), None)
        if head is None:
            return None
        for named, held in zip(head.iterchildren(*_CELLS), row.iterchildren(*_CELLS), strict=False):
            if words(named, "th") == heading:
                return words(held, "td")
        return None


def words(element: etree._Element, field: str) -> str | None:
    """The text of an element, a blank at each break of line or cell; None when nothing is there, or only a dash."""
    parts: list[str] = []
    _gather(element, parts)
    found = values.text("".join(parts), field)
    return None if found in {"-", "–"} else found


def _gather(element: etree._Element, parts: list[str]) -> None:
    parts.append(element.text or "")
    for child in element:
        if child.tag in _PARTING:
            parts.append(" ")
        _gather(child, parts)
        parts.append(child.tail or "")
