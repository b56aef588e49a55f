"""A prescription that comes as a document: read, products found or named unknown, filed if wanted, never recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from passerelle.audit.tables import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier.formats.cda import read_cda
from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import InvalidInput, PasserelleError
from passerelle.pharmacy import documents, prescriptions
from passerelle.pharmacy.documents import Result
from passerelle.pharmacy.formats.lines import Period
from passerelle.pharmacy.formats.prescription import PrescribedLine
from passerelle.pharmacy.formats.products import Product
from passerelle.pharmacy.naming import Known
from passerelle.pharmacy.prescriptions import ReadPrescription
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.tables import dispensation as kept
from passerelle_ops.demo.corpus import medicines
from tests.builders import ins_of
from tests.formats.samples import SHARED, needs_shared, sound
from tests.pharmacy.documents.papers import BOX, CIS, LINE, MADE, Papers, dispensation

DRUG = PrescribedLine(
    item_id="1.2.9",
    kind="medicine",
    product=Product(label="PARACETAMOL 500 mg, comprimé", cip13=BOX),
    quantity=Decimal(2),
    dosage="1 comprimé 3 fois par jour",
    instruction=None,
    to_dispenser=None,
    renewals=1,
    period=Period(date(2026, 11, 12), date(2026, 11, 16), 5),
    substitution="N",
    substitution_words=None,
)
MAGISTRAL = replace(DRUG, product=Product(label="Préparation magistrale"))
BED = replace(
    DRUG,
    kind="device",
    product=Product(label="Lit médical", emdn="V0806"),
    dosage=None,
    substitution=None,
    renewals=None,
)


def prescription(ins: Ins, name: str = "ordonnance") -> bytes:
    made = sound(name, "57833-6")
    patient = replace(made.patient, identifiers=(ins,))
    paper = replace(made, patient=patient, at=datetime(2026, 11, 12, 9, tzinfo=UTC))
    return medicines.prescription(paper, [DRUG, MAGISTRAL, BED])


async def read(world: Papers, by: Actor, data: bytes, *, files: bool = False) -> ReadPrescription:
    async with transaction(world.context(by)) as act:
        return await prescriptions.read_document(act, read_cda(data), files=files)


async def test_its_products_are_found_or_named_unknown_and_nothing_is_recorded(world: Papers) -> None:
    _, ins, pharmacist = await world.patient_at_the_counter(93_601)
    before = await world.kept()
    async with world.tenant.database.transaction() as connection:
        lines = len((await connection.execute(select(journal.c.line_id))).all())
    found = await read(world, pharmacist, prescription(ins))
    assert [(each.label, each.known, each.product_class) for each in found.products] == [
        (DRUG.product.label, Known.CIP13, ProductClass.MEDICINE),
        ("Préparation magistrale", Known.UNKNOWN, ProductClass.MEDICINE),
        ("Lit médical", Known.UNKNOWN, ProductClass.DEVICE),
    ]
    assert found.products[0].medicine is not None
    assert found.products[0].medicine.cis == CIS
    assert (found.prescription.prescribed_on, found.document_id) == (date(2026, 11, 12), None)
    assert await world.kept() == before
    async with world.tenant.database.transaction() as connection:
        assert len((await connection.execute(select(journal.c.line_id))).all()) == lines


async def test_it_is_filed_in_the_shared_record_alone(world: Papers) -> None:
    patient_id, ins, pharmacist = await world.patient_at_the_counter(93_602)
    data = prescription(ins, "à déposer")
    first, again = [await read(world, pharmacist, data, files=True) for _ in range(2)]
    assert first.document_id == again.document_id is not None
    async with world.tenant.database.transaction() as connection:
        recorded = await connection.execute(select(kept).where(kept.c.patient_id == patient_id))
    assert recorded.all() == []

    # One whom the network does not know is one without a record.
    refusals = []
    for number in (93_603, 93_604):
        if number == 93_603:
            await world.patient(ins_of(number), open_=False)
        with pytest.raises(PasserelleError) as refused:
            await read(world, pharmacist, prescription(ins_of(number), f"ordonnance {number}"), files=True)
        refusals.append((type(refused.value), refused.value.code))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] is not InvalidInput


async def test_a_bulk_tells_prescriptions_from_dispensations(world: Papers, tmp_path: Path) -> None:
    _, ins, pharmacist = await world.patient_at_the_counter(93_605)
    (tmp_path / "1.xml").write_bytes(prescription(ins, "du lot"))
    (tmp_path / "2.xml").write_bytes(dispensation(ins, pharmacist.establishment or "", name="délivrance du lot"))
    context = world.context(pharmacist)
    outcomes = [each async for each in documents.ingest(context, [tmp_path])]
    assert [(each.result, each.lines, each.unknown) for each in outcomes] == [
        (Result.PRESCRIPTION, 3, 2),
        (Result.RECORDED, 2, 1),
    ]
    assert [each.prescription is not None for each in outcomes] == [True, False]


async def test_a_dispensation_names_the_prescription_that_it_answers(world: Papers) -> None:
    _, ins, pharmacist = await world.patient_at_the_counter(93_606)
    done = await world.record(pharmacist, dispensation(ins, pharmacist.establishment or "", LINE, name="répond"))
    unasked = replace(MADE, prescriber=None, prescription_id=None, prescription_item_id=None)
    none = await world.record(pharmacist, dispensation(ins, pharmacist.establishment or "", unasked, name="sans"))
    async with world.tenant.database.transaction() as connection:
        rows = {each.dispensation_id: each for each in await connection.execute(select(kept))}
    held = rows[done.receipt.dispensation_id]
    assert (held.prescription_number, held.prescribed_on, held.prescriber_name) == (
        "1.2.250.1.7^A12", date(2024, 4, 30), "Odile Nougarède",
    )  # fmt: skip
    assert rows[none.receipt.dispensation_id].prescription_number is None


@needs_shared
async def test_the_published_prescriptions_are_read(world: Papers) -> None:
    """Each of the ANS's, with its products found or named unknown."""
    _, _, pharmacist = await world.patient_at_the_counter(93_607)
    files = sorted((SHARED / "cda").glob("*/eP-MED-DM_*.xml"))
    assert len(files) >= 3
    for path in files:
        found = await read(world, pharmacist, path.read_bytes())
        assert found.prescription.number is not None
        assert [each.known for each in found.products] == [Known.CIP13, Known.UNKNOWN, Known.UNKNOWN]


async def test_another_document_is_no_prescription(world: Papers) -> None:
    _, ins, pharmacist = await world.patient_at_the_counter(93_608)
    with pytest.raises(InvalidInput, match="NOT_A_PRESCRIPTION"):
        await read(world, pharmacist, dispensation(ins, pharmacist.establishment or ""))
