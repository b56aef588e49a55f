"""Names, addresses and people of CDA R2, read into the values of `oncology.coded`; `Strange` as in `cda_values`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.oncology.coded import Address, Code, Id, Name, NamePart, Organisation, Participation, Telecom
from passerelle.oncology.formats.cda_values import (
    Passages,
    Strange,
    attribute,
    cda_name,
    code,
    identifier,
    local,
    only,
    time,
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
        parts.append(NamePart(kind=cda_name(child), text=_text(child), qualifier=child.get("qualifier")))
    return Name(parts=tuple(parts), use=element.get("use"), null_flavor=element.get("nullFlavor"))


def address(element: etree._Element) -> Address:
    """A postal address (AD)."""
    only(element, "use", "nullFlavor")
    if element.text and element.text.strip():
        raise Strange
    lines = []
    for child in element:
        only(child)
        lines.append((cda_name(child), _text(child)))
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
