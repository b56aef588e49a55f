"""The dispensation of medicines as a document (CI-SIS eDISP-MED, 60593-1; IHE PHARM DIS)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from lxml import etree

from passerelle.dossier.formats import cda, cda_people
from passerelle.dossier.formats.hl7v3 import NAMESPACE, attribute, find, find_all, identifier
from passerelle.dossier.formats.passages import Passages
from passerelle.dossier.formats.submission import Author, DocumentMetadata, PatientIdentity
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
)
from passerelle.pharmacy.formats.products import Product, medicine

TYPE_CODE: Final = "60593-1"
_DISPENSED: Final = "60590-7"
_PRESCRIPTION_ITEM: Final = "PREItem"


@dataclass(frozen=True, slots=True, kw_only=True)
class DispensedLine:
    """One product handed over, and the line of a prescription that it answers, when there is one."""

    item_id: str | None
    product: Product
    quantity: Decimal | None
    dosage: str | None
    instruction: str | None
    note: str | None
    period: Period
    prescriber: Prescriber | None
    prescribed_on: date | None
    prescription_id: str | None
    prescription_item_id: str | None
    substitution: str | None
    substitution_words: str | None

    @property
    def is_prescribed(self) -> bool:
        """True when the line says what prescription it answers, or who prescribed."""
        return any((self.prescription_item_id, self.prescription_id, self.prescriber))


@dataclass(frozen=True, slots=True, kw_only=True)
class DispensationDocument:
    """What one document says was dispensed, to whom, where and by whom.

    `set_id` is the same for all the versions of a dispensation; `prescription_ids` those that the header answers.
    """

    unique_id: str
    set_id: str | None
    version_number: int | None
    replaces_unique_id: str | None
    dispensed_at: datetime | None
    pharmacy: str | None
    pharmacy_name: str | None
    pharmacist: Author | None
    patient: PatientIdentity
    prescription_ids: tuple[str, ...]
    lines: tuple[DispensedLine, ...]


def read_dispensation(data: bytes) -> DispensationDocument:
    """Read an eDISP-MED.

    Refused: what `cda.read_cda` refuses; NOT_A_DISPENSATION for another type of document,
    DISPENSATION_WITHOUT_LINES for one that codes nothing, PRODUCT_UNNAMED, TOO_MANY_LINES.
    """
    document = cda.clinical_document(data)
    if attribute(document, "code", "code") != TYPE_CODE:
        raise InvalidInput("NOT_A_DISPENSATION")
    metadata = cda.metadata(document)
    passages = Passages(document)
    entries = [
        entry
        for section in document.iter(f"{{{NAMESPACE}}}section")
        if attribute(section, "code", "code") == _DISPENSED
        for entry in find_all(section, "entry/supply")
    ]
    counted(len(entries))
    if not entries:
        raise InvalidInput("DISPENSATION_WITHOUT_LINES")
    who = find(document, "documentationOf/serviceEvent/performer/assignedEntity")
    place = cda_people.organisation(None if who is None else find(who, "representedOrganization"), "performer")
    return DispensationDocument(
        unique_id=metadata.unique_id,
        set_id=metadata.set_id,
        version_number=metadata.version_number,
        replaces_unique_id=metadata.replaces_unique_id,
        dispensed_at=_dispensed_at(metadata),
        pharmacy=place.id,
        pharmacy_name=place.name,
        pharmacist=None if who is None else cda_people.person(who, "performer"),
        patient=metadata.patient,
        prescription_ids=tuple(
            each
            for order in find_all(document, "inFulfillmentOf/order/id")
            if (each := identifier(order, "order/id")) is not None
        ),
        lines=tuple(_line(entry, passages, line) for line, entry in enumerate(entries, start=1)),
    )


def _dispensed_at(metadata: DocumentMetadata) -> datetime | None:
    times = (metadata.service_start, metadata.service_stop, metadata.creation_time)
    return next((time.earliest for time in times if time is not None and time.earliest is not None), None)


def _line(entry: etree._Element, passages: Passages, line: int) -> DispensedLine:
    item = treatment = None
    for link in find_all(entry, "entryRelationship"):
        found = find(link, "substanceAdministration")
        if found is not None and attribute(found, "code", "code") == _PRESCRIPTION_ITEM:
            item = found
        elif found is not None and treatment is None:
            treatment = found
    code, said = substitution(entry, passages)
    return DispensedLine(
        item_id=identifier(find(entry, "id"), "line/id"),
        product=medicine(find(entry, "product/manufacturedProduct/manufacturedMaterial"), passages, line=line),
        quantity=quantity(find(entry, "quantity"), "quantity"),
        dosage=dosage(entry, [] if treatment is None else [treatment], passages),
        instruction=instruction(entry, "PINSTRUCT", passages),
        note=instruction(entry, "FINSTRUCT", passages),
        period=Period() if treatment is None else period(treatment),
        prescriber=None if item is None else prescriber(find(item, "author/assignedAuthor"), "line/author"),
        prescribed_on=None if item is None else day(attribute(item, "author/time", "value"), "line/author/time"),
        prescription_id=None
        if item is None
        else identifier(find(item, "reference/externalDocument/id"), "externalDocument/id"),
        prescription_item_id=None if item is None else identifier(find(item, "id"), "line/item"),
        substitution=code,
        substitution_words=said,
    )
