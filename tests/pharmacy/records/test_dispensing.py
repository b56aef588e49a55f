"""Recording, correcting and cancelling: once for each number, by its pharmacy alone, with every version kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from passerelle.audit.tables import journal
from passerelle.audit.transactions import transaction
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.pharmacy import dispensing, records
from passerelle.pharmacy.dispensed import Dispensed, DispensedLine
from passerelle.pharmacy.dispensing import DispensationStatus
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.reference.loading import load_starter
from passerelle.pharmacy.tables import dispensation, dispensation_line
from tests.builders import PHARMACIST, at_the_counter, professional, structure
from tests.pharmacy.records.conftest import Pharmacy

NOON = datetime(2026, 11, 14, 11, tzinfo=UTC)
ASPIRIN = DispensedLine(label="ASPIRINE D'ESSAI 500 mg", quantity=Decimal(2), days=10, dose_text="1 par jour")
VACCINE = DispensedLine(
    label="VACCIN D'ESSAI", quantity=Decimal(1), product_class=ProductClass.VACCINE, batch="L-42", is_prescribed=False
)
DEVICE = DispensedLine(label="PROTHÈSE D'ESSAI", quantity=Decimal(1), product_class=ProductClass.DEVICE, batch="S/N 7")


def sheet(*lines: DispensedLine, number: str = "D-1", **more: Any) -> Dispensed:
    return Dispensed(pharmacy_number=number, dispensed_at=NOON, lines=lines or (ASPIRIN,), **more)


async def rows(world: Pharmacy, patient_id: UUID, table: Any) -> list[Any]:
    async with world.tenant.database.transaction() as connection:
        return list(await connection.execute(select(table).where(table.c.patient_id == patient_id)))


async def test_what_is_recorded_is_kept_line_by_line(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    said = sheet(ASPIRIN, VACCINE, DEVICE, prescriber_rpps="99900000001", prescriber_name="Dr Essai")
    receipt = await world.do(pharmacist, dispensing.record, patient_id, said)

    assert (receipt.version, receipt.status, receipt.lines, receipt.is_new) == (1, DispensationStatus.CURRENT, 3, True)
    lines = sorted(await rows(world, patient_id, dispensation_line), key=lambda each: each.number)
    assert [(each.product_class, each.batch, each.is_prescribed, str(each.dispensed_on)) for each in lines] == [
        ("medicine", None, True, "2026-11-14"),
        ("vaccine", "L-42", False, "2026-11-14"),
        ("device", "S/N 7", True, "2026-11-14"),
    ]
    (kept,) = await rows(world, patient_id, dispensation)
    assert (kept.pharmacy, kept.dispensed_by) == (pharmacist.establishment, pharmacist.subject)


async def test_a_code_gives_the_names_of_the_table_of_that_day(world: Pharmacy) -> None:
    await load_starter(world.tenant.database, world.clock)
    async with world.tenant.database.transaction() as connection:
        found = await connection.execute(
            text("select p.cip13, m.cis, m.product_class from presentation p join medicine m using (edition_id, cis)")
        )
        cip13, cis, product_class = found.first() or ("", "", "")
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    line = DispensedLine(cip13=cip13, quantity=Decimal(1), product_class=ProductClass.DEVICE)
    await world.do(pharmacist, dispensing.record, patient_id, sheet(line))

    (kept,) = await rows(world, patient_id, dispensation_line)
    assert (kept.cis, kept.product_class) == (cis, product_class)
    assert kept.label
    assert kept.substances


async def test_the_same_number_is_the_same_dispensation_and_another_content_is_refused(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    other_patient, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    await world.opened(other_patient, pharmacist)
    first = await world.do(pharmacist, dispensing.record, patient_id, sheet())
    before = await world.kept()

    again = await world.do(pharmacist, dispensing.record, patient_id, sheet())
    assert again == replace(first, is_new=False)
    for patient, said in ((patient_id, sheet(VACCINE)), (other_patient, sheet())):
        with pytest.raises(Conflict, match="DISPENSATION_NUMBER_USED"):
            await world.do(pharmacist, dispensing.record, patient, said)
    assert await world.kept() == before

    elsewhere = at_the_counter()
    same_number = await world.do(elsewhere, dispensing.record, patient_id, sheet())
    assert same_number.dispensation_id != first.dispensation_id


async def test_a_pharmacy_corrects_and_cancels_and_every_version_is_kept(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    first = await world.do(pharmacist, dispensing.record, patient_id, sheet())
    second = await world.do(pharmacist, dispensing.correct, patient_id, sheet(VACCINE), reason="erreur de saisie")
    same = await world.do(pharmacist, dispensing.correct, patient_id, sheet(VACCINE), reason="erreur de saisie")
    assert (second.version, second.lines, second.is_new, same) == (2, 1, True, replace(second, is_new=False))

    colleague = at_the_counter(pharmacist.establishment)
    gone = await world.do(colleague, dispensing.cancel, patient_id, "D-1", reason="rendu au comptoir")
    again = await world.do(colleague, dispensing.cancel, patient_id, "D-1", reason="rendu au comptoir")
    assert (gone.status, gone.is_new, again) == (DispensationStatus.CANCELLED, True, replace(gone, is_new=False))
    with pytest.raises(Conflict, match="DISPENSATION_CANCELLED"):
        await world.do(pharmacist, dispensing.correct, patient_id, sheet(), reason="essai")
    late = await world.do(pharmacist, dispensing.record, patient_id, sheet())
    assert (late.dispensation_id, late.status) == (first.dispensation_id, DispensationStatus.CORRECTED)

    kept = sorted(await rows(world, patient_id, dispensation), key=lambda each: each.version)
    assert [(each.version, each.status, each.end_reason) for each in kept] == [
        (1, "corrected", "erreur de saisie"),
        (2, "cancelled", "rendu au comptoir"),
    ]
    assert len(await rows(world, patient_id, dispensation_line)) == 2


@pytest.mark.parametrize("second", ["cancel", "correct"])
async def test_of_two_acts_at_once_the_second_finds_the_version_that_the_first_made(
    world: Pharmacy, second: str
) -> None:
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    await world.do(pharmacist, dispensing.record, patient_id, sheet())
    async with transaction(world.context(pharmacist)) as act:
        await dispensing.correct(act, patient_id, sheet(VACCINE), reason="erreur de saisie")
        if second == "cancel":
            waits = world.do(pharmacist, dispensing.cancel, patient_id, "D-1", reason="rendu")
        else:
            waits = world.do(pharmacist, dispensing.correct, patient_id, sheet(DEVICE), reason="autre erreur")
        waiting = asyncio.create_task(waits)
        await asyncio.sleep(0.2)
        assert not waiting.done()
    done = await waiting

    corrected = [(2, "corrected", "autre erreur"), (3, "current", None)]
    last = [(2, "cancelled", "rendu")] if second == "cancel" else corrected
    assert done.version == last[-1][0]
    kept = sorted(await rows(world, patient_id, dispensation), key=lambda each: each.version)
    assert [(each.version, each.status, each.end_reason) for each in kept] == [
        (1, "corrected", "erreur de saisie"),
        *last,
    ]


async def test_the_same_sent_twice_at_once_is_one(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    async with transaction(world.context(pharmacist)) as act:
        first = await dispensing.record(act, patient_id, sheet())
        same = asyncio.create_task(world.do(pharmacist, dispensing.record, patient_id, sheet()))
        other = asyncio.create_task(world.do(pharmacist, dispensing.record, patient_id, sheet(VACCINE)))
        await asyncio.sleep(0.2)
        assert not any(each.done() for each in (same, other))
    assert await same == replace(first, is_new=False)
    with pytest.raises(Conflict, match="DISPENSATION_NUMBER_USED"):
        await other
    assert len(await rows(world, patient_id, dispensation)) == 1


async def test_what_cannot_be_recorded_does_not_tell_whether_a_record_is_open(world: Pharmacy) -> None:
    known, _ = await world.patient()
    pharmacist = await world.opened(known)
    await world.do(pharmacist, dispensing.record, known, sheet())
    opened, (closed, _) = (await world.patient())[0], await world.patient()
    await world.opened(opened, pharmacist)
    for said in (sheet(replace(VACCINE, is_refused=True), number="P"), sheet(replace(ASPIRIN, days=0)), sheet(VACCINE)):
        told = []
        for patient_id in (opened, closed, uuid4()):
            with pytest.raises((Conflict, InvalidInput)) as refused:
                await world.do(pharmacist, dispensing.record, patient_id, said)
            told.append(refused.value.code)
        assert len(set(told)) == 1


async def test_another_pharmacy_does_not_learn_that_it_is_there(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    await world.do(await world.opened(patient_id), dispensing.record, patient_id, sheet())
    other = at_the_counter()
    await world.comes_to(other, patient_id)
    before = await world.kept()
    for number in ("D-1", "D-2"):
        with pytest.raises(Refused, match="DISPENSATION_UNKNOWN"):
            await world.do(other, dispensing.cancel, patient_id, number, reason="essai")
        with pytest.raises(Refused, match="DISPENSATION_UNKNOWN"):
            await world.do(other, dispensing.correct, patient_id, sheet(number=number), reason="essai")
    assert await world.kept() == before


async def test_nothing_is_recorded_where_the_record_is_not_open_or_by_who_does_not_dispense(world: Pharmacy) -> None:
    patient_id, person = await world.patient()
    pharmacist = at_the_counter()
    with pytest.raises(Refused, match="DOSSIER_NOT_OPEN"):
        await world.do(pharmacist, dispensing.record, patient_id, sheet())
    await world.opened(patient_id, pharmacist)
    await world.do(pharmacist, dispensing.record, patient_id, sheet())
    before = await world.kept()
    place = pharmacist.establishment
    for other in (professional(PHARMACIST, establishment=place), professional(establishment=place)):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await world.do(other, dispensing.record, patient_id, sheet())
    with pytest.raises(InvalidInput, match="PLACE_MISSING"):
        await world.do(person, dispensing.record, patient_id, sheet())
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        await world.do(replace(structure(), setting=person.setting), dispensing.record, patient_id, sheet())
    await world.do(person, records.object_, patient_id)
    with pytest.raises(Refused, match="DOSSIER_NOT_OPEN"):
        await world.do(pharmacist, dispensing.cancel, patient_id, "D-1", reason="essai")
    assert (await world.kept())["dispensation"] == before["dispensation"]


async def test_what_the_patient_refuses_leaves_no_trace(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    refused = replace(VACCINE, is_refused=True)
    with pytest.raises(InvalidInput, match="DISPENSATION_EMPTY"):
        await world.do(pharmacist, dispensing.record, patient_id, sheet(refused))
    async with world.tenant.database.transaction() as connection:
        written = select(func.count()).where(journal.c.patient_id == patient_id, journal.c.action == "publish")
        lines = await connection.scalar(written)
    assert lines == 0

    with_it = await world.do(pharmacist, dispensing.record, patient_id, sheet(refused, ASPIRIN))
    without = await world.do(pharmacist, dispensing.record, patient_id, sheet(ASPIRIN))
    assert without == replace(with_it, is_new=False)
    (kept,) = await rows(world, patient_id, dispensation_line)
    assert (kept.number, kept.label) == (1, ASPIRIN.label)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (sheet(*[ASPIRIN] * 61), "DISPENSATION_LINES_TOO_MANY"),
        (replace(sheet(), dispensed_at=NOON + timedelta(days=3)), "DISPENSED_IN_THE_FUTURE"),
        (replace(sheet(), dispensed_at=NOON.replace(tzinfo=None)), "DISPENSED_IN_THE_FUTURE"),
        (sheet(prescribed_on=(NOON + timedelta(days=1)).date()), "PRESCRIBED_AFTER_DISPENSED"),
        (sheet(number="  "), "PHARMACY_NUMBER_MISSING"),
        (sheet(prescriber_rpps="123"), "RPPS_INVALID"),
        (sheet(replace(ASPIRIN, label=None)), "DISPENSED_PRODUCT_UNNAMED"),
        (sheet(replace(ASPIRIN, cip13="3400930000000")), "CIP_INVALID"),
        (sheet(replace(ASPIRIN, cis="12")), "CIS_INVALID"),
        (sheet(replace(ASPIRIN, quantity=Decimal(0))), "QUANTITY_INVALID"),
        (sheet(replace(ASPIRIN, quantity=Decimal("NaN"))), "QUANTITY_INVALID"),
        (sheet(replace(ASPIRIN, days=0)), "DAYS_INVALID"),
        (sheet(replace(ASPIRIN, dose_text="x" * 1001)), "VALUE_TOO_LONG"),
        (sheet(replace(ASPIRIN, substances=("x",) * 51)), "SUBSTANCES_TOO_MANY"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(world: Pharmacy, said: Dispensed, code: str) -> None:
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    before = await world.kept()
    with pytest.raises(InvalidInput, match=code):
        await world.do(pharmacist, dispensing.record, patient_id, said)
    assert await world.kept() == before


async def test_of_many_one_that_is_refused_keeps_no_other_back(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    closed, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    good, bad = sheet(number="M-1"), sheet(replace(ASPIRIN, days=-1), number="M-2")
    items = [(patient_id, good), (patient_id, bad), (closed, sheet(number="M-3")), (patient_id, good)]
    outcomes = await dispensing.record_many(world.context(pharmacist), items)

    assert [each.problem.code if each.problem else each.receipt and each.receipt.is_new for each in outcomes] == [
        True,
        "DAYS_INVALID",
        "DOSSIER_NOT_OPEN",
        False,
    ]
    with pytest.raises(InvalidInput, match="DISPENSATIONS_TOO_MANY"):
        await dispensing.record_many(world.context(pharmacist), [(uuid4(), good)] * 201)


ACTS = st.lists(st.tuples(st.sampled_from(("record", "correct", "cancel")), st.integers(0, 2)), max_size=7)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTS)
async def test_one_version_stands_at_most_and_none_is_ever_lost(world: Pharmacy, acts: list[tuple[str, int]]) -> None:
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    number, versions = uuid4().hex, 0
    for act, content in acts:
        said = sheet(replace(ASPIRIN, days=content + 1), number=number)
        try:
            if act == "record":
                receipt = await world.do(pharmacist, dispensing.record, patient_id, said)
            elif act == "correct":
                receipt = await world.do(pharmacist, dispensing.correct, patient_id, said, reason="essai")
            else:
                receipt = await world.do(pharmacist, dispensing.cancel, patient_id, number, reason="essai")
        except (Conflict, Refused):
            receipt = None
        versions += bool(receipt and receipt.is_new and act != "cancel")
        kept = await rows(world, patient_id, dispensation)
        assert sorted(each.version for each in kept) == list(range(1, versions + 1))
        newest = max(kept, key=lambda each: each.version, default=None)
        assert all(each.status == "corrected" for each in kept if each is not newest)
        assert newest is None or newest.status in ("current", "cancelled")
    assert len(await rows(world, patient_id, dispensation_line)) == versions
