"""Dispensations written as documents, of an invented pharmacy and an invented patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from passerelle.audit.transactions import transaction
from passerelle.dossier.formats.cda import read_cda
from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle.pharmacy import documents
from passerelle.pharmacy.formats.dispensation import DispensedLine
from passerelle.pharmacy.formats.lines import Period, Prescriber
from passerelle.pharmacy.formats.products import Product
from passerelle_ops.demo.corpus import medicines
from passerelle_ops.demo.corpus.people import Structure
from passerelle_ops.demo.corpus.write import Paper
from tests.builders import at_the_counter, ins_of
from tests.formats.samples import sound
from tests.pharmacy.records.conftest import Pharmacy

BOX, CIS = "3400933516390", "63107752"
LINE = DispensedLine(
    item_id="1.2.3",
    product=Product(label="PARACETAMOL 500 mg, comprimé", cip13=BOX, batch="L12"),
    quantity=Decimal(2),
    dosage="1 comprimé 3 fois par jour",
    instruction="Au cours du repas",
    note=None,
    period=Period(date(2026, 11, 12), date(2026, 11, 16), 5),
    prescriber=Prescriber(rpps="89980000001", name="Odile Nougarède"),
    prescribed_on=date(2024, 4, 30),
    prescription_id="1.2.250.1.7^A12",
    prescription_item_id="1.2.4",
    substitution=None,
    substitution_words=None,
)
MADE = replace(LINE, product=Product(label="Préparation magistrale"), dosage=None, period=Period())


@dataclass(slots=True)
class Papers(Pharmacy):
    """A world whose pharmacies send documents."""

    async def patient_at_the_counter(self, number: int) -> tuple[UUID, Ins, Actor]:
        """A patient with both records open, and the pharmacist who opened one of them."""
        ins, pharmacist = ins_of(number), at_the_counter()
        patient_id, _ = await self.patient(ins)
        return patient_id, ins, await self.opened(patient_id, pharmacist)

    async def record(self, by: Actor, data: bytes, **named: Any) -> documents.Recorded:
        async with transaction(self.context(by)) as act:
            return await documents.record_document(act, read_cda(data), **named)


def paper(ins: Ins, pharmacy: str, name: str = "délivrance", **more: Any) -> Paper:
    made = sound(name, "60593-1")
    patient = replace(made.patient, identifiers=(ins,))
    at = Structure(finess=pharmacy, name="Pharmacie d'essai", facility="SA33", facility_label="Pharmacie d'officine")
    given = {"at": datetime(2026, 11, 12, 9, 30, tzinfo=UTC), **more}
    return replace(made, patient=patient, structure=at, **given)


def dispensation(ins: Ins, pharmacy: str, *lines: DispensedLine, **more: Any) -> bytes:
    return medicines.dispensation(paper(ins, pharmacy, **more), lines or (LINE, MADE))
