"""What every reader gives: documents with the XDS metadata of IHE ITI TF-3 §4.2, in the words of the house.

Values are as the source gave them, trimmed. What a rule derives (the class from the type, whether the type
may be filed, the identity status where the source is silent) is left to `ingest`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from passerelle.identities.ins import Ins, current
from passerelle.kernel.hl7_time import Hl7Time

RPPS_DOMAIN = "1.2.250.1.71.4.2.1"
"""IdNat_PS: health professionals; its values carry a prefix, 8 for an RPPS number (0 for an ADELI one)."""
STRUCTURE_DOMAIN = "1.2.250.1.71.4.2.2"
"""IdNat_Struct: structures; its values carry a prefix, 1 for a FINESS number (3 for a SIRET one)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote or signed. `id` is the 11-digit RPPS number when `is_rpps`, else the identifier as given.

    `profession` is a code of TRE_G15 (`10`), or the whole code as given when it is of another list;
    `specialty` the part after the slash (`SM26`); `profession_label` the words of the source.
    """

    kind: Literal["professional", "patient", "device"]
    id: str | None = None
    id_oid: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    profession: str | None = None
    profession_label: str | None = None
    specialty: str | None = None
    role: str | None = None
    structure_id: str | None = None
    structure_name: str | None = None

    @property
    def is_rpps(self) -> bool:
        """True when `id` is an RPPS number."""
        return self.id_oid == RPPS_DOMAIN and self.id is not None and len(self.id) == 11 and self.id.isdigit()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientIdentity:
    """Whom a document is about: every identifier with its OID, and the traits of the RNIV."""

    identifiers: tuple[Ins, ...] = ()
    family_name: str | None = None
    used_name: str | None = None
    given_names: tuple[str, ...] = ()
    used_given_name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    birth_place: str | None = None

    @property
    def ins(self) -> Ins | None:
        """The identifier to match on; None when only dead or local ones are known."""
        return current(self.identifiers)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCode:
    """An act or a pathology that the document is about."""

    code: str
    system: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentMetadata:
    """The metadata of one document, before any rule is applied to it."""

    unique_id: str
    set_id: str | None = None
    version_number: int | None = None
    replaces_unique_id: str | None = None
    type_code: str
    type_label: str | None = None
    class_code: str | None = None
    format_code: str | None = None
    mime_type: str
    confidentiality: str = "N"
    masked: bool = False
    hidden_from_patient: bool = False
    hidden_from_representatives: bool = False
    title: str
    language: str | None = None
    authors: tuple[Author, ...] = ()
    legal_authenticator: Author | None = None
    structure_id: str | None = None
    custodian_id: str | None = None
    custodian_name: str | None = None
    facility_type: str | None = None
    practice_setting: str | None = None
    event_codes: tuple[EventCode, ...] = ()
    creation_time: Hl7Time
    service_start: Hl7Time | None = None
    service_stop: Hl7Time | None = None
    patient: PatientIdentity
    identity_status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingDocument:
    """A document and its content, byte for byte as received."""

    metadata: DocumentMetadata
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingSubmission:
    """A submission set (lot de soumission). The fields after `documents` are None when the source has no set."""

    documents: tuple[IncomingDocument, ...]
    unique_id: str | None = None
    source_id: str | None = None
    title: str | None = None
    content_type: str | None = None
    submission_time: Hl7Time | None = None
    author: Author | None = None
