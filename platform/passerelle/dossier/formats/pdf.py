"""A PDF with its metadata: `X.pdf` beside `X.pdf.json`, or the same fields given to the gateway.

The JSON object (names as in XDS; `*` marks what must be there):

    {
      "uniqueId": "1.2.3^4" *,          "setId": "1.2.3^0",          "versionNumber": 1,
      "replaces": "1.2.3^3",            "type": "11488-4" *,         "typeLabel": "CR de consultation",
      "class": "10",                    "format": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
      "title": "Consultation du 3 mai" *, "language": "fr-FR",       "confidentiality": ["N", "MASQUE_PS"],
      "creationTime": "20260503101500+0200" *, "serviceStart": "20260503", "serviceStop": "20260503",
      "facilityType": "SA07",           "practiceSetting": "AMBULATOIRE",
      "eventCodes": [{"code": "…", "system": "…", "label": "…"}],
      "authors": [{"kind": "professional", "id": "810000000019", "idOid": "1.2.250.1.71.4.2.1", "familyName": "…",
                   "givenName": "…", "specialty": "G15_10/SM26", "specialtyLabel": "…", "role": "…",
                   "structureId": "1310000006", "structureName": "…"}],
      "patient": {"identifiers": [{"oid": "1.2.250.1.213.1.4.10", "value": "…"}] *, "familyName": "…",
                  "usedName": "…", "givenNames": ["…"], "birthDate": "19790328", "sex": "F", "birthPlace": "31555"} *,
      "identityStatus": "qualified"
    }

Times are HL7 times of any precision; identifiers carry the prefixes of the ANS (8 before an RPPS number, 1
before a FINESS number) or stand without. A field that is not listed is refused.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pypdf import PdfReader

from passerelle.dossier.formats import values
from passerelle.dossier.formats.submission import (
    RPPS_DOMAIN,
    STRUCTURE_DOMAIN,
    Author,
    DocumentMetadata,
    EventCode,
    IncomingDocument,
    PatientIdentity,
)
from passerelle.identities.ins import IdentityStatus, Ins
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle.kernel.hl7_time import Hl7Time

# The reader's remarks quote the files of strangers: they have no place in a log.
logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)

MIME_TYPE: Final = "application/pdf"
MAX_BYTES: Final = 100 * 1024 * 1024
_DEFAULT_FORMAT: Final = "urn:ihe:iti:xds:2017:mimeTypeSufficient"


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, frozen=True)


class _GivenIdentifier(_Given):
    oid: str = Field(min_length=1)
    value: str = Field(min_length=1)


class _GivenPatient(_Given):
    identifiers: list[_GivenIdentifier] = Field(min_length=1, max_length=20)
    family_name: str | None = None
    used_name: str | None = None
    given_names: list[str] = Field(default=[], max_length=20)
    used_given_name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    birth_place: str | None = None


class _GivenAuthor(_Given):
    kind: Literal["professional", "patient", "device"] = "professional"
    id: str | None = None
    id_oid: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    specialty: str | None = None
    specialty_label: str | None = None
    role: str | None = None
    structure_id: str | None = None
    structure_name: str | None = None


class _GivenEvent(_Given):
    code: str = Field(min_length=1)
    system: str | None = None
    label: str | None = None


class _GivenMetadata(_Given):
    unique_id: str
    set_id: str | None = None
    version_number: int | None = Field(default=None, ge=0, lt=2**31)
    replaces: str | None = None
    type: str
    type_label: str | None = None
    class_: str | None = Field(default=None, alias="class")
    format: str = _DEFAULT_FORMAT
    title: str
    language: str | None = None
    confidentiality: list[str] = Field(default=["N"], max_length=6)
    creation_time: str
    service_start: str | None = None
    service_stop: str | None = None
    facility_type: str | None = None
    practice_setting: str | None = None
    event_codes: list[_GivenEvent] = Field(default=[], max_length=200)
    authors: list[_GivenAuthor] = Field(default=[], max_length=50)
    patient: _GivenPatient
    identity_status: str | None = None


_FIELDS: Final = frozenset(
    field.alias
    for model in (_GivenMetadata, _GivenPatient, _GivenIdentifier, _GivenAuthor, _GivenEvent)
    for field in model.model_fields.values()
)


def read_pdf(data: bytes, metadata: Mapping[str, Any]) -> IncomingDocument:
    """One PDF with the metadata described above.

    Refused: EMPTY_FILE, PDF_TOO_LARGE, NOT_PDF, PDF_ENCRYPTED, PDF_UNREADABLE, METADATA_INVALID (with the
    field), VALUE_MISSING, VALUE_TOO_LONG, VALUE_MALFORMED, CONFIDENTIALITY_UNKNOWN, VISIBILITY_CUMULATED.
    """
    check_pdf(data)
    return IncomingDocument(metadata=_metadata(_given(metadata)), content=data, sha256=hashlib.sha256(data).hexdigest())


def check_pdf(data: bytes) -> None:
    """Hold that `data` is a PDF that a reader can open without a password. Nothing in it is run or decoded."""
    if not data:
        raise InvalidInput("EMPTY_FILE")
    if len(data) > MAX_BYTES:
        raise LimitExceeded("PDF_TOO_LARGE", limit=MAX_BYTES)
    if not data.startswith(b"%PDF-"):
        raise InvalidInput("NOT_PDF")
    try:
        reader = PdfReader(io.BytesIO(data))
        encrypted = reader.is_encrypted
        pages = 0 if encrypted else len(reader.pages)
    # A stranger's file may break the reader in any way; whichever it is, the file cannot be read.
    except Exception as broken:
        raise InvalidInput("PDF_UNREADABLE") from broken
    if encrypted:
        raise InvalidInput("PDF_ENCRYPTED")
    if pages < 1:
        raise InvalidInput("PDF_UNREADABLE")


def _given(metadata: Mapping[str, Any]) -> _GivenMetadata:
    try:
        return _GivenMetadata.model_validate(dict(metadata))
    except ValidationError as invalid:
        where = invalid.errors(include_input=False, include_context=False, include_url=False)[0]["loc"]
        # A name that is not ours may be anything, a number of a patient too.
        names = [str(each) if isinstance(each, int) or each in _FIELDS else "inconnu" for each in where]
        raise InvalidInput("METADATA_INVALID", field=".".join(names)) from None
    except RecursionError:
        raise InvalidInput("METADATA_INVALID", field="?") from None


def _metadata(given: _GivenMetadata) -> DocumentMetadata:
    visibility = values.visibility(given.confidentiality)
    authors = tuple(_author(each) for each in given.authors)
    return DocumentMetadata(
        unique_id=_required(values.key(given.unique_id, "uniqueId"), "uniqueId"),
        set_id=values.key(given.set_id, "setId"),
        version_number=given.version_number,
        replaces_unique_id=values.key(given.replaces, "replaces"),
        type_code=_required(values.key(given.type, "type"), "type"),
        type_label=values.text(given.type_label, "typeLabel"),
        class_code=values.key(given.class_, "class"),
        format_code=values.key(given.format, "format"),
        mime_type=MIME_TYPE,
        confidentiality=visibility.confidentiality,
        masked=visibility.masked,
        hidden_from_patient=visibility.hidden_from_patient,
        hidden_from_representatives=visibility.hidden_from_representatives,
        title=_required(values.text(given.title, "title"), "title"),
        language=values.key(given.language, "language"),
        authors=authors,
        structure_id=next((author.structure_id for author in authors if author.structure_id), None),
        facility_type=values.key(given.facility_type, "facilityType"),
        practice_setting=values.key(given.practice_setting, "practiceSetting"),
        event_codes=tuple(_event(each) for each in given.event_codes),
        creation_time=Hl7Time.parse(values.key(given.creation_time, "creationTime")),
        service_start=_time(given.service_start, "serviceStart"),
        service_stop=_time(given.service_stop, "serviceStop"),
        patient=_patient(given.patient),
        identity_status=_status(given.identity_status),
    )


def _patient(given: _GivenPatient) -> PatientIdentity:
    names = (values.text(each, "patient.givenNames") for each in given.given_names)
    identifiers = (
        Ins(
            _required(values.key(each.oid, "patient.identifiers"), "patient.identifiers"),
            _required(values.key(each.value, "patient.identifiers"), "patient.identifiers"),
        )
        for each in given.identifiers
    )
    return PatientIdentity(
        identifiers=tuple(dict.fromkeys(identifiers)),
        family_name=values.text(given.family_name, "patient.familyName"),
        used_name=values.text(given.used_name, "patient.usedName"),
        given_names=tuple(name for name in names if name),
        used_given_name=values.text(given.used_given_name, "patient.usedGivenName"),
        birth_date=values.key(given.birth_date, "patient.birthDate"),
        sex=values.key(given.sex, "patient.sex"),
        birth_place=values.key(given.birth_place, "patient.birthPlace"),
    )


def _author(given: _GivenAuthor) -> Author:
    oid = values.key(given.id_oid, "authors.idOid") or (RPPS_DOMAIN if given.kind == "professional" else None)
    given_id, structure = values.key(given.id, "authors.id"), values.key(given.structure_id, "authors.structureId")
    profession = values.profession(values.key(given.specialty, "authors.specialty"))
    return Author(
        kind=given.kind,
        id=None if given_id is None else values.professional_id(oid, given_id),
        id_oid=None if given_id is None else oid,
        family_name=values.text(given.family_name, "authors.familyName"),
        given_name=values.text(given.given_name, "authors.givenName"),
        profession=profession.code,
        profession_label=values.text(given.specialty_label, "authors.specialtyLabel"),
        specialty=profession.specialty,
        role=values.text(given.role, "authors.role"),
        structure_id=None if structure is None else values.structure_id(STRUCTURE_DOMAIN, structure),
        structure_name=values.text(given.structure_name, "authors.structureName"),
    )


def _event(given: _GivenEvent) -> EventCode:
    return EventCode(
        code=_required(values.key(given.code, "eventCodes"), "eventCodes"),
        system=values.key(given.system, "eventCodes"),
        label=values.text(given.label, "eventCodes"),
    )


def _time(given: str | None, field: str) -> Hl7Time | None:
    return None if given is None else Hl7Time.parse(values.key(given, field))


def _status(given: str | None) -> str | None:
    if given is not None and given not in set(IdentityStatus):
        raise InvalidInput("METADATA_INVALID", field="identityStatus")
    return given


def _required(value: str | None, field: str) -> str:
    if value is None:
        raise InvalidInput("VALUE_MISSING", field=field)
    return value
