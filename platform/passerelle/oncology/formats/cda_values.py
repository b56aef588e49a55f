"""Codes, times, names and people of CDA R2, read into the values of `oncology.coded`.

Each reader takes an element whole or raises `Strange`: who calls it then keeps the element as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.hl7v3 import NAMESPACE
from passerelle.kernel.errors import LimitExceeded
from passerelle.oncology.coded import (
    Address,
    Code,
    Element,
    Id,
    Moment,
    Name,
    NamePart,
    Organisation,
    Participation,
    Qualifier,
    Telecom,
    Time,
    Words,
    plain,
)

XSI_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
MAX_WORDS: Final = 100_000
"""Characters of one passage."""
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
        name = (reference.get("value") or "").removeprefix("#")
        passage = self._by_id.get(name)
        text = None if passage is None else _spoken(passage)
        return Words(text=text, reference=name)


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


def _text(element: etree._Element) -> str:
    if len(element):
        raise Strange
    return values.text(element.text, local(element)) or ""


def name(element: etree._Element) -> Name:
    """A person's name (PN)."""
    only(element, "use", "nullFlavor")
    parts = []
    if element.text and element.text.strip():
        parts.append(NamePart(kind="", text=values.text(element.text, "name") or ""))
    for child in element:
        only(child, "qualifier", "nullFlavor")
        if "nullFlavor" in child.attrib or (child.tail and child.tail.strip()):
            raise Strange
        parts.append(NamePart(kind=local(child), text=_text(child), qualifier=child.get("qualifier")))
    return Name(parts=tuple(parts), use=element.get("use"), null_flavor=element.get("nullFlavor"))


def address(element: etree._Element) -> Address:
    """A postal address (AD)."""
    only(element, "use", "nullFlavor")
    if element.text and element.text.strip():
        raise Strange
    lines = []
    for child in element:
        only(child)
        lines.append((local(child), _text(child)))
    return Address(lines=tuple(lines), use=element.get("use"), null_flavor=element.get("nullFlavor"))


def telecom(element: etree._Element) -> Telecom:
    """A TEL."""
    only(element, "value", "use", "nullFlavor")
    if len(element):
        raise Strange
    return Telecom(value=attribute(element, "value"), use=element.get("use"), null_flavor=element.get("nullFlavor"))


def organisation(element: etree._Element, passages: Passages) -> Organisation:
    """An organisation in a role (`representedOrganization`, `scopingOrganization`, `scopingEntity`)."""
    only(element, "nullFlavor", "classCode", "determinerCode")
    ids: list[Id] = []
    telecoms: list[Telecom] = []
    addresses: list[Address] = []
    held: dict[str, str] = {}
    codes: dict[str, Code] = {}
    for child in element:
        kind = local(child)
        if kind == "id":
            ids.append(identifier(child))
        elif kind in {"name", "desc"} and "name" not in held:
            only(child)
            held["name"] = _text(child)
        elif kind == "telecom":
            telecoms.append(telecom(child))
        elif kind == "addr":
            addresses.append(address(child))
        elif kind in {"standardIndustryClassCode", "code"}:
            codes[kind] = code(child, passages)
        else:
            raise Strange
    return Organisation(
        ids=tuple(ids),
        name=held.get("name"),
        telecoms=tuple(telecoms),
        addresses=tuple(addresses),
        setting=codes.get("standardIndustryClassCode"),
        code=codes.get("code"),
        null_flavor=element.get("nullFlavor"),
    )


_ENTITIES: Final = frozenset(
    {"assignedAuthor", "assignedEntity", "associatedEntity", "participantRole", "relatedEntity"}
)
_USUAL_CLASS: Final = {"participantRole": "ROL"}
_PERSONS: Final = frozenset({"assignedPerson", "associatedPerson", "playingEntity", "relatedPerson"})
_ORGANISATIONS: Final = frozenset({"representedOrganization", "scopingOrganization", "scopingEntity"})


def participation(element: etree._Element, passages: Passages) -> Participation:
    """Who took part: an author, a performer, a participant, a signer, an informant."""
    only(element, "typeCode", "contextControlCode")
    held: dict[str, object] = {}
    templates: list[Id] = []
    for child in element:
        kind = local(child)
        if kind == "templateId":
            templates.append(identifier(child))
        elif kind == "functionCode" and "function" not in held:
            held["function"] = code(child, passages)
        elif kind == "time" and "time" not in held:
            held["time"] = time(child)
        elif kind == "signatureCode":
            only(child, "code")
            held["signature"] = child.get("code")
        elif kind in _ENTITIES and "entity" not in held:
            held["entity"] = kind
            held |= _entity(child, passages)
        else:
            raise Strange
    if held.pop("entity", None) != entity_of(local(element), has_class="entity_class" in held):
        raise Strange
    return Participation(
        part=local(element),
        templates=tuple(templates),
        type_code=element.get("typeCode"),
        control=element.get("contextControlCode"),
        **held,  # type: ignore[arg-type]
    )


def entity_of(part: str, *, has_class: bool) -> str:
    """The element of the entity in a participation."""
    if part == "author":
        return "assignedAuthor"
    if part == "participant":
        return "associatedEntity" if has_class else "participantRole"
    return "relatedEntity" if part == "informant" and has_class else "assignedEntity"


def _entity(element: etree._Element, passages: Passages) -> dict[str, object]:
    kind = local(element)
    has_class = kind in {"associatedEntity", "relatedEntity"}
    only(element, "nullFlavor", "classCode")
    if not has_class and element.get("classCode") not in {None, _USUAL_CLASS.get(kind, "ASSIGNED")}:
        raise Strange
    held: dict[str, object] = {"null_flavor": element.get("nullFlavor")}
    if has_class:
        held["entity_class"] = element.get("classCode")
    ids: list[Id] = []
    addresses: list[Address] = []
    telecoms: list[Telecom] = []
    for child in element:
        inner = local(child)
        if inner == "id":
            ids.append(identifier(child))
        elif inner == "code":
            held["code"] = code(child, passages)
        elif inner == "addr":
            addresses.append(address(child))
        elif inner == "telecom":
            telecoms.append(telecom(child))
        elif inner in _PERSONS:
            held["name"] = _person(child)
        elif inner in _ORGANISATIONS:
            held["organisation"] = organisation(child, passages)
        else:
            raise Strange
    return held | {"ids": tuple(ids), "addresses": tuple(addresses), "telecoms": tuple(telecoms)}


def _person(element: etree._Element) -> Name:
    only(element, "classCode", "determinerCode")
    children: Iterable[etree._Element] = list(element)
    names = [name(each) for each in children if local(each) == "name"]
    if len(names) != len(element) or len(names) != 1:
        raise Strange
    return names[0]
