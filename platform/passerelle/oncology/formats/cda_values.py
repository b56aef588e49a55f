"""Codes, times, names and people of CDA R2, read into the values of `oncology.coded`.

Each reader takes an element whole or raises `Strange`: who calls it then keeps the element as it stands.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.hl7v3 import NAMESPACE
from passerelle.kernel.errors import LimitExceeded
from passerelle.oncology.coded import (
    Code,
    Element,
    Id,
    Moment,
    Qualifier,
    Time,
    Words,
    plain,
)

XSI_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
MAX_WORDS: Final = 100_000
"""Characters of one passage."""
MAX_ALL_WORDS: Final = 2_000_000
"""Characters of all passages that are referred to, as often as they are."""
_CDA: Final = f"{{{NAMESPACE}}}"
_BREAKS: Final = frozenset({"br", "tr", "paragraph", "item"})
_CELLS: Final = frozenset({"td", "th"})
_LINES: Final = re.compile(r"\s")


class Strange(Exception):
    """The element holds something that its value has no place for."""


class Passages:
    """The parts of the narrative that have an ID, in a document."""

    def __init__(self, document: etree._Element) -> None:
        self._by_id: dict[str, etree._Element] = {}
        self._spoken: dict[str, str | None] = {}
        self._said = 0
        for element in document.iter():
            name = element.get("ID")
            if name:
                self._by_id.setdefault(name, element)

    def words(self, element: etree._Element) -> Words | None:
        """The words of a `text` or an `originalText`: its own, or those it refers to.

        Refused: VALUE_TOO_LONG.
        """
        reference = element.find(f"{_CDA}reference")
        if reference is None:
            if len(element):
                raise Strange
            own = _spoken(element)
            return None if own is None else Words(text=own)
        given = reference.get("value") or ""
        return Words(text=self._at(given.removeprefix("#")), reference=given)

    def _at(self, name: str) -> str | None:
        """The words of a passage: a document that says one passage ten thousand times is refused."""
        if name not in self._spoken:
            passage = self._by_id.get(name)
            self._spoken[name] = None if passage is None else _spoken(passage)
        text = self._spoken[name]
        self._said += len(text or "")
        if self._said > MAX_ALL_WORDS:
            raise LimitExceeded("VALUE_TOO_LONG", field="text", limit=MAX_ALL_WORDS)
        return text


def _spoken(element: etree._Element) -> str | None:
    parts: list[str] = []
    _gather(element, parts)
    text = plain("".join(parts))
    if text is not None and len(text) > MAX_WORDS:
        raise LimitExceeded("VALUE_TOO_LONG", field="text", limit=MAX_WORDS)
    return text


def _gather(element: etree._Element, parts: list[str]) -> None:
    parts.append(_flat(element.text))
    for child in element:
        name = local(child)
        if name in _BREAKS:
            parts.append("\n")
        elif name in _CELLS:
            parts.append(" ")
        _gather(child, parts)
        parts.append(_flat(child.tail))


def _flat(text: str | None) -> str:
    """A line of the source is no line of the text."""
    return (
        ""
        if not text
        else text
        if text.isprintable()
        else text.replace("\n", " ").replace("\t", " ").replace("\r", " ")
    )


def local(element: etree._Element) -> str:
    """The name of an element in the namespace of CDA; with its namespace in any other."""
    tag = str(element.tag)
    return tag.removeprefix(_CDA)


def cda_name(element: etree._Element) -> str:
    """The name of an element, which must be of CDA."""
    name = local(element)
    if name.startswith("{"):
        raise Strange
    return name


def only(element: etree._Element, *known: str) -> None:
    """Raise `Strange` for an attribute that is not `known`."""
    for name in element.attrib:
        if name not in known:
            raise Strange


def attribute(element: etree._Element, name: str) -> str | None:
    """An attribute, bounded. Refused: VALUE_TOO_LONG, VALUE_MALFORMED."""
    given = element.get(name)
    return given if given is None or len(given) <= values.MAX_KEY else values.text(given, local(element))


def xsi_type(element: etree._Element) -> str | None:
    """The type given to an element, without its prefix."""
    given = element.get(XSI_TYPE)
    return None if given is None else given.rpartition(":")[2]


def as_it_stands(element: etree._Element) -> Element:
    """An element with everything inside it."""
    children: list[Element | str] = []
    if element.text and element.text.strip():
        children.append(element.text)
    for child in element:
        children.append(as_it_stands(child))
        if child.tail and child.tail.strip():
            children.append(child.tail)
    kept = tuple((str(name), str(value)) for name, value in element.attrib.items())
    return Element(name=local(element), attributes=kept, children=tuple(children))


def flag(element: etree._Element, name: str) -> bool | None:
    """An indicator (`negationInd`, `inversionInd`); `Strange` when it is neither true nor false."""
    given = element.get(name)
    if given is None:
        return None
    if given not in {"true", "false"}:
        raise Strange
    return given == "true"


def identifier(element: etree._Element) -> Id:
    """An II."""
    only(element, "root", "extension", "nullFlavor", "assigningAuthorityName")
    return Id(
        root=attribute(element, "root"),
        extension=attribute(element, "extension"),
        null_flavor=attribute(element, "nullFlavor"),
    )


def code(element: etree._Element, passages: Passages, *, typed: bool = True) -> Code:
    """A CD, CE or CS; `typed` false when its type is kept elsewhere."""
    only(
        element,
        "code",
        "codeSystem",
        "codeSystemName",
        "codeSystemVersion",
        "displayName",
        "nullFlavor",
        XSI_TYPE,
    )
    original: Words | None = None
    qualifiers: list[Qualifier] = []
    translations: list[Code] = []
    for child in element:
        name = local(child)
        if name == "originalText":
            original = passages.words(child)
        elif name == "qualifier":
            qualifiers.append(_qualifier(child, passages))
        elif name == "translation":
            translations.append(code(child, passages))
        else:
            raise Strange
    return Code(
        code=attribute(element, "code"),
        system=attribute(element, "codeSystem"),
        label=attribute(element, "displayName"),
        system_name=attribute(element, "codeSystemName"),
        system_version=attribute(element, "codeSystemVersion"),
        null_flavor=attribute(element, "nullFlavor"),
        type=xsi_type(element) if typed else None,
        original=original,
        qualifiers=tuple(qualifiers),
        translations=tuple(translations),
    )


def _qualifier(element: etree._Element, passages: Passages) -> Qualifier:
    only(element)
    held: dict[str, Code] = {}
    for child in element:
        if local(child) not in {"name", "value"}:
            raise Strange
        held[local(child)] = code(child, passages)
    return Qualifier(name=held.get("name"), value=held.get("value"))


def moment(element: etree._Element) -> Moment:
    """One end of an interval, or a point in time."""
    only(element, "value", "nullFlavor")
    if len(element):
        raise Strange
    return Moment(value=attribute(element, "value"), null_flavor=attribute(element, "nullFlavor"))


def time(element: etree._Element) -> Time:
    """A TS or an IVL_TS; what else stands inside is kept as it is."""
    only(element, "value", "nullFlavor", XSI_TYPE)
    low: Moment | None = None
    high: Moment | None = None
    parts: list[Element] = []
    for child in element:
        if local(child) == "low" and low is None:
            low = moment(child)
        elif local(child) == "high" and high is None:
            high = moment(child)
        else:
            parts.append(as_it_stands(child))
    return Time(
        value=attribute(element, "value"),
        low=low,
        high=high,
        null_flavor=attribute(element, "nullFlavor"),
        type=xsi_type(element),
        parts=tuple(parts),
    )
