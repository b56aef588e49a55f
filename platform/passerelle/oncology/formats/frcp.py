"""The board sheet as CDA R2: CANCER-FRCP 2022.01 and 2025.01 (type 34794-8, template 1.2.250.1.213.1.1.1.8).

Source: CI-SIS, volet CANCER-FRCP. What is read is kept whole in its coded content; what is written has a readable
narrative in each section. The rules of conformity are elsewhere (`conformity`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lxml import etree

from passerelle.dossier.formats import cda
from passerelle.dossier.formats.hl7v3 import find, find_all
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle.oncology.coded import LOINC, Code, Section
from passerelle.oncology.formats import cda_header, cda_header_writing, cda_narrative
from passerelle.oncology.formats.cda_header import DocumentKind
from passerelle.oncology.formats.cda_statements import Body
from passerelle.oncology.formats.cda_writing import Body as WrittenBody
from passerelle.oncology.formats.cda_writing import is_xml, tag
from passerelle.oncology.sheet import BoardSheet

TYPE: Final = "34794-8"
TEMPLATE: Final = "1.2.250.1.213.1.1.1.8"
FRCP: Final = DocumentKind(
    code=Code(code=TYPE, system=LOINC, label="CR de réunion de concertation pluridisciplinaire"),
    template=TEMPLATE,
)
MAX_BYTES: Final = 20 * 1024 * 1024
"""A sheet may hold a copy of itself in PDF."""


def read(data: bytes) -> BoardSheet:
    """The sheet in a document, of either edition; an older one is taken for one of 2022.

    Refused: what `cda.clinical_document` refuses, NOT_A_BOARD_SHEET, SHEET_HAS_NO_SECTIONS, CDA_ID_MISSING,
    CDA_PATIENT_MISSING, SHEET_TOO_MANY_STATEMENTS, VALUE_TOO_LONG, VALUE_MALFORMED, XML_TOO_LARGE.
    """
    if len(data) > MAX_BYTES:
        raise LimitExceeded("XML_TOO_LARGE", limit=MAX_BYTES)
    return of_document(cda.clinical_document(data))


def of_document(document: etree._Element) -> BoardSheet:
    """The sheet in a ClinicalDocument element; refused as `read` does."""
    edition = cda_header.edition(document, FRCP)
    if edition is None:
        raise InvalidInput("NOT_A_BOARD_SHEET")
    structured = find(document, "component/structuredBody")
    if structured is None:
        raise InvalidInput("SHEET_HAS_NO_SECTIONS")
    body = Body(document)
    header = cda_header.header(document, FRCP, edition, body.passages)
    sections = tuple(body.section(each) for each in find_all(structured, "component/section"))
    return BoardSheet(edition=edition, header=header, sections=own(sections))


def own(sections: tuple[Section, ...], above: str | None = None) -> tuple[Section, ...]:
    """The sections of a document without the narratives that we would write ourselves."""
    return tuple(_own(each, at, above) for at, each in enumerate(sections, 1))


def _own(section: Section, at: int, above: str | None) -> Section:
    for root in cda_narrative.ROOTS if above is None else (above[0],):
        prefix = f"{root}{at}" if above is None else f"{above}.{at}"
        inner = replace(section, sections=own(section.sections, prefix)) if section.sections else section
        bare = cda_narrative.unlinked(inner, prefix)
        if bare is not None:
            return bare
    return section


def written(sheet: BoardSheet) -> bytes:
    """The sheet as a document of its edition, UTF-8. Equal sheets give the same octets.

    Refused: SHEET_HEADER_INCOMPLETE without patient, date, author, custodian or encounter; VALUE_MALFORMED for a
    character that no XML holds.
    """
    lacking = cda_header_writing.lacking(sheet.header)
    if lacking is not None:
        raise InvalidInput("SHEET_HEADER_INCOMPLETE", field=lacking)
    head = cda_header_writing.written(sheet.header, FRCP, sheet.edition)
    body = tag("component", tag("structuredBody", WrittenBody(sheet.sections).written()))
    text = f"{cda_header_writing.OPENING}{head}{body}{cda_header_writing.CLOSING}"
    return is_xml(text).encode()
