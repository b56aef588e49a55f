"""The aftercare plan as CDA R2 of level 1: the CI-SIS header, and a PDF for a body.

Sources: IHE ITI TF-3 §5.2 (XDS-SD), CI-SIS, volet Structuration minimale. The CI-SIS has no volet for the PPAC: it is
filed under the type of a care plan, 18776-5, without the template of the PPS (decision 0127).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Final

from passerelle.oncology.aftercare_plan import TITLE, AftercarePlan, Contact, Step, days_of
from passerelle.oncology.care_plan import TYPE
from passerelle.oncology.coded import LOINC, Code, Id
from passerelle.oncology.formats import cda_header_writing, plan_copy
from passerelle.oncology.formats.cda_header import DocumentKind
from passerelle.oncology.formats.cda_writing import is_xml, tag
from passerelle.oncology.formats.plain_pdf import Block, document
from passerelle.oncology.header import Header
from passerelle.oncology.sheet import NEWEST

PPAC: Final = DocumentKind(
    code=Code(code=TYPE, system=LOINC, label="Plan personnalisé de soins"), template="1.3.6.1.4.1.19376.1.2.20"
)
_DAYS_SHOWN: Final = 12


def written(header: Header, plan: AftercarePlan, years: int) -> bytes:
    """The plan as a document, UTF-8; `years` is how long a step without an end goes on. Equal plans give the same
    octets. Refused: VALUE_MALFORMED for a character that no XML holds."""
    head = replace(header, templates=(*(Id(root=each) for each in PPAC.common), Id(root=PPAC.template)))
    octets = b64encode(pdf(header, plan, years)).decode("ascii")
    body = tag("component", tag("nonXMLBody", tag("text", octets, mediaType="application/pdf", representation="B64")))
    opened = f"{cda_header_writing.OPENING}{cda_header_writing.written(head, PPAC, NEWEST)}"
    return is_xml(f"{opened}{body}{cda_header_writing.CLOSING}").encode()


def pdf(header: Header, plan: AftercarePlan, years: int) -> bytes:
    """The same for people to read."""
    title = header.title or TITLE
    return document(title, [Block("title", title), *plan_copy.whom(header), *_blocks(plan, years)])


def _blocks(plan: AftercarePlan, years: int) -> Iterator[Block]:
    for heading, lines in (
        ("Calendrier de suivi", [_step(each, years) for each in plan.steps]),
        ("Qui appeler", [_contact(each) for each in plan.contacts]),
        ("Signes qui doivent vous alerter", list(plan.warning_signs)),
        ("À savoir", [plan.comment] if plan.comment else []),
    ):
        if lines:
            yield Block("heading", heading)
            yield from (Block("text", each) for each in lines)


def _step(step: Step, years: int) -> str:
    days = days_of(step, years)
    told = ", ".join(f"{each:%d/%m/%Y}" for each in days[:_DAYS_SHOWN])
    rhythm = None
    if step.every_months is not None:
        until = f"jusqu'au {date.fromisoformat(step.until):%d/%m/%Y}" if step.until else "sans terme fixé"
        rhythm = f"tous les {step.every_months} mois, {until}" if step.every_months > 1 else f"tous les mois, {until}"
    more = "…" if len(days) > _DAYS_SHOWN else ""
    return " · ".join(filter(None, (step.what, step.who, rhythm, f"{told}{more}")))


def _contact(contact: Contact) -> str:
    return " · ".join(filter(None, (contact.name, contact.role, contact.reach)))
