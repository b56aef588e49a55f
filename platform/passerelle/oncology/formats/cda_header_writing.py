"""The header of a CDA R2 document, written from `oncology.header` in the order of the HL7 schema."""

from __future__ import annotations

from typing import Final

from passerelle.oncology.coded import Id, Organisation
from passerelle.oncology.formats.cda_header import CONFIDENTIALITY, LANGUAGE, DocumentKind
from passerelle.oncology.formats.cda_order import DOCUMENT, HEADER_ACT, PATIENT, PATIENT_ROLE
from passerelle.oncology.formats.cda_writing import (
    Placed,
    address,
    code,
    identifier,
    in_order,
    moment,
    organisation,
    participation,
    person_name,
    spoken,
    tag,
    telecom,
    time,
)
from passerelle.oncology.header import Act, Encounter, Header, Order, Patient, Related

OPENING: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
)
CLOSING: Final = "</ClinicalDocument>\n"


def lacking(header: Header) -> str | None:
    """The first part of a header without which no document is written; None when every one is there."""
    kept = {each.name for each in header.others}
    parts = (
        ("patient", "recordTarget", header.patient.ids),
        ("created", "effectiveTime", header.created),
        ("authors", "author", header.authors),
        ("custodian", "custodian", header.custodian),
        ("encounter", "componentOf", header.encounter),
    )
    return next((name for name, element, held in parts if not held and element not in kept), None)


def written(header: Header, kind: DocumentKind, edition: str) -> str:
    """The header, element by element."""
    placed: list[Placed] = [
        ("realmCode", tag("realmCode", code="FR")),
        ("typeId", tag("typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040")),
    ]
    templates = header.templates or kind.templates(edition)
    placed += (("templateId", identifier("templateId", each)) for each in templates)
    placed.append(("id", identifier("id", header.id)))
    usual = {
        "code": code("code", header.code or kind.code),
        "confidentialityCode": code("confidentialityCode", header.confidentiality or CONFIDENTIALITY),
        "languageCode": tag("languageCode", code=header.language or LANGUAGE),
    }
    for each in header.others:
        usual.pop(each.name, None)
    placed += ((name, usual[name]) for name in ("code",) if name in usual)
    if header.title:
        placed.append(("title", tag("title", spoken(header.title))))
    if header.created:
        placed.append(("effectiveTime", moment("effectiveTime", header.created)))
    placed += ((name, usual[name]) for name in ("confidentialityCode", "languageCode") if name in usual)
    if header.set_id:
        placed.append(("setId", identifier("setId", header.set_id)))
    if header.version is not None:
        placed.append(("versionNumber", tag("versionNumber", value=str(header.version))))
    placed.append(("recordTarget", _patient(header.patient)))
    for people in (header.authors, header.informants):
        placed += ((each.part, participation(each)) for each in people)
    if header.custodian:
        placed.append(("custodian", _custodian(header.custodian)))
    if header.legal_authenticator:
        placed.append(("legalAuthenticator", participation(header.legal_authenticator)))
    placed += ((each.part, participation(each)) for each in header.participants)
    placed += (("inFulfillmentOf", tag("inFulfillmentOf", _asked(each))) for each in header.orders)
    placed += (("documentationOf", tag("documentationOf", _act(each))) for each in header.acts)
    placed += (("relatedDocument", _related(each)) for each in header.related)
    if header.encounter:
        placed.append(("componentOf", tag("componentOf", _encounter(header.encounter))))
    return in_order(placed, header.others, DOCUMENT)


def _ids(ids: tuple[Id, ...]) -> list[Placed]:
    return [("id", identifier("id", each)) for each in ids]


def _patient(patient: Patient) -> str:
    traits: list[Placed] = [("name", person_name(each)) for each in patient.names]
    if patient.sex:
        traits.append(("administrativeGenderCode", code("administrativeGenderCode", patient.sex)))
    if patient.birth:
        traits.append(("birthTime", moment("birthTime", patient.birth)))
    if patient.birthplace:
        traits.append(("birthplace", tag("birthplace", tag("place", address(patient.birthplace)))))
    placed = _ids(patient.ids)
    placed += (("addr", address(each)) for each in patient.addresses)
    placed += (("telecom", telecom(each)) for each in patient.telecoms)
    if not any(each.name == "patient" for each in patient.beside):
        placed.append(("patient", tag("patient", in_order(traits, patient.others, PATIENT), classCode="PSN")))
    return tag("recordTarget", tag("patientRole", in_order(placed, patient.beside, PATIENT_ROLE)))


def _custodian(structure: Organisation) -> str:
    return tag("custodian", tag("assignedCustodian", organisation("representedCustodianOrganization", structure)))


def _asked(order: Order) -> str:
    placed = _ids(order.ids)
    if order.code:
        placed.append(("code", code("code", order.code)))
    return tag("order", in_order(placed, order.others, HEADER_ACT))


def _act(act: Act) -> str:
    placed = _ids(act.ids)
    if act.code:
        placed.append(("code", code("code", act.code)))
    if act.time:
        placed.append(("effectiveTime", time("effectiveTime", act.time)))
    placed += (("performer", participation(each)) for each in act.performers)
    return tag("serviceEvent", in_order(placed, act.others, HEADER_ACT), classCode="ACT")


def _related(related: Related) -> str:
    placed = _ids(related.ids)
    if related.code:
        placed.append(("code", code("code", related.code)))
    if related.set_id:
        placed.append(("setId", identifier("setId", related.set_id)))
    if related.version is not None:
        placed.append(("versionNumber", tag("versionNumber", value=str(related.version))))
    parent = tag("parentDocument", in_order(placed, related.others, HEADER_ACT))
    return tag("relatedDocument", parent, typeCode=related.type_code)


def _encounter(encounter: Encounter) -> str:
    placed = _ids(encounter.ids)
    if encounter.code:
        placed.append(("code", code("code", encounter.code)))
    if encounter.time:
        placed.append(("effectiveTime", time("effectiveTime", encounter.time)))
    if encounter.facility:
        placed.append(("location", tag("location", _facility(encounter.facility))))
    return tag("encompassingEncounter", in_order(placed, encounter.others, HEADER_ACT))


def _facility(facility: Organisation) -> str:
    inside = "".join(identifier("id", each) for each in facility.ids)
    inside += code("code", facility.code) if facility.code else ""
    place = tag("name", spoken(facility.name)) if facility.name else ""
    place += "".join(map(address, facility.addresses))
    inside += tag("location", place) if place else ""
    return tag("healthCareFacility", inside)
