"""CDA R2 documents written as the CI-SIS asks (volet Structuration minimale), valid against the HL7 schema."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date, datetime
from random import Random
from typing import Final
from uuid import NAMESPACE_OID, uuid5
from xml.sax.saxutils import escape, quoteattr

from passerelle.identities.ins import Ins
from passerelle.kernel.clock import PARIS
from passerelle_ops.demo.corpus.cases import Case, case_for
from passerelle_ops.demo.corpus.kinds import KINDS, Block, Kind, Section, Table
from passerelle_ops.demo.corpus.people import Patient, Structure, Writer

DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_LOINC: Final = "2.16.840.1.113883.6.1"
_NOS: Final = "1.2.250.1.213.1.1.4.12"
_CCAM: Final = "1.2.250.1.215.300.1"
_VISIBILITY: Final = "1.2.250.1.213.1.1.4.13"
_CONFIDENTIALITY: Final = "2.16.840.1.113883.5.25"
_RPPS: Final = "1.2.250.1.71.4.2.1"
_FINESS: Final = "1.2.250.1.71.4.2.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """Everything that goes into one document. The defaults make a sound one."""

    type_code: str
    patient: Patient
    writer: Writer
    structure: Structure
    at: datetime
    seed: str = "0"
    unique_id: Ins | None = None
    """Root and extension of the identifier; drawn from the seed when None."""
    set_id: str | None = None
    version: int | None = 1
    replaces: Ins | None = None
    confidentiality: str = "N"
    title: str | None = None
    effective_time: str | None = None
    """The text of effectiveTime; from `at` when None."""
    attachment: tuple[str, bytes] | None = None
    """Media type and octets of one more part, shown in the last section."""
    body: tuple[str, bytes] | None = None
    """Media type and octets of a body without sections (CDA level 1)."""
    sections: str | None = None
    """The sections as they stand, in the place of those of the kind of document."""
    fulfils: tuple[str, ...] = ()
    """Identifiers of the orders that this answers."""
    declaration: str = DECLARATION


def unique_id(seed: str) -> str:
    """An OID of the UUID arc, the same for the same seed."""
    return f"2.25.{uuid5(NAMESPACE_OID, f'passerelle/{seed}').int}"


def hl7(at: datetime) -> str:
    """An instant as CDA writes it, to the second, with the offset of Paris."""
    return f"{at.astimezone(PARIS):%Y%m%d%H%M%S%z}"


def write(paper: Paper) -> bytes:
    """One CDA document, UTF-8 octets."""
    kind = KINDS[paper.type_code]
    event = kind.event(_case(paper))
    sections = sections_of(paper) if paper.sections is None else paper.sections
    body = _level_one(*paper.body) if paper.body else _structured(sections, paper.attachment)
    return (
        paper.declaration
        + '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        + _identification(paper, kind)
        + _record_target(paper.patient)
        + _author(paper)
        + _custodian(paper.structure)
        + _signer(paper)
        + "".join(f"  <inFulfillmentOf><order>{ii(each)}</order></inFulfillmentOf>\n" for each in paper.fulfils)
        + _act(paper, event)
        + _replaced(paper.replaces)
        + _encounter(paper)
        + f"  <component>{body}</component>\n</ClinicalDocument>\n"
    ).encode()


def sections_of(paper: Paper) -> str:
    """The sections that documents of this kind have, as they are written."""
    return "".join(map(_section, KINDS[paper.type_code].sections(_case(paper))))


def _case(paper: Paper) -> Case:
    draw = Random(f"case/{paper.seed}")  # noqa: S311  a plausible case, not a secret
    born = date.fromisoformat(f"{paper.patient.birth_date[:4]}-06-30")
    return case_for(draw, paper.patient.sex, max(0, paper.at.year - born.year))


def _identification(paper: Paper, kind: Kind) -> str:
    own = paper.unique_id or Ins(unique_id(paper.seed), "")
    set_id = paper.set_id or unique_id(f"{paper.seed}/set")
    templates = ["2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1"]
    if kind.template and not paper.body:
        templates.append(kind.template)
    if paper.body:
        templates.append("1.3.6.1.4.1.19376.1.2.20")
    system = _LOINC if kind.is_loinc else _NOS
    visibility = _CONFIDENTIALITY if paper.confidentiality in {"N", "R", "V"} else _VISIBILITY
    version = f'  <setId root="{set_id}"/>\n  <versionNumber value="{paper.version}"/>\n' if paper.version else ""
    return (
        '  <realmCode code="FR"/>\n  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>\n'
        + "".join(f'  <templateId root="{template}"/>\n' for template in templates)
        + f"  {_id(own)}\n"
        + f'  <code code="{kind.type_code}" displayName={quoteattr(kind.label)} codeSystem="{system}"/>\n'
        + f"  <title>{escape(paper.title or kind.title)}</title>\n"
        + f"  <effectiveTime value={quoteattr(paper.effective_time or hl7(paper.at))}/>\n"
        + f'  <confidentialityCode code="{paper.confidentiality}" codeSystem="{visibility}"/>\n'
        + '  <languageCode code="fr-FR"/>\n'
        + version
    )


def _id(identifier: Ins) -> str:
    extension = f" extension={quoteattr(identifier.value)}" if identifier.value else ""
    return f"<id root={quoteattr(identifier.oid)}{extension}/>"


def ii(identifier: str) -> str:
    """An `id` element from an identifier as XDS writes it."""
    root, _, extension = identifier.partition("^")
    return _id(Ins(root, extension))


def _record_target(patient: Patient) -> str:
    first = patient.given_names[0]
    used = patient.used_name or patient.family_name
    place = (
        f"<birthplace><place><addr><county>{escape(patient.birth_place)}</county></addr></place></birthplace>"
        if patient.birth_place
        else ""
    )
    return (
        "  <recordTarget><patientRole>\n"
        + "".join(f"    {_id(each)}\n" for each in patient.identifiers)
        + '    <addr nullFlavor="NASK"/><telecom nullFlavor="NASK"/>\n    <patient>\n      <name>'
        + f'<family qualifier="BR">{escape(patient.family_name)}</family>'
        + f"<given>{escape(' '.join(patient.given_names))}</given>"
        + f'<given qualifier="BR">{escape(first)}</given>'
        + f'<family qualifier="CL">{escape(used)}</family><given qualifier="CL">{escape(first)}</given></name>\n'
        + f'      <administrativeGenderCode code="{patient.sex}" codeSystem="2.16.840.1.113883.5.1"/>\n'
        + f"      <birthTime value={quoteattr(patient.birth_date)}/>{place}\n"
        + "    </patient>\n  </patientRole></recordTarget>\n"
    )


def _author(paper: Paper) -> str:
    return (
        f'  <author><time value="{hl7(paper.at)}"/><assignedAuthor>\n'
        + _who(paper.writer)
        + _where("representedOrganization", paper.structure, with_setting=False)
        + "  </assignedAuthor></author>\n"
    )


def _who(writer: Writer) -> str:
    return (
        f'    <id root="{_RPPS}" extension="8{writer.rpps}"/>\n'
        f"    <code code={quoteattr(writer.code)} displayName={quoteattr(writer.label)}"
        ' codeSystem="1.2.250.1.213.1.1.4.5"/>\n'
        '    <addr nullFlavor="NASK"/><telecom nullFlavor="NASK"/>\n'
        f"    <assignedPerson><name><family>{escape(writer.family_name)}</family>"
        f"<given>{escape(writer.given_name)}</given></name></assignedPerson>\n"
    )


def _where(tag: str, structure: Structure, *, with_setting: bool) -> str:
    setting = (
        f'<standardIndustryClassCode code="{structure.setting}" displayName={quoteattr(structure.setting_label)}'
        ' codeSystem="1.2.250.1.213.1.1.4.9"/>'
    )
    return (
        f'    <{tag}><id root="{_FINESS}" extension="1{structure.finess}"/>'
        f"<name>{escape(structure.name)}</name>{setting if with_setting else ''}</{tag}>\n"
    )


def _custodian(structure: Structure) -> str:
    inside = _where("representedCustodianOrganization", structure, with_setting=False)
    return f"  <custodian><assignedCustodian>\n{inside}  </assignedCustodian></custodian>\n"


def _signer(paper: Paper) -> str:
    return (
        f'  <legalAuthenticator><time value="{hl7(paper.at)}"/><signatureCode code="S"/><assignedEntity>\n'
        + _who(paper.writer)
        + "  </assignedEntity></legalAuthenticator>\n"
    )


def _act(paper: Paper, event: tuple[str, str] | None) -> str:
    code = f'<code code="{event[0]}" displayName={quoteattr(event[1])} codeSystem="{_CCAM}"/>' if event else ""
    return (
        f'  <documentationOf><serviceEvent>{code}<effectiveTime><low value="{hl7(paper.at)}"/></effectiveTime>\n'
        '    <performer typeCode="PRF"><assignedEntity>\n'
        + _who(paper.writer)
        + _where("representedOrganization", paper.structure, with_setting=True)
        + "    </assignedEntity></performer></serviceEvent></documentationOf>\n"
    )


def _replaced(parent: Ins | None) -> str:
    if parent is None:
        return ""
    return f'  <relatedDocument typeCode="RPLC"><parentDocument>{_id(parent)}</parentDocument></relatedDocument>\n'


def _encounter(paper: Paper) -> str:
    structure = paper.structure
    return (
        f'  <componentOf><encompassingEncounter><effectiveTime><low value="{hl7(paper.at)}"/></effectiveTime>'
        f'<location><healthCareFacility><code code="{structure.facility}"'
        f' displayName={quoteattr(structure.facility_label)} codeSystem="1.2.250.1.71.4.2.4"/>'
        "</healthCareFacility></location></encompassingEncounter></componentOf>\n"
    )


def _structured(sections: str, attachment: tuple[str, bytes] | None) -> str:
    annexe = "" if attachment is None else _attached(*attachment)
    return f"<structuredBody>\n{sections}{annexe}</structuredBody>"


def _section(section: Section) -> str:
    blocks = "".join(_block(block) for block in section.blocks)
    return (
        f'  <component><section><code code="{section.code}" codeSystem="{_LOINC}"/>'
        f"<title>{escape(section.title)}</title><text>{blocks}</text></section></component>\n"
    )


def _block(block: Block) -> str:
    if isinstance(block, str):
        return f"<paragraph>{escape(block)}</paragraph>"
    if isinstance(block, Table):
        head = "".join(f"<th>{escape(cell)}</th>" for cell in block.head)
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in block.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return "<list>" + "".join(f"<item>{escape(item)}</item>" for item in block) + "</list>"


def _attached(media_type: str, data: bytes) -> str:
    return (
        f'  <component><section><code code="55107-7" codeSystem="{_LOINC}"/><title>Documents ajoutés</title>'
        '<text><renderMultiMedia referencedObject="annexe"/></text>'
        '<entry><observationMedia classCode="OBS" moodCode="EVN" ID="annexe">'
        f'<value mediaType="{media_type}" representation="B64">{base64.b64encode(data).decode()}</value>'
        "</observationMedia></entry></section></component>\n"
    )


def _level_one(media_type: str, data: bytes) -> str:
    encoded = base64.b64encode(data).decode()
    return f'<nonXMLBody><text mediaType="{media_type}" representation="B64">{encoded}</text></nonXMLBody>'
