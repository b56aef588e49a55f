"""The prescription of medicines and devices as a document (CI-SIS eP-MED-DM, 57833-6), 2022 to 2024.

Dosages structured (one administration, or several in a row) or written out in the narrative alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from lxml import etree

from passerelle.dossier.formats.cda import clinical_document
from passerelle.dossier.formats.hl7v3 import NAMESPACE, attribute, find, find_all, identifier
from passerelle.dossier.formats.passages import Passages
from passerelle.kernel.errors import InvalidInput
from passerelle.pharmacy.formats.dosage import dosage
from passerelle.pharmacy.formats.lines import (
    Period,
    Prescriber,
    counted,
    day,
    instruction,
    period,
    prescriber,
    quantity,
    substitution,
    whole,
)  # fmt: skip
from passerelle.pharmacy.formats.products import Product, device, medicine

TYPE_CODE: Final = "57833-6"
_MEDICINES: Final = "57828-6"
_DEVICES: Final = "46264-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrescribedLine:
    """One product prescribed. `substitution` is the code of HL7 SubstanceAdminSubstitution (`N`: none allowed)."""

    item_id: str | None
    kind: Literal["medicine", "device"]
    product: Product
    quantity: Decimal | None
    dosage: str | None
    instruction: str | None
    to_dispenser: str | None
    renewals: int | None
    period: Period
    substitution: str | None
    substitution_words: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """What one document prescribes. `number` is that of the e-prescription, when it has one."""

    unique_id: str
    number: str | None
    prescribed_on: date | None
    prescriber: Prescriber | None
    lines: tuple[PrescribedLine, ...]


def read_prescription(data: bytes) -> Prescription:
    """Read an eP-MED-DM.

    Refused: what `cda.clinical_document` refuses; NOT_A_PRESCRIPTION for another type of document,
    PRESCRIPTION_WITHOUT_LINES for one that codes nothing, CDA_ID_MISSING, PRODUCT_UNNAMED, TOO_MANY_LINES,
    VALUE_MALFORMED, VALUE_TOO_LONG.
    """
    document = clinical_document(data)
    if attribute(document, "code", "code") != TYPE_CODE:
        raise InvalidInput("NOT_A_PRESCRIPTION")
    unique_id = identifier(find(document, "id"), "id")
    if unique_id is None:
        raise InvalidInput("CDA_ID_MISSING")
    passages = Passages(document)
    entries = list(_entries(document))
    counted(len(entries))
    if not entries:
        raise InvalidInput("PRESCRIPTION_WITHOUT_LINES")
    return Prescription(
        unique_id=unique_id,
        number=identifier(find(document, "documentationOf/serviceEvent/id"), "serviceEvent/id"),
        prescribed_on=day(attribute(document, "effectiveTime", "value"), "effectiveTime"),
        prescriber=prescriber(find(document, "author/assignedAuthor"), "author"),
        lines=tuple(
            _medicine(entry, passages, line) if kind == "medicine" else _device(entry, passages, line)
            for line, (kind, entry) in enumerate(entries, start=1)
        ),
    )


def _entries(document: etree._Element) -> Iterator[tuple[Literal["medicine", "device"], etree._Element]]:
    for section in document.iter(f"{{{NAMESPACE}}}section"):
        code = attribute(section, "code", "code")
        if code == _MEDICINES:
            yield from (("medicine", each) for each in find_all(section, "entry/substanceAdministration"))
        elif code == _DEVICES:
            yield from (("device", each) for each in find_all(section, "entry/supply"))


def _medicine(entry: etree._Element, passages: Passages, line: int) -> PrescribedLine:
    below = [each for each in find_all(entry, "entryRelationship") if find(each, "substanceAdministration") is not None]
    below.sort(key=lambda each: whole(find(each, "sequenceNumber"), "sequenceNumber") or 0)
    phases = [each for link in below if (each := find(link, "substanceAdministration")) is not None]
    code, said = substitution(entry, passages)
    return PrescribedLine(
        item_id=identifier(find(entry, "id"), "line/id"),
        kind="medicine",
        product=medicine(find(entry, "consumable/manufacturedProduct/manufacturedMaterial"), passages, line=line),
        quantity=quantity(find(entry, "entryRelationship/supply/quantity"), "quantity"),
        dosage=dosage(entry, phases or [entry], passages),
        instruction=instruction(entry, "PINSTRUCT", passages),
        to_dispenser=instruction(entry, "FINSTRUCT", passages),
        renewals=whole(find(entry, "repeatNumber"), "repeatNumber"),
        period=period(entry),
        substitution=code,
        substitution_words=said,
    )


def _device(entry: etree._Element, passages: Passages, line: int) -> PrescribedLine:
    playing = find(entry, "participant/participantRole/playingDevice")
    return PrescribedLine(
        item_id=identifier(find(entry, "id"), "line/id"),
        kind="device",
        product=device(playing, passages.words(find(entry, "text"), "line/text"), line=line),
        quantity=quantity(find(entry, "quantity"), "quantity"),
        dosage=None,
        instruction=instruction(entry, "PINSTRUCT", passages),
        to_dispenser=instruction(entry, "FINSTRUCT", passages),
        renewals=whole(find(entry, "repeatNumber"), "repeatNumber"),
        period=period(entry),
        substitution=None,
        substitution_words=None,
    )
