"""An IHE XDM exchange: one submission set with its documents, in a folder or a zip.

Sources: IHE ITI TF-1 §16 and TF-2 §3.32 (ITI-32); CI-SIS, volet Échange de documents de santé: one set only,
in IHE_XDM/SUBSET01. The manifest METADATA.XML speaks for the entry; for a CDA, its own header completes it
(names, setId, version) and must agree on whom and what it is about.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from lxml import etree

from passerelle.dossier.formats import cda, ebrim, pdf, values
from passerelle.dossier.formats.package import Package, inside, open_package
from passerelle.dossier.formats.submission import DocumentMetadata, IncomingDocument, IncomingSubmission
from passerelle.kernel import xml
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.hl7_time import Hl7Time

MANIFEST: Final = "METADATA.XML"
_XML_TYPES: Final = frozenset({"text/xml", "application/xml", "application/hl7-v3+xml"})


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The parsed METADATA.XML and where the files beside it are."""

    root: etree._Element
    folder: str
    replaced: dict[str, str]
    """By id of the new entry, the id of the entry that it replaces."""


def read_xdm(source: Path | bytes) -> IncomingSubmission:
    """Read one exchange: a folder, a zip, or the octets of a zip.

    Each document's size and SHA-1 must be those of the manifest.
    Refused: what `package.open_package`, `cda.read_cda` and `pdf.check_pdf` refuse, XDM_MANIFEST_MISSING,
    XDM_SEVERAL_SETS, XDM_MANIFEST_INVALID, XDM_FILE_MISSING, XDM_HASH_MISSING, XDM_HASH_MISMATCH,
    XDM_SIZE_MISMATCH, XDM_DOCUMENT_DIFFERS, XDM_MIME_UNSUPPORTED, VALUE_MISSING.
    """
    package = open_package(source)
    try:
        manifest = _manifest(package)
        entries = [e for e in manifest.root.iter(f"{ebrim.RIM}ExtrinsicObject") if _is_stable(e)]
        if not entries:
            raise InvalidInput("XDM_MANIFEST_INVALID")
        documents = tuple(_document(package, manifest, entry) for entry in entries)
    finally:
        package.close()
    submission = _submission_set(manifest.root)
    if submission is None:
        raise InvalidInput("XDM_MANIFEST_INVALID")
    content_type = next(ebrim.coded(submission, ebrim.SET_CONTENT_TYPE), None)
    return IncomingSubmission(
        documents=documents,
        unique_id=ebrim.external_identifier(submission, ebrim.SET_UNIQUE_ID),
        source_id=ebrim.external_identifier(submission, ebrim.SET_SOURCE_ID),
        title=ebrim.name_of(submission),
        content_type=None if content_type is None else content_type.code,
        submission_time=ebrim.time(submission, "submissionTime"),
        author=next(iter(ebrim.authors(submission, ebrim.SET_AUTHOR)), None),
    )


def manifests(names: frozenset[str]) -> list[str]:
    """The manifests among the files of a package: METADATA.XML in a folder of IHE_XDM, in any case."""
    return sorted(
        name for name in names if (parts := name.upper().split("/"))[-3:-2] == ["IHE_XDM"] and parts[-1] == MANIFEST
    )


def _manifest(package: Package) -> _Manifest:
    found = manifests(package.names)
    if not found:
        raise InvalidInput("XDM_MANIFEST_MISSING")
    if len(found) > 1:
        raise InvalidInput("XDM_SEVERAL_SETS")
    root = xml.parse(package.read(found[0]))
    replaced = {}
    for association in root.iter(f"{ebrim.RIM}Association"):
        if (association.get("associationType") or "").rpartition(":")[2] in ebrim.REPLACES:
            source, target = association.get("sourceObject"), association.get("targetObject")
            if source and target:
                replaced[source] = target
    return _Manifest(root, str(PurePosixPath(found[0]).parent), replaced)


def _is_stable(entry: etree._Element) -> bool:
    return entry.get("objectType") == ebrim.STABLE_DOCUMENT


def _submission_set(root: etree._Element) -> etree._Element | None:
    """The registry package that is classified as a submission set (a folder is one too)."""
    for each in root.iter(f"{ebrim.RIM}RegistryPackage"):
        nodes = root.iter(f"{ebrim.RIM}Classification")
        if any(
            node.get("classificationNode") == ebrim.SUBMISSION_SET and node.get("classifiedObject") == each.get("id")
            for node in nodes
        ):
            return each
    return None


def _document(package: Package, manifest: _Manifest, entry: etree._Element) -> IncomingDocument:
    data = _content(package, manifest, entry)
    mime_type = (values.key(entry.get("mimeType"), "mimeType") or "").lower()
    metadata = _metadata(manifest, entry, mime_type)
    if mime_type in _XML_TYPES:
        metadata = _completed(metadata, cda.read_cda(data).metadata)
    elif mime_type == pdf.MIME_TYPE:
        pdf.check_pdf(data)
    else:
        raise InvalidInput("XDM_MIME_UNSUPPORTED")
    return IncomingDocument(metadata=metadata, content=data, sha256=hashlib.sha256(data).hexdigest())


