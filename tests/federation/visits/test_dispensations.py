"""What is dispensed to a patient away from home is in his pharmacy record at home, as his network says it stands."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy import dispensing, federated_dispensations, recall_delivery, records, view
from passerelle.pharmacy.dispensed import Dispensed, DispensedLine
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.tables import dispensation, dispensation_line
from passerelle.pharmacy.tables import recall_delivery as deliveries
from passerelle_ops.schedule import beat_context
from passerelle_tenants.federation.tables import patient_place
from tests.federation.dossier_travels import sent, taken
from tests.federation.visits.visiting import Visit
from tests.pharmacy.lines import dispensed, line

ASPIRIN = DispensedLine(label="ASPIRINE D'ESSAI 500 mg", quantity=Decimal(2), days=10)
VACCINE = DispensedLine(
    label="VACCIN D'ESSAI", quantity=Decimal(1), product_class=ProductClass.VACCINE, batch="L-42", is_prescribed=False
)


def said(between: Visit, *lines: DispensedLine, number: str, ago: int = 1) -> Dispensed:
    at = between.clock.now() - timedelta(days=ago)
    return Dispensed(pharmacy_number=number, dispensed_at=at, lines=lines or (ASPIRIN,), prescriber_name="Dr Essai")


async def visitor(between: Visit) -> tuple[UUID, UUID, Actor, Actor]:
    """Somebody with a pharmacy record in both: his ids, and who has him at the counter at home and away."""
    at_home, away, _, _ = await between.patient()
    there = await between.pharmacy_record(between.away, away)
    return at_home, away, await between.pharmacy_record(between.home, at_home), there


async def shown(between: Visit, pharmacist: Actor, patient_id: UUID) -> list[str]:
    """What a pharmacist at home reads of his history."""
    found = await between.do(between.home, pharmacist, view.read_view, patient_id)
    return [each["label"] for each in found.lines]


async def at_home(between: Visit, patient_id: UUID) -> list[Any]:
    found = select(dispensation).where(dispensation.c.patient_id == patient_id)
    return list(await between.rows(between.home, found.order_by(dispensation.c.version)))


async def recorded(between: Visit, patient_id: UUID) -> list[UUID]:
    found = select(dispensation.c.dispensation_id).where(dispensation.c.patient_id == patient_id)
    return [each.dispensation_id for each in await between.rows(between.away, found)]


async def test_recorded_corrected_and_cancelled_away_it_is_so_at_home(between: Visit) -> None:
    home, away, here, there = await visitor(between)
    first = said(between, ASPIRIN, VACCINE, number="V-1")
    await between.do(between.away, there, dispensing.record, away, first)
    await between.travel()
    (row,) = await at_home(between, home)
    assert (row.origin, row.pharmacy, row.dispensed_by) == ("toulouse", there.establishment, there.subject)
    assert sorted(await shown(between, here, home)) == [ASPIRIN.label, VACCINE.label]
    read = await between.do(between.home, here, view.read_view, home)
    assert {each["network"] for each in read.lines} == {"toulouse"}

    await between.do(between.away, there, dispensing.correct, away, said(between, VACCINE, number="V-1"), reason="tri")
    await between.travel()
    assert [each.status for each in await at_home(between, home)] == ["corrected", "current"]
    assert await shown(between, here, home) == [VACCINE.label]

    await between.do(between.away, there, dispensing.cancel, away, "V-1", reason="non remis")
    await between.travel()
    assert [(each.status, each.end_reason) for each in await at_home(between, home)] == [
        ("corrected", "tri"),
        ("cancelled", "non remis"),
    ]
    assert await shown(between, here, home) == []
    assert await between.owed() == []


async def test_a_correction_that_comes_before_what_it_corrects_stands_alone(between: Visit) -> None:
    home, away, here, there = await visitor(between)
    first = await between.do(between.away, there, dispensing.record, away, said(between, number="V-2"))
    await between.travel()
    second = await between.do(
        between.away, there, dispensing.correct, away, said(between, VACCINE, number="V-2"), reason="tri"
    )
    items = await sent(federated_dispensations, between.away, [second.dispensation_id])
    answers = await taken(federated_dispensations, between.home, between.away, items)
    assert answers == {second.dispensation_id: "applied"}
    assert await shown(between, here, home) == [VACCINE.label]
    await between.travel()
    assert {each.dispensation_id: each.status for each in await at_home(between, home)} == {
        first.dispensation_id: "corrected",
        second.dispensation_id: "current",
    }


async def test_only_its_network_changes_it_and_recalls_it(between: Visit) -> None:
    home, away, _, there = await visitor(between)
    done = await between.do(between.away, there, dispensing.record, away, said(between, number="V-3"))
    await between.travel()
    await between.at_the_counter(between.home, home, there)
    before = await at_home(between, home)
    again = said(between, VACCINE, number="V-3")
    with pytest.raises(Conflict, match="DISPENSATION_OF_ANOTHER_NETWORK"):
        await between.do(between.home, there, dispensing.correct, home, again, reason="tri")
    with pytest.raises(Conflict, match="DISPENSATION_OF_ANOTHER_NETWORK"):
        await between.do(between.home, there, dispensing.cancel, home, "V-3", reason="non remis")
    assert await at_home(between, home) == before
    context = beat_context(between.home.tenant, between.clock)
    assert await recall_delivery.find_recalls(context, home, done.dispensation_id) == 0
    assert await between.rows(between.home, select(deliveries)) == []


async def test_the_same_under_one_number_is_one_and_something_else_is_refused(between: Visit) -> None:
    home, away, here, there = await visitor(between)
    same, other = said(between, number="V-4"), said(between, number="V-5")
    await between.at_the_counter(between.home, home, there)  # a pharmacy of both networks
    await between.do(between.home, there, dispensing.record, home, same)
    await between.do(between.home, there, dispensing.record, home, said(between, VACCINE, number="V-5"))
    for each in (same, other):
        await between.do(between.away, there, dispensing.record, away, each)
    await between.travel()
    assert sorted(await shown(between, here, home)) == [ASPIRIN.label, VACCINE.label]
    assert await between.owed() == [("dispensation", federated_dispensations.NUMBER_TAKEN)]
    assert {each.origin for each in await at_home(between, home)} == {None}


async def test_what_is_past_its_storage_at_home_is_not_entered(between: Visit) -> None:
    home, away, _, _ = await visitor(between)
    async with between.away.tenant.database.transaction() as connection:
        await dispensed(connection, away, [line(4 * 365), line(4 * 365, product_class="vaccine")])
    ids = await recorded(between, away)
    items = await sent(federated_dispensations, between.away, ids)
    answers = await taken(federated_dispensations, between.home, between.away, items)
    assert set(answers.values()) == {"applied"}
    kept = select(dispensation_line.c.product_class).where(dispensation_line.c.patient_id == home)
    assert [each.product_class for each in await between.rows(between.home, kept)] == ["vaccine"]
    assert len(await at_home(between, home)) == 1


async def test_of_a_record_that_he_closed_at_home_nothing_is_entered(between: Visit) -> None:
    home, away, here, there = await visitor(between)
    await between.do(between.home, here, records.close, home)
    await between.do(between.away, there, dispensing.record, away, said(between, number="V-6"))
    await between.travel()
    assert await at_home(between, home) == []
    assert ("dispensation", None) not in await between.owed()


async def test_it_waits_for_the_patient_and_is_withdrawn_where_home_is_not(between: Visit) -> None:
    home, away, here, there = await visitor(between)
    await between.do(between.away, there, dispensing.record, away, said(between, number="V-7"))
    moved = update(patient_place).where(patient_place.c.patient_id == home).values(is_home=True)
    async with between.home.tenant.database.transaction() as connection:
        await connection.execute(moved)
    await between.travel()
    assert [each.status for each in await at_home(between, home)] == ["cancelled"]
    assert await shown(between, here, home) == []
    stranger, _ = await between.away.patient(open_=False)
    async with between.away.tenant.database.transaction() as connection:
        await dispensed(connection, stranger, [line(1)])
    [unknown] = await recorded(between, stranger)
    items = await sent(federated_dispensations, between.away, [unknown])
    assert await taken(federated_dispensations, between.home, between.away, items) == {unknown: "later"}
