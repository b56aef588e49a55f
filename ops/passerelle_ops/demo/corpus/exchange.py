"""What documents travel in: an auto-présentable style sheet, an XDM exchange, a PDF with its sidecar."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Final
from uuid import NAMESPACE_OID, uuid5
from xml.sax.saxutils import escape, quoteattr

from passerelle.dossier.formats import ebrim
from passerelle_ops.demo.corpus.kinds import KINDS
from passerelle_ops.demo.corpus.write import DECLARATION, Paper, unique_id, write

_FOLDER: Final = "IHE_XDM/SUBSET01"
_HAS_MEMBER: Final = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"


@dataclass(frozen=True, slots=True)
class Enclosed:
    """One document of an exchange. The declared values are those of `data` when None."""

    paper: Paper
    data: bytes
    declared_hash: str | None = None
    declared_size: int | None = None


def stylesheet(paper: Paper) -> bytes:
    """The document inside an `xsl:stylesheet` that would show it, and would run if anyone let it."""
    inside = write(replace(paper, declaration="")).decode()
    return (
        DECLARATION
        + '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"'
        + ' xmlns:data="urn:asip-sante:ci-sis">\n<data:Contenu>\n'
        + inside
        + '</data:Contenu>\n<xsl:template match="/"><html><script>window.passerelle = "exécuté"</script></html>'
        + "</xsl:template>\n</xsl:stylesheet>\n"
    ).encode()


def xdm_files(documents: Sequence[Enclosed], *, seed: str = "0") -> dict[str, bytes]:
    """The files of an XDM exchange by their path in it."""
    files = {
        "INDEX.HTM": b"<html><body>Voir le fichier README.TXT</body></html>\r\n",
        "README.TXT": "Lot de documents de synthèse.\r\n".encode(),
        f"{_FOLDER}/METADATA.XML": _manifest(documents, seed),
    }
    for number, each in enumerate(documents, 1):
        files[f"{_FOLDER}/{_name(number)}"] = each.data
    return files


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files, the same octets each time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def pdf(lines: Sequence[str]) -> bytes:
    """A PDF of one page that holds these lines."""
    shown = "".join(f"({_pdf_text(line)}) Tj T* " for line in lines)
    stream = f"BT /F1 11 Tf 14 TL 50 790 Td {shown}ET".encode("cp1252", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    written, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    written += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    written += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(written)


def sidecar(paper: Paper) -> dict[str, object]:
    """The metadata of a PDF in the form of `passerelle.dossier.formats.pdf`."""
    kind = KINDS[paper.type_code]
    patient, writer = paper.patient, paper.writer
    own = paper.unique_id
    return {
        "uniqueId": f"{own.oid}^{own.value}" if own else unique_id(paper.seed),
        "versionNumber": paper.version,
        "type": kind.type_code,
        "typeLabel": kind.label,
        "title": paper.title or kind.title,
        "language": "fr-FR",
        "confidentiality": [paper.confidentiality],
        "creationTime": paper.effective_time or f"{paper.at:%Y%m%d%H%M%S%z}",
        "serviceStart": f"{paper.at:%Y%m%d}",
        "facilityType": paper.structure.facility,
        "practiceSetting": paper.structure.setting,
        "authors": [
            {
                "id": f"8{writer.rpps}",
                "familyName": writer.family_name,
                "givenName": writer.given_name,
                "specialty": writer.code,
                "specialtyLabel": writer.label,
                "structureId": f"1{paper.structure.finess}",
                "structureName": paper.structure.name,
            }
        ],
        "patient": {
            "identifiers": [{"oid": each.oid, "value": each.value} for each in patient.identifiers],
            "familyName": patient.family_name,
            "usedName": patient.used_name or patient.family_name,
            "givenNames": list(patient.given_names),
            "birthDate": patient.birth_date,
            "sex": patient.sex,
            "birthPlace": patient.birth_place,
        },
    }


def sidecar_octets(paper: Paper) -> bytes:
    """The sidecar as a file."""
    return json.dumps(sidecar(paper), ensure_ascii=False, indent=2).encode()


def _pdf_text(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _name(number: int) -> str:
    return f"DOC{number:05d}.XML"


def _manifest(documents: Sequence[Enclosed], seed: str) -> bytes:
    set_id = "SubmissionSet01"
    first = documents[0].paper
    entries = "".join(_entry(number, each) for number, each in enumerate(documents, 1))
    members = "".join(
        f'<Association id="as{number}" associationType="{_HAS_MEMBER}" sourceObject="{set_id}"'
        f' targetObject="{_uuid(each)}"/>\n'
        for number, each in enumerate(documents, 1)
    )
    return (
        DECLARATION
        + '<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0">\n'
        + '<RegistryObjectList xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">\n'
        + f'<RegistryPackage id="{set_id}">{_slot("submissionTime", f"{first.at.astimezone(UTC):%Y%m%d%H%M%S}")}'
        + _name_of("Lot de documents")
        + _author(first, ebrim.SET_AUTHOR, set_id)
        + _class(
            ebrim.SET_CONTENT_TYPE,
            set_id,
            first.structure.facility,
            "1.2.250.1.71.4.2.4",
            first.structure.facility_label,
        )
        + f'<Classification id="{set_id}c" classifiedObject="{set_id}" classificationNode="{ebrim.SUBMISSION_SET}"/>'
        + _external(ebrim.SET_SOURCE_ID, set_id, "2.25.329800735698586629295641978511506172918")
        + _external(ebrim.SET_UNIQUE_ID, set_id, unique_id(f"{seed}/lot"))
        + "</RegistryPackage>\n"
        + entries
        + members
        + "</RegistryObjectList>\n</lcm:SubmitObjectsRequest>\n"
    ).encode()


def _entry(number: int, enclosed: Enclosed) -> str:
    paper, entry = enclosed.paper, _uuid(enclosed)
    kind = KINDS[paper.type_code]
    own = paper.unique_id
    patient = paper.patient
    cx = [f"{each.value}^^^&{each.oid}&ISO" for each in patient.identifiers]
    when = f"{paper.at.astimezone(UTC):%Y%m%d%H%M%S}"
    digest = enclosed.declared_hash or hashlib.sha1(enclosed.data, usedforsecurity=False).hexdigest()
    size = len(enclosed.data) if enclosed.declared_size is None else enclosed.declared_size
    info = [f"PID-5|{patient.family_name}^{patient.given_names[0]}^^^^^L", f"PID-7|{patient.birth_date}"]
    return (
        f'<ExtrinsicObject id="{entry}" objectType="{ebrim.STABLE_DOCUMENT}" mimeType="text/xml">'
        + _slot("hash", digest)
        + _slot("size", str(size))
        + _slot("URI", _name(number))
        + _slot("creationTime", when)
        + _slot("languageCode", "fr-FR")
        + _slot("serviceStartTime", when)
        + _slot("sourcePatientId", cx[0])
        + _slot("sourcePatientInfo", *info, f"PID-8|{patient.sex}")
        + _name_of(paper.title or kind.title)
        + _author(paper, ebrim.AUTHOR, entry)
        + _class(ebrim.CLASS, entry, "10", "1.2.250.1.213.1.1.4.1", "Compte rendu")
        + _class(ebrim.CONFIDENTIALITY, entry, paper.confidentiality, "2.16.840.1.113883.5.25", "Normal")
        + _class(ebrim.FACILITY, entry, paper.structure.facility, "1.2.250.1.71.4.2.4", paper.structure.facility_label)
        + _class(ebrim.PRACTICE, entry, paper.structure.setting, "1.2.250.1.213.1.1.4.9", paper.structure.setting_label)
        + _class(ebrim.TYPE, entry, kind.type_code, "2.16.840.1.113883.6.1", kind.label)
        + _external(ebrim.PATIENT_ID, entry, cx[0])
        + _external(ebrim.UNIQUE_ID, entry, f"{own.oid}^{own.value}" if own else unique_id(paper.seed))
        + "</ExtrinsicObject>\n"
    )


def _uuid(enclosed: Enclosed) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_OID, enclosed.paper.seed)}"


def _slot(name: str, *values: str) -> str:
    written = "".join(f"<Value>{escape(value)}</Value>" for value in values)
    return f'<Slot name="{name}"><ValueList>{written}</ValueList></Slot>'


def _name_of(words: str) -> str:
    return f'<Name><LocalizedString xml:lang="FR" value={quoteattr(words)}/></Name>'


def _class(scheme: str, owner: str, code: str, system: str, label: str) -> str:
    return (
        f'<Classification id="{owner}-{scheme[-12:]}" classificationScheme="{scheme}" classifiedObject="{owner}"'
        f' nodeRepresentation="{code}">{_slot("codingScheme", system)}{_name_of(label)}</Classification>'
    )


def _author(paper: Paper, scheme: str, owner: str) -> str:
    writer, structure = paper.writer, paper.structure
    person = f"8{writer.rpps}^{writer.family_name}^{writer.given_name}^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
    where = f"{structure.name}^^^^^&1.2.250.1.71.4.2.2&ISO^^^^1{structure.finess}"
    return (
        f'<Classification id="{owner}-author" classificationScheme="{scheme}" classifiedObject="{owner}"'
        f' nodeRepresentation="">{_slot("authorPerson", person)}'
        + _slot("authorSpecialty", f"{writer.code}^{writer.label}^1.2.250.1.213.1.1.4.5")
        + _slot("authorInstitution", where)
        + "</Classification>"
    )


def _external(scheme: str, owner: str, value: str) -> str:
    return (
        f'<ExternalIdentifier id="{owner}-{scheme[-12:]}" registryObject="{owner}" identificationScheme="{scheme}"'
        f" value={quoteattr(value)}/>"
    )
