"""XDS metadata in ebRIM 3.0, as METADATA.XML of an XDM exchange carries it.

Sources: IHE ITI TF-3 §4.2 (slots, classifications, external identifiers and their UUIDs); CI-SIS, volet
Échange de documents de santé; IHE France, contraintes sur les types de données HL7 v2.5 (XCN, XON, CX).
Times are in UTC there (DTM), whatever the zone of the document's own header.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Final, Literal

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.submission import Author, EventCode, PatientIdentity
from passerelle.identities.ins import INS_C, LIVE_OIDS, IdentityStatus, Ins
from passerelle.kernel.hl7_time import Hl7Time

RIM: Final = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
STABLE_DOCUMENT: Final = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"

AUTHOR: Final = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
CLASS: Final = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
CONFIDENTIALITY: Final = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
EVENT: Final = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
FACILITY: Final = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
FORMAT: Final = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
PRACTICE: Final = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
TYPE: Final = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
PATIENT_ID: Final = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
UNIQUE_ID: Final = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"

SET_AUTHOR: Final = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
SET_CONTENT_TYPE: Final = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
SET_UNIQUE_ID: Final = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
SET_SOURCE_ID: Final = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
SUBMISSION_SET: Final = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"

REPLACES: Final = frozenset({"RPLC", "XFRM_RPLC"})
_PERSON_OIDS: Final = LIVE_OIDS | {INS_C}


@dataclass(frozen=True, slots=True)
class Coded:
    """A classification: its code and the words that came with it."""

    code: str
    system: str | None
    label: str | None


def slot(element: etree._Element, name: str) -> list[str]:
    """The values of slot `name`, blanks collapsed."""
    found = []
    for each in element.iterfind(f"{RIM}Slot"):
        if each.get("name") == name:
            for value in each.iterfind(f"{RIM}ValueList/{RIM}Value"):
                read = values.text(_text(value), name)
                if read is not None:
                    found.append(read)
    return found


def first(element: etree._Element, name: str) -> str | None:
    """The first value of slot `name`, as a key."""
    return values.key(next(iter(slot(element, name)), None), name)


def time(element: etree._Element, name: str) -> Hl7Time | None:
    """The time in slot `name`."""
    value = first(element, name)
    return None if value is None else Hl7Time.parse(value, default=UTC)


def name_of(element: etree._Element) -> str | None:
    """The Name of a registry object."""
    localized = element.find(f"{RIM}Name/{RIM}LocalizedString")
    return None if localized is None else values.text(localized.get("value"), "Name")


def external_identifier(element: etree._Element, scheme: str) -> str | None:
    """The value of the external identifier of `scheme`."""
    for each in element.iterfind(f"{RIM}ExternalIdentifier"):
        if each.get("identificationScheme") == scheme:
            return values.key(each.get("value"), "ExternalIdentifier")
    return None


def coded(element: etree._Element, scheme: str) -> Iterator[Coded]:
    """The classifications of `scheme`."""
    for each in _classifications(element, scheme):
        code = values.key(each.get("nodeRepresentation"), "nodeRepresentation")
        if code is not None:
            yield Coded(code, first(each, "codingScheme"), name_of(each))


def event_codes(element: etree._Element) -> tuple[EventCode, ...]:
    """The acts and pathologies of a document entry."""
    return tuple(EventCode(code=each.code, system=each.system, label=each.label) for each in coded(element, EVENT))


def authors(element: etree._Element, scheme: str) -> tuple[Author, ...]:
    """The authors among the classifications of `scheme`."""
    return tuple(_author(each) for each in _classifications(element, scheme))


def signer(element: etree._Element) -> Author | None:
    """The legal authenticator of a document entry."""
    written = slot(element, "legalAuthenticator")
    return _person(written[0]) if written else None


def patient(element: etree._Element) -> PatientIdentity:
    """The patient of a document entry: patientId, sourcePatientId and the PID fields of sourcePatientInfo."""
    identifiers = [_cx(each) for each in (external_identifier(element, PATIENT_ID), first(element, "sourcePatientId"))]
    fields = _pid(element)
    identifiers += [_cx(each) for written in fields.get("PID-3", ()) for each in written.split("~")]
    birth = [name for name in fields.get("PID-5", ()) if _part(name, 7) in {None, "L", "B"}]
    used = [name for name in fields.get("PID-5", ()) if _part(name, 7) in {"D", "S", "M"}]
    family, given = _xpn(birth)
    used_family, used_given = _xpn(used)
    return PatientIdentity(
        identifiers=tuple(dict.fromkeys(each for each in identifiers if each is not None)),
        family_name=family,
        used_name=used_family,
        given_names=tuple((given or "").split()),
        used_given_name=used_given,
        birth_date=values.key(next(iter(fields.get("PID-7", ())), None), "PID-7"),
        sex=values.key(next(iter(fields.get("PID-8", ())), None), "PID-8"),
        birth_place=_birth_place(fields.get("PID-11", ())),
    )


def identity_status(element: etree._Element, identity: PatientIdentity) -> str | None:
    """The status behind PID-32 (table 0445), where the source gives it."""
    codes = _pid(element).get("PID-32", ())
    status = IdentityStatus.of_reliability(codes[0], has_ins=identity.ins is not None) if codes else None
    return None if status is None else status.value


def _classifications(element: etree._Element, scheme: str) -> Iterator[etree._Element]:
    for each in element.iterfind(f"{RIM}Classification"):
        if each.get("classificationScheme") == scheme:
            yield each


def _author(element: etree._Element) -> Author:
    people, structures = slot(element, "authorPerson"), slot(element, "authorInstitution")
    specialties, roles = slot(element, "authorSpecialty"), slot(element, "authorRole")
    code, label = None, None
    if specialties:
        code, label = _part(specialties[0], 1), _part(specialties[0], 2)
    profession = values.profession(values.key(code, "authorSpecialty"))
    structure_id, structure_name = _xon(structures[0]) if structures else (None, None)
    who = _person(people[0]) if people else Author(kind="professional")
    return Author(
        kind=who.kind,
        id=who.id,
        id_oid=who.id_oid,
        family_name=who.family_name,
        given_name=who.given_name,
        profession=profession.code,
        profession_label=label,
        specialty=profession.specialty,
        role=_part(roles[0], 2) or _part(roles[0], 1) if roles else None,
        structure_id=structure_id,
        structure_name=structure_name,
    )


def _person(xcn: str) -> Author:
    """`id^family^given^^^^^^&oid&ISO^D^^^type`; the type EI is a system of a structure."""
    oid = _authority(_part(xcn, 9))
    given_id = values.key(_part(xcn, 1), "authorPerson")
    kind: Literal["professional", "patient", "device"] = "professional"
    if oid in _PERSON_OIDS:
        kind = "patient"
    elif _part(xcn, 13) == "EI" and "/" in (given_id or "") and not _part(xcn, 3):
        kind = "device"
    return Author(
        kind=kind,
        id=None if given_id is None else values.professional_id(oid, given_id),
        id_oid=oid,
        family_name=_part(xcn, 2),
        given_name=_part(xcn, 3),
    )


def _xon(written: str) -> tuple[str | None, str | None]:
    """Identifier and name in `name^^^^^&oid&ISO^^^^id`."""
    value = values.key(_part(written, 10), "authorInstitution")
    oid = _authority(_part(written, 6))
    return (None if value is None else values.structure_id(oid, value)), _part(written, 1)


def _cx(written: str | None) -> Ins | None:
    """An identifier written `value^^^&oid&ISO^type`."""
    if written is None:
        return None
    value, oid = values.key(_part(written, 1), "patientId"), _authority(_part(written, 4))
    return Ins(oid, value) if value and oid else None


def _pid(element: etree._Element) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for written in slot(element, "sourcePatientInfo"):
        number, _, value = written.partition("|")
        if value.strip():
            fields.setdefault(number.strip(), []).append(value.strip())
    return fields


def _xpn(names: list[str]) -> tuple[str | None, str | None]:
    return (_part(names[0], 1), _part(names[0], 2)) if names else (None, None)


def _birth_place(addresses: list[str] | tuple[()]) -> str | None:
    """The INSEE code of the address of type BDL (birth delivery location)."""
    for address in addresses:
        if _part(address, 7) == "BDL":
            return values.key(_part(address, 9), "PID-11")
    return None


def _part(written: str, number: int) -> str | None:
    """Component `number`, from 1, of a value whose components `^` separates."""
    parts = written.split("^")
    return (parts[number - 1].strip() or None) if number <= len(parts) else None


def _authority(written: str | None) -> str | None:
    """The OID of an assigning authority written `&oid&ISO`."""
    parts = (written or "").split("&")
    return values.key(parts[1], "assigningAuthority") if len(parts) > 1 else None


def _text(element: etree._Element) -> str:
    return "".join(str(piece) for piece in element.itertext())
