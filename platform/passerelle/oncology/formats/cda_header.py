"""The header of a CDA R2 document, read into `oncology.header`. What has no place there is kept as it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.hl7v3 import attribute, find, find_all
from passerelle.kernel.errors import InvalidInput
from passerelle.oncology.coded import Address, Code, Id, Organisation, Participation
from passerelle.oncology.formats import cda_people, cda_values
from passerelle.oncology.formats.cda_values import Passages, Strange, local, only
from passerelle.oncology.header import Act, Encounter, Header, Order, Patient, Related
from passerelle.oncology.sheet import NEWEST, Edition

CONFIDENTIALITY: Final = Code(code="N", system="2.16.840.1.113883.5.25", label="Normal")
LANGUAGE: Final = "fr-FR"
_MAX_VERSION: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind:
    """A kind of document: its type, and the templates of each edition. A header that says just this leaves it out."""

    code: Code
    template: str
    common: tuple[str, ...] = ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1")

    def templates(self, edition: str) -> tuple[Id, ...]:
        """The templates of a document of that edition."""
        return (*(Id(root=each) for each in self.common), Id(root=self.template, extension=edition))


def edition(document: etree._Element, kind: DocumentKind) -> Edition | None:
    """The edition of a ClinicalDocument element, an older one taken for 2022; None when it is not of this kind."""
    templates = {each.get("root"): each.get("extension") for each in find_all(document, "templateId")}
    if attribute(document, "code", "code") != kind.code.code or kind.template not in templates:
        return None
    return NEWEST if (templates[kind.template] or "") >= NEWEST else "2022.01"


def header(document: etree._Element, kind: DocumentKind, edition: str, passages: Passages) -> Header:
    """The header of a ClinicalDocument element.

    Refused: CDA_ID_MISSING, CDA_PATIENT_MISSING, VALUE_TOO_LONG, VALUE_MALFORMED.
    """
    held: dict[str, list[Any]] = {}
    reader = _Reader(passages)
    for child in document:
        name = local(child)
        if name in {"realmCode", "typeId", "component"}:
            continue
        try:
            read = reader.readers.get(name)
            if read is None:
                raise Strange
            slot, value = read[0], read[1](child)
        except Strange:
            slot, value = "others", cda_values.as_it_stands(child)
        held.setdefault(slot, []).append(value)
    if not held.get("id"):
        raise InvalidInput("CDA_ID_MISSING")
    if not held.get("patient"):
        raise InvalidInput("CDA_PATIENT_MISSING")
    slots: dict[str, Any] = {slot: found[0] if slot in _ONE else tuple(found) for slot, found in held.items()}
    if slots.get("templates") == kind.templates(edition):
        del slots["templates"]
    for slot, usual in (("code", kind.code), ("confidentiality", CONFIDENTIALITY), ("language", LANGUAGE)):
        if slots.get(slot) == usual:
            del slots[slot]
    return Header(**slots)


_ONE: Final = frozenset({
    "id", "set_id", "version", "code", "title", "created", "confidentiality", "language", "patient", "custodian",
    "legal_authenticator", "encounter",
})  # fmt: skip


class _Reader:
    """Each element of a header, with the place its value takes."""

    def __init__(self, passages: Passages) -> None:
        self._passages = passages
        self.readers: dict[str, tuple[str, Callable[[etree._Element], object]]] = {
            "templateId": ("templates", cda_values.identifier),
            "id": ("id", cda_values.identifier),
            "setId": ("set_id", cda_values.identifier),
            "versionNumber": ("version", _version),
            "code": ("code", self._code),
            "title": ("title", _title),
            "effectiveTime": ("created", cda_values.moment),
            "confidentialityCode": ("confidentiality", self._code),
            "languageCode": ("language", _language),
            "recordTarget": ("patient", self._patient),
            "author": ("authors", self._participation),
            "informant": ("informants", self._participation),
            "custodian": ("custodian", self._custodian),
            "legalAuthenticator": ("legal_authenticator", self._participation),
            "participant": ("participants", self._participation),
            "inFulfillmentOf": ("orders", self._order),
            "documentationOf": ("acts", self._act),
            "relatedDocument": ("related", self._related),
            "componentOf": ("encounter", self._encounter),
        }

    def _code(self, element: etree._Element) -> Code:
        return cda_values.code(element, self._passages)

    def _participation(self, element: etree._Element) -> Participation:
        return cda_people.participation(element, self._passages)

    def _patient(self, element: etree._Element) -> Patient:
        only(element, "typeCode", "contextControlCode")
        role = _sole(element, "patientRole", "classCode")
        whose = _gathered(
            role,
            "beside",
            id=("ids", cda_values.identifier),
            addr=("addresses", cda_people.address),
            telecom=("telecoms", cda_people.telecom),
            patient=("traits", self._traits),
        )
        traits = _alone(whose, "traits").pop("traits", {})
        return Patient(**whose, **traits)

    def _traits(self, element: etree._Element) -> dict[str, Any]:
        only(element, "classCode", "determinerCode")
        traits = _gathered(
            element,
            "others",
            name=("names", cda_people.name),
            administrativeGenderCode=("sex", self._code),
            birthTime=("birth", cda_values.moment),
            birthplace=("birthplace", _birthplace),
        )
        return _alone(traits, "sex", "birth", "birthplace")

    def _custodian(self, element: etree._Element) -> Organisation:
        only(element, "typeCode")
        assigned = _sole(element, "assignedCustodian")
        return cda_people.organisation(_sole(assigned, "representedCustodianOrganization"), self._passages)

    def _order(self, element: etree._Element) -> Order:
        only(element, "typeCode")
        inside = _sole(element, "order", "classCode", "moodCode")
        held = _gathered(inside, "others", id=("ids", cda_values.identifier), code=("code", self._code))
        return Order(**_alone(held, "code"))

    def _act(self, element: etree._Element) -> Act:
        only(element, "typeCode")
        held = _gathered(
            _sole(element, "serviceEvent", "classCode", "moodCode"),
            "others",
            id=("ids", cda_values.identifier),
            code=("code", self._code),
            effectiveTime=("time", cda_values.time),
            performer=("performers", self._participation),
        )
        return Act(**_alone(held, "code", "time"))

    def _related(self, element: etree._Element) -> Related:
        only(element, "typeCode")
        held = _gathered(
            _sole(element, "parentDocument", "classCode", "moodCode"),
            "others",
            id=("ids", cda_values.identifier),
            code=("code", self._code),
            setId=("set_id", cda_values.identifier),
            versionNumber=("version", _version),
        )
        return Related(type_code=element.get("typeCode") or "", **_alone(held, "code", "set_id", "version"))

    def _encounter(self, element: etree._Element) -> Encounter:
        only(element, "typeCode")
        held = _gathered(
            _sole(element, "encompassingEncounter", "classCode", "moodCode"),
            "others",
            id=("ids", cda_values.identifier),
            code=("code", self._code),
            effectiveTime=("time", cda_values.time),
            location=("facility", self._facility),
        )
        return Encounter(**_alone(held, "code", "time", "facility"))

    def _facility(self, element: etree._Element) -> Organisation:
        only(element, "typeCode")
        inside = _sole(element, "healthCareFacility", "classCode")
        if {local(each) for each in inside} - {"id", "code", "location"}:
            raise Strange
        place = find(inside, "location")
        name = None if place is None else find(place, "name")
        addresses = [] if place is None else list(find_all(place, "addr"))
        if place is not None and len(place) != len(addresses) + (name is not None):
            raise Strange
        code = find(inside, "code")
        return Organisation(
            ids=tuple(cda_values.identifier(each) for each in find_all(inside, "id")),
            code=None if code is None else self._code(code),
            name=None if name is None else values.text(name.text, "healthCareFacility/name"),
            addresses=tuple(cda_people.address(each) for each in addresses),
        )


def _gathered(
    element: etree._Element, rest: str, **readers: tuple[str, Callable[[etree._Element], object]]
) -> dict[str, Any]:
    """What the children of an element are, by the place each takes; under `rest` those that have none."""
    held: dict[str, list[Any]] = {}
    for child in element:
        try:
            slot, read = readers[local(child)]
            value = read(child)
        except (KeyError, Strange):
            slot, value = rest, cda_values.as_it_stands(child)
        held.setdefault(slot, []).append(value)
    return {slot: tuple(found) for slot, found in held.items()}


def _alone(held: dict[str, Any], *single: str) -> dict[str, Any]:
    """The same with what can only be there once by itself; `Strange` when it is there twice."""
    for slot in single:
        if slot in held:
            if len(held[slot]) > 1:
                raise Strange
            held[slot] = held[slot][0]
    return held


def _sole(element: etree._Element, name: str, *known: str) -> etree._Element:
    """The one child of an element, with none but the `known` attributes."""
    if len(element) != 1 or local(element[0]) != name:
        raise Strange
    only(element[0], *known)
    return element[0]


def _birthplace(element: etree._Element) -> Address:
    """The address of the place of birth, when it is all that is said of it."""
    return cda_people.address(_sole(_sole(element, "place"), "addr", "use", "nullFlavor"))


def _version(element: etree._Element) -> int:
    given = element.get("value") or ""
    if not (given.isascii() and given.isdigit()) or len(given) > 10 or int(given) > _MAX_VERSION:
        raise Strange
    return int(given)


def _title(element: etree._Element) -> str | None:
    return values.text("".join(map(str, element.itertext())), "title")


def _language(element: etree._Element) -> str:
    only(element, "code")
    return element.get("code") or ""
