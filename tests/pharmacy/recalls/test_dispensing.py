"""What is recorded through the front of the pharmacy: held back while an urgent recall waits, and found by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from passerelle.audit.transactions import transaction
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy import dispensing
from passerelle.pharmacy.dispensed import Dispensed, DispensedLine
from passerelle.pharmacy.dispensing import Receipt
from passerelle.pharmacy.recalls import RecallLevel
from passerelle.pharmacy.tables import dispensation
from tests.builders import World
from tests.pharmacy.recalls.counter import Counter, cip13

CIP = cip13(1_000_000)


async def _record(counter: Counter, pharmacy: str, patient_id: UUID, number: str, batch: str = "Z 9") -> Receipt:
    line = DispensedLine(label="Produit d'essai", cip13=CIP, quantity=Decimal(1), batch=batch)
    said = Dispensed(pharmacy_number=number, dispensed_at=counter.world.clock.now(), lines=(line,))
    async with transaction(counter.world.context(counter.pharmacists[pharmacy])) as act:
        return await dispensing.record(act, patient_id, said)


async def test_a_pharmacy_records_nothing_while_an_urgent_recall_waits(counter: Counter) -> None:
    pharmacy, other, patient_id = await counter.pharmacy(), await counter.pharmacy(), await counter.patient()
    await _record(counter, pharmacy, patient_id, "1")
    said = await counter.issue(CIP, "z9")
    await counter.relay()
    before = (len(await counter.lines()), await counter.count(dispensation))
    with pytest.raises(Conflict, match="RECALL_NOT_ACKNOWLEDGED"):
        await _record(counter, pharmacy, patient_id, "2")
    with pytest.raises(Conflict, match="RECALL_NOT_ACKNOWLEDGED"):
        await _record(counter, pharmacy, uuid4(), "2")  # whether there is a record does not show
    assert (len(await counter.lines()), await counter.count(dispensation)) == before
    assert not (await _record(counter, pharmacy, patient_id, "1")).is_new  # sent again, the same answer
    with pytest.raises(Conflict, match="DISPENSATION_NUMBER_USED"):
        await _record(counter, pharmacy, patient_id, "1", "Z 8")
    assert await counter.count(dispensation) == before[1]
    await _record(counter, other, patient_id, "2")
    lenient = Counter(
        World(
            replace(counter.world.tenant, parameters={"recall.urgent_blocks_dispensing": False}), counter.world.clock
        ),
        counter.directory,
        counter.pharmacists,
    )
    assert (await _record(lenient, pharmacy, patient_id, "2")).is_new
    await counter.acknowledge(pharmacy, said.recall_id)
    assert (await _record(counter, pharmacy, patient_id, "3")).is_new


async def test_a_standard_recall_holds_nothing_back_and_finds_what_is_recorded_later(counter: Counter) -> None:
    pharmacy, patient_id = await counter.pharmacy(), await counter.patient()
    said = await counter.issue(CIP, "Q1", level=RecallLevel.STANDARD)
    await counter.relay()
    assert await counter.states(said.recall_id) == {}
    for number in ("1", "2"):
        await _record(counter, pharmacy, patient_id, number, "q 1")
        counter.world.clock.advance(timedelta(seconds=3))
        await counter.relay()
        assert await counter.states(said.recall_id) == {pharmacy: "delivered"}
    assert await counter.world.notices(counter.pharmacists[pharmacy]) == ["recall"]
