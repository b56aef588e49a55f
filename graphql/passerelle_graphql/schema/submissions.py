"""What a client submits, read as `passerelle ingest` reads a file: the formats decide what it is worth."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import uuid4

import strawberry

from passerelle.dossier.formats import values
from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.pdf import MIME_TYPE, check_pdf, read_pdf
from passerelle.dossier.formats.submission import (
    DocumentMetadata,
    IncomingDocument,
    IncomingSubmission,
    PatientIdentity,
)
from passerelle.dossier.formats.xdm import read_xdm
from passerelle.kernel.clock import PARIS
from passerelle.kernel.hl7_time import Hl7Time
from passerelle_graphql.directives import Identifying
from passerelle_graphql.schema.enums import IdentityStatus
from passerelle_graphql.schema.patients import InsInput
from passerelle_graphql.schema.values import Base64


@strawberry.input(description="Un auteur, tel que signé.")
class AuthorInput:
    rpps: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    specialty: str | None = strawberry.field(default=None, description="Profession et savoir-faire : G15_10/SM26.")
    role: str | None = None
    structure_id: str | None = strawberry.field(default=None, description="FINESS.")
    structure_name: str | None = None


@strawberry.input(description="Un acte ou une pathologie dont parle le document.")
class EventCodeInput:
    code: str
    system: str | None = None
    label: str | None = None


@strawberry.input(description="De qui parle le document : identifiants et traits.")
class PatientIdentityInput:
    identifiers: list[InsInput]
    family_name: str | None = strawberry.field(default=None, directives=[Identifying()])
    used_name: str | None = strawberry.field(default=None, directives=[Identifying()])
    given_names: list[str] = strawberry.field(default_factory=list, directives=[Identifying()])
    birth_date: str | None = strawberry.field(default=None, directives=[Identifying()])
    sex: str | None = None
    birth_place: str | None = strawberry.field(default=None, directives=[Identifying()])


@strawberry.input(description="Les métadonnées d'un PDF (noms XDS). Temps : HL7, de toute précision.")
class PdfMetadataInput:
    unique_id: str
    type: str
    title: str
    creation_time: str
    patient: PatientIdentityInput
    identity_status: IdentityStatus | None = None
    set_id: str | None = None
    version_number: int | None = None
    replaces: str | None = strawberry.field(default=None, description="uniqueId du document remplacé.")
    format: str | None = None
    language: str | None = None
    confidentiality: list[str] | None = strawberry.field(default=None, description="JDV_J58 : N, R, V, MASQUE_PS…")
    service_start: str | None = None
    service_stop: str | None = None
    facility_type: str | None = None
    practice_setting: str | None = None
    event_codes: list[EventCodeInput] = strawberry.field(default_factory=list)
    authors: list[AuthorInput] = strawberry.field(default_factory=list)


@strawberry.input(description="Un PDF et ses métadonnées.")
class PdfInput:
    content: Base64
    metadata: PdfMetadataInput


@strawberry.input(
    one_of=True, description="Ce qu'on dépose : un CDA R2, un lot XDM zippé, ou un PDF et ses métadonnées"
)
class SubmissionInput:
    cda: strawberry.Maybe[Base64]
    xdm: strawberry.Maybe[Base64]
    pdf: strawberry.Maybe[PdfInput]


@strawberry.input(description="Un document que le patient ajoute lui-même : un PDF.")
class OwnDocumentInput:
    content: Base64
    type: str = strawberry.field(description="Code de type (JDV_J07).")
    title: str
    service_start: str | None = strawberry.field(default=None, description="HL7, de toute précision.")


def read(submission: SubmissionInput, replaced: str | None = None) -> IncomingSubmission:
    """What was submitted. `replaced` is the uniqueId of the document that it replaces, where the source may not say.

    Refused: what the readers of the three formats refuse.
    """
    if submission.cda is not None:
        return IncomingSubmission(documents=(read_cda(submission.cda.value),))
    if submission.xdm is not None:
        return read_xdm(bytes(submission.xdm.value))
    assert submission.pdf is not None  # noqa: S101 - `@oneOf` lets nothing else through
    given = submission.pdf.value
    return IncomingSubmission(documents=(read_pdf(given.content, _metadata(given.metadata, replaced)),))


def own_document(given: OwnDocumentInput, now: datetime) -> IncomingDocument:
    """The patient's own PDF, with the metadata that a person can give.

    Refused: what `check_pdf` refuses; VALUE_TOO_LONG, VALUE_MALFORMED.
    """
    check_pdf(given.content)
    return IncomingDocument(
        metadata=DocumentMetadata(
            unique_id=f"2.25.{uuid4().int}",
            type_code=values.key(given.type, "type") or "",
            mime_type=MIME_TYPE,
            title=values.text(given.title, "title") or "",
            language="fr-FR",
            creation_time=Hl7Time.parse(now.astimezone(PARIS).strftime("%Y%m%d%H%M%S%z")),
            service_start=Hl7Time.parse(values.key(given.service_start, "serviceStart"))
            if given.service_start
            else None,
            patient=PatientIdentity(),
        ),
        content=given.content,
        sha256=hashlib.sha256(given.content).hexdigest(),
    )


def _metadata(given: PdfMetadataInput, replaced: str | None) -> dict[str, Any]:
    """The metadata under the names of the sidecar of a PDF (`formats.pdf`), what was left out left out."""
    patient = given.patient
    return _said(
        uniqueId=given.unique_id,
        setId=given.set_id,
        versionNumber=given.version_number,
        replaces=given.replaces or replaced,
        type=given.type,
        format=given.format,
        title=given.title,
        language=given.language,
        confidentiality=given.confidentiality,
        creationTime=given.creation_time,
        serviceStart=given.service_start,
        serviceStop=given.service_stop,
        facilityType=given.facility_type,
        practiceSetting=given.practice_setting,
        eventCodes=[_said(code=each.code, system=each.system, label=each.label) for each in given.event_codes],
        authors=[
            _said(
                kind="professional",
                id=each.rpps,
                familyName=each.family_name,
                givenName=each.given_name,
                specialty=each.specialty,
                role=each.role,
                structureId=each.structure_id,
                structureName=each.structure_name,
            )
            for each in given.authors
        ],
        patient=_said(
            identifiers=[{"oid": each.oid, "value": each.value} for each in patient.identifiers],
            familyName=patient.family_name,
            usedName=patient.used_name,
            givenNames=list(patient.given_names),
            birthDate=patient.birth_date,
            sex=patient.sex,
            birthPlace=patient.birth_place,
        ),
        identityStatus=given.identity_status.value if given.identity_status else None,
    )


def _said(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
