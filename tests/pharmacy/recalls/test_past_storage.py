"""A recall finds a batch in the storage tail, and none that is past its storage."""

from __future__ import annotations

from datetime import timedelta

from passerelle.pharmacy.storage import end_due
from passerelle_ops.schedule import beat_context
from tests.pharmacy.recalls.counter import Counter

CIP = "3400930000205"


async def test_a_recall_reaches_no_batch_that_is_past_its_storage(counter: Counter) -> None:
    in_the_tail, past, patient_id = await counter.pharmacy(), await counter.pharmacy(), await counter.patient()
    await counter.dispense(in_the_tail, patient_id, CIP, "T1", ago=3 * 365)
    await counter.dispense(past, patient_id, CIP, "T1", ago=3 * 366 + 1)
    await end_due(beat_context(counter.world.tenant, counter.world.clock))
    said = await counter.issue(CIP, "T1")
    counter.world.clock.advance(timedelta(minutes=1))
    assert (await counter.relay()).failed == 0
    assert await counter.states(said.recall_id) == {in_the_tail: "delivered"}