def _content(package: Package, manifest: _Manifest, entry: etree._Element) -> bytes:
    """The file of an entry, once it is the one that the manifest was made for."""
    uri = ebrim.first(entry, "URI")
    if uri is None:
        raise InvalidInput("VALUE_MISSING", field="URI")
    name = inside(f"{manifest.folder}/{uri}")
    by_capitals = {each.upper(): each for each in package.names}
    name = name if name in package.names else by_capitals.get(name.upper(), "")
    if not name:
        raise InvalidInput("XDM_FILE_MISSING")
    data = package.read(name)
    declared_hash, declared_size = ebrim.first(entry, "hash"), ebrim.first(entry, "size")
    if declared_hash is None:
        raise InvalidInput("XDM_HASH_MISSING")
    if hashlib.sha1(data, usedforsecurity=False).hexdigest() != declared_hash.lower():
        raise InvalidInput("XDM_HASH_MISMATCH")
    if declared_size is not None and declared_size != str(len(data)):
        raise InvalidInput("XDM_SIZE_MISMATCH")
    return data


def _metadata(manifest: _Manifest, entry: etree._Element, mime_type: str) -> DocumentMetadata:
    unique_id = ebrim.external_identifier(entry, ebrim.UNIQUE_ID)
    its_type = next(ebrim.coded(entry, ebrim.TYPE), None)
    if unique_id is None or its_type is None:
        raise InvalidInput("VALUE_MISSING", field="uniqueId" if unique_id is None else "typeCode")
    visibility = values.visibility(each.code for each in ebrim.coded(entry, ebrim.CONFIDENTIALITY))
    patient = ebrim.patient(entry)
    authors = ebrim.authors(entry, ebrim.AUTHOR)
    return DocumentMetadata(
        unique_id=unique_id,
        replaces_unique_id=_replaced(manifest, entry),
        type_code=its_type.code,
        type_label=its_type.label,
        class_code=_code(entry, ebrim.CLASS),
        format_code=_code(entry, ebrim.FORMAT),
        mime_type="text/xml" if mime_type in _XML_TYPES else mime_type,
        confidentiality=visibility.confidentiality,
        masked=visibility.masked,
        hidden_from_patient=visibility.hidden_from_patient,
        hidden_from_representatives=visibility.hidden_from_representatives,
        title=ebrim.name_of(entry) or its_type.label or its_type.code,
        language=ebrim.first(entry, "languageCode"),
        authors=authors,
        legal_authenticator=ebrim.signer(entry),
        structure_id=next((author.structure_id for author in authors if author.structure_id), None),
        facility_type=_code(entry, ebrim.FACILITY),
        practice_setting=_code(entry, ebrim.PRACTICE),
        event_codes=ebrim.event_codes(entry),
        creation_time=ebrim.time(entry, "creationTime") or Hl7Time.parse(None),
        service_start=ebrim.time(entry, "serviceStartTime"),
        service_stop=ebrim.time(entry, "serviceStopTime"),
        patient=patient,
        identity_status=ebrim.identity_status(entry, patient),
    )


def _replaced(manifest: _Manifest, entry: etree._Element) -> str | None:
    """The uniqueId of the replaced entry when this exchange holds it, else the entryUUID that the sender knows."""
    target = manifest.replaced.get(entry.get("id") or "")
    if target is None:
        return None
    for other in manifest.root.iter(f"{ebrim.RIM}ExtrinsicObject"):
        if other.get("id") == target:
            return ebrim.external_identifier(other, ebrim.UNIQUE_ID)
    return values.key(target, "targetObject")


def _completed(entry: DocumentMetadata, header: DocumentMetadata) -> DocumentMetadata:
    """The entry with what only the document's own header says.

    Refused: XDM_DOCUMENT_DIFFERS when the header names another document or has no identifier of the patient
    in common with the entry: filing it would put one person's document in another's record.
    """
    shared = set(entry.patient.identifiers) & set(header.patient.identifiers)
    if entry.unique_id != header.unique_id or not shared:
        raise InvalidInput("XDM_DOCUMENT_DIFFERS")
    return replace(
        entry,
        set_id=header.set_id,
        version_number=header.version_number,
        replaces_unique_id=header.replaces_unique_id or entry.replaces_unique_id,
        format_code=entry.format_code or header.format_code,
        authors=entry.authors or header.authors,
        structure_id=entry.structure_id or header.structure_id,
        custodian_id=header.custodian_id,
        custodian_name=header.custodian_name,
        facility_type=entry.facility_type or header.facility_type,
        practice_setting=entry.practice_setting or header.practice_setting,
        event_codes=entry.event_codes or header.event_codes,
        service_start=entry.service_start or header.service_start,
        service_stop=entry.service_stop or header.service_stop,
        masked=entry.masked or header.masked,
        hidden_from_patient=entry.hidden_from_patient or header.hidden_from_patient,
        hidden_from_representatives=entry.hidden_from_representatives or header.hidden_from_representatives,
        patient=header.patient,
    )


def _code(entry: etree._Element, scheme: str) -> str | None:
    found = next(ebrim.coded(entry, scheme), None)
    return None if found is None else found.code
