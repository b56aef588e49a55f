"""The body of a CDA R2 document: sections, narrative and clinical statements, read into `oncology.coded`.

What has no place there is kept as it stands (`others`), at the nearest element that holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.kernel.errors import LimitExceeded
from passerelle.oncology.coded import Code, Element, Id, Link, Participation, Section, Statement, Value, Words
from passerelle.oncology.formats import cda_people, cda_values
from passerelle.oncology.formats.cda_values import XSI_TYPE, Passages, Strange, local, only, xsi_type

MAX_STATEMENTS: Final = 5_000
"""Statements of one document; a board sheet holds some eighty."""
KINDS: Final = frozenset({
    "act", "encounter", "observation", "observationMedia", "organizer", "procedure", "regionOfInterest",
    "substanceAdministration", "supply",
})  # fmt: skip
CODED: Final = frozenset({"CD", "CE", "CO", "CS", "CV"})
_LINKS: Final = frozenset({"entry", "entryRelationship", "component"})
_PARTICIPATIONS: Final = frozenset({"performer", "author", "informant", "participant"})
_ONE: Final = frozenset({"code", "text", "status", "priority"})
_MAX_DEPTH: Final = 40


class Body:
    """Reads the sections of one document."""

    def __init__(self, document: etree._Element) -> None:
        self.passages = Passages(document)
        self._statements = 0

    def section(self, element: etree._Element) -> Section:
        """One section with those inside it. Refused: SHEET_TOO_MANY_STATEMENTS, VALUE_TOO_LONG, VALUE_MALFORMED."""
        templates: list[Id] = []
        ids: list[Id] = []
        code: Code | None = None
        title: str | None = None
        narrative: tuple[Element | str, ...] | None = None
        participations: list[Participation] = []
        entries: list[Link] = []
        sections: list[Section] = []
        others: list[Element] = []
        for child in element:
            name = local(child)
            try:
                if name == "templateId":
                    templates.append(cda_values.identifier(child))
                elif name == "id":
                    ids.append(cda_values.identifier(child))
                elif name == "code":
                    code = cda_values.code(child, self.passages)
                elif name == "title":
                    title = values.text("".join(map(str, child.itertext())), "section/title")
                elif name == "text":
                    narrative = cda_values.as_it_stands(child).children
                elif name in _PARTICIPATIONS:
                    participations.append(cda_people.participation(child, self.passages))
                elif name == "entry":
                    entries.append(self._link(child))
                elif name == "component":
                    sections.append(self._inner(child))
                else:
                    raise Strange
            except Strange:
                others.append(cda_values.as_it_stands(child))
        return Section(
            code=code,
            templates=tuple(templates),
            ids=tuple(ids),
            title=title,
            narrative=narrative,
            participations=tuple(participations),
            others=tuple(others),
            entries=tuple(entries),
            sections=tuple(sections),
        )

    def _inner(self, component: etree._Element) -> Section:
        inside = [each for each in component if local(each) == "section"]
        if len(inside) != 1 or len(component) != 1:
            raise Strange
        return self.section(inside[0])

    def _link(self, element: etree._Element, depth: int = 0) -> Link:
        only(element, "typeCode", "inversionInd", "contextConductionInd", "contextControlCode")
        sequence: str | None = None
        statement: Statement | None = None
        for child in element:
            if local(child) == "sequenceNumber":
                only(child, "value")
                sequence = child.get("value")
            elif local(child) in KINDS and statement is None:
                statement = self.statement(child, depth)
            else:
                raise Strange
        if statement is None:
            raise Strange
        return Link(
            statement=statement,
            type_code=element.get("typeCode"),
            inverted=cda_values.flag(element, "inversionInd"),
            control=element.get("contextConductionInd"),
            sequence=sequence,
        )

    def statement(self, element: etree._Element, depth: int = 0) -> Statement:
        """One statement with those below it."""
        self._statements += 1
        if self._statements > MAX_STATEMENTS:
            raise LimitExceeded("SHEET_TOO_MANY_STATEMENTS", limit=MAX_STATEMENTS)
        if depth > _MAX_DEPTH:
            raise Strange
        only(element, "classCode", "moodCode", "negationInd", "ID")
        held: dict[str, list[Any]] = {}
        for child in element:
            slot, value = self._part(child, depth)
            held.setdefault(slot, []).append(value)
        slots: dict[str, Any] = {slot: held[slot][0] for slot in _ONE if slot in held}
        if any(len(held[slot]) > 1 for slot in slots):
            raise Strange
        slots |= {slot: tuple(found) for slot, found in held.items() if slot not in _ONE}
        return Statement(
            kind=local(element),
            class_code=element.get("classCode"),
            mood=element.get("moodCode"),
            negated=cda_values.flag(element, "negationInd"),
            name=element.get("ID"),
            **slots,
        )

    def _part(self, element: etree._Element, depth: int) -> tuple[str, object]:
        name = local(element)
        try:
            if name in _LINKS:
                return "links", self._link(element, depth + 1)
            read = _READERS.get(name)
            if read is None:
                raise Strange
            slot, reader = read
            return slot, reader(self, element)
        except Strange:
            return "others", cda_values.as_it_stands(element)

    def code(self, element: etree._Element) -> Code:
        """A code of this document."""
        return cda_values.code(element, self.passages)

    def text(self, element: etree._Element) -> Words:
        """The words of a statement."""
        only(element, "mediaType")
        found = self.passages.words(element)
        if found is None:
            raise Strange
        return found

    def participation(self, element: etree._Element) -> Participation:
        """Who took part in a statement."""
        return cda_people.participation(element, self.passages)

    def value(self, element: etree._Element) -> Value:
        """What a statement found."""
        kind = xsi_type(element)
        if kind in CODED:
            return Value(type=kind, code=cda_values.code(element, self.passages, typed=False))
        only(element, XSI_TYPE, "value", "unit", "nullFlavor", "mediaType", "representation")
        if kind is None and element.get("representation") != "B64":
            raise Strange
        if element.get("representation") == "B64":
            text: Words | None = Words(text="".join((element.text or "").split()))
            parts = tuple(cda_values.as_it_stands(each) for each in element)
        elif kind in {"ST", "ED"}:
            text, parts = self.passages.words(element), ()
        else:
            text, parts = None, tuple(cda_values.as_it_stands(each) for each in element)
            if element.text and element.text.strip():
                raise Strange
        return Value(
            type=kind,
            value=cda_values.attribute(element, "value"),
            unit=cda_values.attribute(element, "unit"),
            null_flavor=element.get("nullFlavor"),
            text=text,
            media_type=element.get("mediaType"),
            representation=element.get("representation"),
            parts=parts,
        )


_READERS: Final[dict[str, tuple[str, Callable[[Body, etree._Element], object]]]] = {
    "templateId": ("templates", lambda _, element: cda_values.identifier(element)),
    "id": ("ids", lambda _, element: cda_values.identifier(element)),
    "code": ("code", Body.code),
    "text": ("text", Body.text),
    "statusCode": ("status", lambda _, element: _status(element)),
    "effectiveTime": ("times", lambda _, element: cda_values.time(element)),
    "priorityCode": ("priority", Body.code),
    "value": ("values", Body.value),
    "targetSiteCode": ("sites", Body.code),
    **dict.fromkeys(_PARTICIPATIONS, ("participations", Body.participation)),
}


def _status(element: etree._Element) -> str:
    only(element, "code")
    given = element.get("code")
    if given is None or len(element):
        raise Strange
    return given
