"""The care plan as CDA R2: read from CANCER-PPS 2022.01 and 2025.01, written as 2025.01 with its copy in PDF.

Source: CI-SIS, volet CANCER-PPS (type 18776-5, template 1.2.250.1.213.1.1.1.26). What is read is kept whole in its
coded content. A document inside an `xsl:stylesheet` is read too; the program around it is not kept.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Final

from lxml import etree

from passerelle.dossier.formats import cda
from passerelle.dossier.formats.hl7v3 import find, find_all
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle.oncology.care_plan import COPY, TEMPLATE, TYPE, CarePlan, is_section, section_of
from passerelle.oncology.coded import LOINC, Code, Id, Link, Section, Statement, Time, Value, Words
from passerelle.oncology.formats import cda_header, cda_header_writing, plan_copy
from passerelle.oncology.formats.cda_header import DocumentKind
from passerelle.oncology.formats.cda_statements import Body
from passerelle.oncology.formats.cda_writing import Body as WrittenBody
from passerelle.oncology.formats.cda_writing import is_xml, tag
from passerelle.oncology.formats.frcp import own
from passerelle.oncology.sheet import NEWEST
from passerelle.oncology.sheet_making import identified

PPS: Final = DocumentKind(code=Code(code=TYPE, system=LOINC, label="Plan personnalisé de soins"), template=TEMPLATE)
MAX_BYTES: Final = 20 * 1024 * 1024
"""A plan may hold a copy of itself in PDF, and documents beside."""
_COPY_TITLE: Final = "Copie du document"
_COPY_PURPOSE: Final = "copie-pdf"


def read(data: bytes) -> CarePlan:
    """The care plan in a document, of either edition.

    Refused: what `cda.clinical_document` refuses, NOT_A_CARE_PLAN, PLAN_HAS_NO_SECTIONS, CDA_ID_MISSING,
    CDA_PATIENT_MISSING, SHEET_TOO_MANY_STATEMENTS, VALUE_TOO_LONG, VALUE_MALFORMED, XML_TOO_LARGE.
    """
    if len(data) > MAX_BYTES:
        raise LimitExceeded("XML_TOO_LARGE", limit=MAX_BYTES)
    return of_document(cda.clinical_document(data))


def of_document(document: etree._Element) -> CarePlan:
    """The care plan in a ClinicalDocument element; refused as `read` does."""
    edition = cda_header.edition(document, PPS)
    if edition is None:
        raise InvalidInput("NOT_A_CARE_PLAN")
    structured = find(document, "component/structuredBody")
    if structured is None:
        raise InvalidInput("PLAN_HAS_NO_SECTIONS")
    body = Body(document)
    header = cda_header.header(document, PPS, edition, body.passages)
    sections = tuple(body.section(each) for each in find_all(structured, "component/section"))
    return _without_our_copy(CarePlan(edition=edition, header=header, sections=own(sections)))


def written(plan: CarePlan) -> bytes:
    """The plan as a document of 2025.01, UTF-8, with a copy in PDF if it has none. Equal plans give the same octets.

    Refused: PLAN_HEADER_INCOMPLETE without patient, date, author, custodian or encounter; VALUE_MALFORMED for a
    character that no XML holds.
    """
    plan = newest(plan)
    lacking = cda_header_writing.lacking(plan.header)
    if lacking is not None:
        raise InvalidInput("PLAN_HEADER_INCOMPLETE", field=lacking)
    sections = plan.sections if section_of(plan, COPY) else (*plan.sections, _copy(plan))
    head = cda_header_writing.written(plan.header, PPS, plan.edition)
    body = tag("component", tag("structuredBody", WrittenBody(sections).written()))
    return is_xml(f"{cda_header_writing.OPENING}{head}{body}{cda_header_writing.CLOSING}").encode()


def newest(plan: CarePlan) -> CarePlan:
    """The plan as one of the newest edition."""
    if plan.edition == NEWEST:
        return plan
    templates = tuple(
        replace(each, extension=NEWEST) if each.root == TEMPLATE else each for each in plan.header.templates
    )
    return replace(plan, edition=NEWEST, header=replace(plan.header, templates=templates))


def _without_our_copy(plan: CarePlan) -> CarePlan:
    """The plan without its copy, when that is the one we would make."""
    kept = replace(plan, sections=tuple(each for each in plan.sections if not is_section(each, COPY)))
    (ours,) = own((_copy(kept),))
    return kept if plan.sections == (*kept.sections, ours) else plan


def _copy(plan: CarePlan) -> Section:
    """The section that holds the plan in PDF (FR-Document-PDF-copie, 1.2.250.1.213.1.1.2.243)."""
    header = plan.header
    kind = Statement(
        kind="observation",
        class_code="OBS",
        mood="EVN",
        templates=tuple(
            Id(root=each)
            for each in ("1.3.6.1.4.1.19376.1.5.3.1.4.13", "1.2.250.1.213.1.1.3.48", "1.2.250.1.213.1.1.3.48.18")
        ),
        ids=(identified(header, _COPY_PURPOSE, "type"),),
        code=Code(code="69764-9", system=LOINC, label="Type de document"),
        status="completed",
        times=(Time(null_flavor="NA"),),
        values=(Value(type="CD", code=Code(code="55108-5", system=LOINC, label=_COPY_TITLE)),),
    )
    media = Statement(
        kind="observationMedia",
        class_code="OBS",
        mood="EVN",
        name="copiePDF",
        values=(
            Value(
                media_type="application/pdf",
                representation="B64",
                text=Words(text=b64encode(plan_copy.pdf(plan)).decode("ascii")),
            ),
        ),
    )
    attached = Statement(
        kind="organizer",
        class_code="CLUSTER",
        mood="EVN",
        templates=(Id(root="1.2.250.1.213.1.1.3.18"),),
        ids=(identified(header, _COPY_PURPOSE, "document"),),
        code=Code(code="55107-7", system=LOINC, label="Document attaché"),
        status="completed",
        links=(Link(statement=kind), Link(statement=media)),
    )
    return Section(
        templates=(Id(root=COPY),),
        ids=(identified(header, _COPY_PURPOSE),),
        code=Code(code="55108-5", system=LOINC, label=_COPY_TITLE),
        title=_COPY_TITLE,
        entries=(Link(statement=attached),),
    )
