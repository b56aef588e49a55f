"""CDA R2 as French software writes it, read by its header.

Source: CI-SIS, volet Structuration minimale des documents de santé, and its table of correspondence with the
XDS metadata (volet Partage de documents de santé). Also read: a document inside an `xsl:stylesheet`
("auto-présentable"), which is a program around a document; the program is kept and never run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from lxml import etree

from passerelle.dossier.formats import cda_people, values
from passerelle.dossier.formats.examinations import examinations
from passerelle.dossier.formats.format_code import format_code
from passerelle.dossier.formats.hl7v3 import NAMESPACE, XSL_NAMESPACE, attribute, content, find, find_all, identifier
from passerelle.dossier.formats.submission import Author, DocumentMetadata, EventCode, IncomingDocument
from passerelle.kernel import xml
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.hl7_time import Hl7Time

MIME_TYPE: Final = "text/xml"
_MAX_VERSION: Final = 2**31 - 1


def read_cda(data: bytes) -> IncomingDocument:
    """Read one document; its content stays byte for byte as received.

    Refused: what `kernel.xml.parse` refuses, NOT_A_CLINICAL_DOCUMENT, CDA_ID_MISSING, CDA_TYPE_MISSING,
    CDA_PATIENT_MISSING, CDA_PARENT_WITHOUT_ID, CONFIDENTIALITY_UNKNOWN, VISIBILITY_CUMULATED, VALUE_TOO_LONG,
    VALUE_MALFORMED.
    """
    document = clinical_document(data)
    return IncomingDocument(metadata=metadata(document), content=data, sha256=hashlib.sha256(data).hexdigest())


def clinical_document(data: bytes) -> etree._Element:
    """The ClinicalDocument element in `data`, at the root or inside an `xsl:stylesheet`."""
    root = xml.parse(data)
    if root.tag == f"{{{NAMESPACE}}}ClinicalDocument":
        return root
    if root.tag in {f"{{{XSL_NAMESPACE}}}stylesheet", f"{{{XSL_NAMESPACE}}}transform"}:
        inside = next(root.iter(f"{{{NAMESPACE}}}ClinicalDocument"), None)
        if inside is not None:
            return inside
    raise InvalidInput("NOT_A_CLINICAL_DOCUMENT")


def metadata(document: etree._Element) -> DocumentMetadata:
    """The metadata in the header of a ClinicalDocument element."""
    unique_id = identifier(find(document, "id"), "id")
    if unique_id is None:
        raise InvalidInput("CDA_ID_MISSING")
    type_code = values.key(attribute(document, "code", "code"), "code")
    if type_code is None:
        raise InvalidInput("CDA_TYPE_MISSING")
    target = find(document, "recordTarget/patientRole")
    if target is None:
        raise InvalidInput("CDA_PATIENT_MISSING")
    type_label = values.text(attribute(document, "code", "displayName"), "code/displayName")
    visibility = values.visibility(_confidentiality_codes(document))
    authors = tuple(cda_people.author(each) for each in find_all(document, "author"))
    signer = find(document, "legalAuthenticator/assignedEntity")
    custodian = cda_people.organisation(
        find(document, "custodian/assignedCustodian/representedCustodianOrganization"), "custodian"
    )
    act = _principal_act(document)
    performer = cda_people.organisation(_inside(act, "performer/assignedEntity/representedOrganization"), "performer")
    return DocumentMetadata(
        unique_id=unique_id,
        set_id=identifier(find(document, "setId"), "setId"),
        version_number=_version(attribute(document, "versionNumber", "value")),
        replaces_unique_id=_replaced(document),
        type_code=type_code,
        type_label=type_label,
        format_code=format_code(_templates(document), attribute(document, "component/nonXMLBody/text", "mediaType")),
        mime_type=MIME_TYPE,
        confidentiality=visibility.confidentiality,
        masked=visibility.masked,
        hidden_from_patient=visibility.hidden_from_patient,
        hidden_from_representatives=visibility.hidden_from_representatives,
        title=values.text(content(find(document, "title")), "title") or type_label or type_code,
        language=values.key(attribute(document, "languageCode", "code"), "languageCode"),
        authors=authors,
        legal_authenticator=None if signer is None else cda_people.person(signer, "legalAuthenticator"),
        structure_id=_structure(authors) or performer.id or custodian.id,
        custodian_id=custodian.id,
        custodian_name=custodian.name,
        facility_type=values.key(
            attribute(document, "componentOf/encompassingEncounter/location/healthCareFacility/code", "code"),
            "healthCareFacility",
        ),
        practice_setting=_practice_setting(act),
        event_codes=tuple(_event_codes(document)),
        creation_time=_time(attribute(document, "effectiveTime", "value"), "effectiveTime"),
        service_start=_service_time(act, "low"),
        service_stop=_service_time(act, "high"),
        patient=cda_people.patient(target),
    )


def _confidentiality_codes(document: etree._Element) -> Iterator[str]:
    for path in ("confidentialityCode", "confidentialityCode/translation"):
        for element in find_all(document, path):
            code = values.key(element.get("code"), "confidentialityCode")
            if code is not None:
                yield code


def _templates(document: etree._Element) -> list[str]:
    roots = (values.key(each.get("root"), "templateId") for each in find_all(document, "templateId"))
    return [root for root in roots if root is not None]


def _version(value: str | None) -> int | None:
    """The version number; None when it is no number that a version can have."""
    if value is None or len(value) > 10 or not (value.isascii() and value.isdigit()):
        return None
    number = int(value)
    return number if number <= _MAX_VERSION else None


def _replaced(document: etree._Element) -> str | None:
    """The uniqueId of the version that this one replaces."""
    for related in find_all(document, "relatedDocument"):
        if related.get("typeCode") == "RPLC":
            parent = identifier(find(related, "parentDocument/id"), "parentDocument")
            if parent is None:
                raise InvalidInput("CDA_PARENT_WITHOUT_ID")
            return parent
    return None


def _principal_act(document: etree._Element) -> etree._Element | None:
    """The documented act that dates the document: the CI-SIS gives that one its performer and its time."""
    acts = list(find_all(document, "documentationOf/serviceEvent"))
    for needed in (("performer", "effectiveTime"), ("effectiveTime",), ()):
        for act in acts:
            if all(find(act, path) is not None for path in needed):
                return act
    return None


def _inside(element: etree._Element | None, path: str) -> etree._Element | None:
    return None if element is None else find(element, path)


def _practice_setting(act: etree._Element | None) -> str | None:
    code = _inside(act, "performer/assignedEntity/representedOrganization/standardIndustryClassCode")
    return None if code is None else values.key(code.get("code"), "standardIndustryClassCode")


def _structure(authors: tuple[Author, ...]) -> str | None:
    return next((author.structure_id for author in authors if author.structure_id), None)


def _event_codes(document: etree._Element) -> Iterator[EventCode]:
    """Acts and pathologies, with their translations: imaging gives its modality and region there.

    A laboratory gives its chapters; the examinations themselves stand in its results.
    """
    seen = set[tuple[str, str | None]]()
    for path in ("documentationOf/serviceEvent/code", "documentationOf/serviceEvent/code/translation"):
        for element in find_all(document, path):
            code = values.key(element.get("code"), "serviceEvent/code")
            system = values.key(element.get("codeSystem"), "serviceEvent/code")
            if code is not None and (code, system) not in seen:
                seen.add((code, system))
                yield EventCode(
                    code=code, system=system, label=values.text(element.get("displayName"), "serviceEvent/code")
                )
    for each in examinations(document):
        if (each.code, each.system) not in seen:
            seen.add((each.code, each.system))
            yield each


def _time(value: str | None, field: str) -> Hl7Time:
    return Hl7Time.parse(values.key(value, field))


def _service_time(act: etree._Element | None, end: str) -> Hl7Time | None:
    """One end of the act's time; a single `value` is both ends."""
    time = _inside(act, "effectiveTime")
    if time is None:
        return None
    value = attribute(time, end, "value") or time.get("value")
    return None if value is None else _time(value, f"serviceEvent/effectiveTime/{end}")
