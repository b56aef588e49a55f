"""A recall reaches each pharmacy that dispensed it, once, and is acknowledged or escalated, once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from passerelle.audit.transactions import transaction
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, Refused
from passerelle.pharmacy import recall_delivery, recalls
from passerelle.pharmacy.recalls import RecallLevel
from passerelle.pharmacy.tables import dispensation, recall
from passerelle_ops.schedule import beat_context
from tests import builders
from tests.pharmacy.recalls.counter import Counter

CIP, OTHER = "3400930000007", "3400930000106"
LONG_AGO = 40 * 30  # far in the storage tail of a medicine


@pytest.fixture(autouse=True)
async def _alone(counter: Counter) -> None:
    """What another test announced or dispensed is over, and everything of it has been told."""
    await counter.relay()
    async with counter.world.tenant.database.transaction() as connection:
        await connection.execute(update(recall).values(closed_at=counter.world.clock.now()))
        await connection.execute(update(dispensation).values(status="cancelled"))


async def test_it_runs_from_issue_to_acknowledgement(counter: Counter) -> None:
    concerned, other, patient_id = await counter.pharmacy(), await counter.pharmacy(), await counter.patient()
    await counter.dispense(concerned, patient_id, CIP, "Ab 1")
    await counter.dispense(other, patient_id, CIP, "AB2")
    said = await counter.issue(CIP, " ab 1 ")
    assert said.batches == ("AB1",)
    await counter.may_dispense(concerned)  # it has not received it, and could not acknowledge it
    with pytest.raises(Conflict, match="RECALL_UNKNOWN"):
        await counter.acknowledge(concerned, said.recall_id)

    assert (await counter.relay()).failed == 0
    assert await counter.states(said.recall_id) == {concerned: "delivered"}
    pharmacist = counter.pharmacists[concerned]
    assert await counter.world.notices(pharmacist) == ["recall"]
    assert await counter.world.notices(counter.pharmacists[other]) == []
    with pytest.raises(Conflict, match="RECALL_NOT_ACKNOWLEDGED"):
        await counter.may_dispense(concerned)
    await counter.may_dispense(other)
    with pytest.raises(Conflict, match="RECALL_UNKNOWN"):
        await counter.acknowledge(other, said.recall_id)

    first = await counter.acknowledge(concerned, said.recall_id)
    counter.world.clock.advance(timedelta(hours=1))
    assert await counter.acknowledge(concerned, said.recall_id) == first
    await counter.may_dispense(concerned)
    counter.world.clock.advance(timedelta(days=30))
    assert await counter.escalate() == 0
    assert await counter.states(said.recall_id) == {concerned: "acknowledged"}


async def test_who_is_reached(counter: Counter) -> None:
    """The batch however long ago; what has no batch, and a recall of all, within the window alone."""
    places = {
        name: await counter.pharmacy()
        for name in ("batch", "tail", "unknown", "unknown_tail", "other", "cancelled", "product", "implant")
    }
    patient_id = await counter.patient()
    for name, cip13, batch, ago, status in (
        ("batch", CIP, "L7", 3, "current"),
        ("tail", CIP, "L7", LONG_AGO, "current"),
        ("unknown", CIP, None, 3, "current"),
        ("unknown_tail", CIP, None, LONG_AGO, "current"),
        ("other", CIP, "L8", 3, "current"),
        ("cancelled", CIP, "L7", 3, "cancelled"),
        ("product", OTHER, "L7", 3, "current"),
    ):
        await counter.dispense(places[name], patient_id, cip13, batch, ago=ago, status=status)
    of_batch, of_all = await counter.issue(CIP, "L7"), await counter.issue(CIP)
    await counter.relay()
    reached = await counter.states(of_batch.recall_id)
    assert {name for name, place in places.items() if place in reached} == {"batch", "tail", "unknown"}
    reached = await counter.states(of_all.recall_id)
    assert {name for name, place in places.items() if place in reached} == {"batch", "unknown", "other"}


async def test_what_is_dispensed_afterwards_is_found_by_its_own_event(counter: Counter) -> None:
    pharmacy, patient_id = await counter.pharmacy(), await counter.patient()
    said = await counter.issue(CIP, "N1")
    await counter.relay()
    assert await counter.states(said.recall_id) == {}
    context = beat_context(counter.world.tenant, counter.world.clock)
    dispensation_id = await counter.dispense(pharmacy, patient_id, CIP, "N1")
    await counter.relay()
    assert await recall_delivery.find_recalls(context, patient_id, dispensation_id) == 0
    assert await counter.states(said.recall_id) == {pharmacy: "delivered"}
    await counter.close(said.recall_id)
    later = await counter.pharmacy()
    dispensation_id = await counter.dispense(later, patient_id, CIP, "N1")
    assert await recall_delivery.find_recalls(context, patient_id, dispensation_id) == 0


async def test_an_alert_reaches_every_pharmacy_and_no_other_place(counter: Counter) -> None:
    await counter.pharmacy()
    said = await counter.issue(None, level=RecallLevel.STANDARD)
    await counter.relay()
    assert set(await counter.states(said.recall_id)) == set(counter.pharmacists)
    await counter.may_dispense(next(iter(counter.pharmacists)))  # not urgent


async def test_nobody_is_told_twice_whatever_comes_twice(counter: Counter) -> None:
    pharmacy, patient_id = await counter.pharmacy(), await counter.patient()
    await counter.dispense(pharmacy, patient_id, CIP, "D1")
    said = await counter.issue(CIP, "D1")
    context = beat_context(counter.world.tenant, counter.world.clock)
    again = [recall_delivery.find_pharmacies(context, said.recall_id, counter.directory) for _ in range(4)]
    assert sorted(await asyncio.gather(*again)) == [0, 0, 0, 1]
    told = [recall_delivery.deliver(context, said.recall_id, pharmacy, counter.directory) for _ in range(4)]
    assert sorted(await asyncio.gather(*told)) == [False, False, False, True]
    await counter.relay()
    assert await counter.world.notices(counter.pharmacists[pharmacy]) == ["recall"]


async def test_it_is_escalated_once_after_its_delay_though_nobody_watched(counter: Counter) -> None:
    quick, slow, patient_id = await counter.pharmacy(), await counter.pharmacy(), await counter.patient()
    for pharmacy in (quick, slow):
        await counter.dispense(pharmacy, patient_id, CIP, "E1")
    said = await counter.issue(CIP, "E1")
    await counter.relay()
    await counter.acknowledge(quick, said.recall_id)
    counter.world.clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    assert await counter.escalate() == 0
    counter.world.clock.advance(timedelta(days=9))  # an outage
    before = len(await counter.lines())
    assert sorted(await asyncio.gather(*(counter.escalate() for _ in range(3)))) == [0, 0, 1]
    assert [(line.kind, line.action) for line in (await counter.lines())[before:]] == [("recall", "escalate")]
    assert await counter.states(said.recall_id) == {quick: "acknowledged", slow: "escalated"}
    await counter.relay()
    assert await counter.world.notices(counter.pharmacists[slow]) == ["recall_overdue", "recall"]
    with pytest.raises(Conflict, match="RECALL_NOT_ACKNOWLEDGED"):
        await counter.may_dispense(slow)
    async with transaction(counter.world.context(builders.operator())) as act:
        followed = await recalls.follow_up(act, said.recall_id)
    assert (followed.waiting, followed.delivered, followed.acknowledged, followed.escalated) == (0, 0, 1, 1)
    assert followed.escalated_pharmacies == (slow,)
    await counter.acknowledge(slow, said.recall_id)
    assert await counter.states(said.recall_id) == {quick: "acknowledged", slow: "acknowledged"}


async def test_one_that_is_closed_stops_nothing(counter: Counter) -> None:
    pharmacy, patient_id = await counter.pharmacy(), await counter.patient()
    await counter.dispense(pharmacy, patient_id, CIP, "F1")
    said = await counter.issue(CIP, "F1")
    await counter.relay()
    with pytest.raises(Conflict, match="RECALL_NOT_ACKNOWLEDGED"):
        await counter.may_dispense(pharmacy)
    await counter.close(said.recall_id)
    await counter.may_dispense(pharmacy)
    newer = await counter.issue(CIP, "F1")
    counter.world.clock.advance(timedelta(seconds=3))
    await counter.relay()
    assert await _inbox(counter, pharmacy, waiting_only=True) == [newer.recall_id]
    await counter.acknowledge(pharmacy, newer.recall_id)
    assert await _inbox(counter, pharmacy) == [newer.recall_id, said.recall_id]
    assert await _inbox(counter, pharmacy, waiting_only=True) == []
    counter.world.clock.advance(timedelta(days=9))
    assert await counter.escalate() == 0


async def _inbox(counter: Counter, pharmacy: str, *, waiting_only: bool = False) -> list[UUID]:
    async with transaction(counter.world.context(counter.pharmacists[pharmacy])) as act:
        return [each["recall_id"] for each in await recalls.inbox(act, first=9, waiting_only=waiting_only)]


async def test_the_same_reference_is_announced_once(counter: Counter) -> None:
    said = await counter.issue(CIP, "G1", "G2", reference="MED-26-1")
    assert await counter.issue(CIP, "g2", "G1", reference="MED-26-1") == said
    for cip13, batches, message in ((CIP, ("G1",), None), (OTHER, ("G1", "G2"), None), (CIP, ("G1", "G2"), "Autre.")):
        with pytest.raises(Conflict, match="RECALL_REFERENCE_TAKEN"):
            await counter.issue(cip13, *batches, reference="MED-26-1", message=message or "Retirer du stock.")
    assert (await counter.relay()).delivered == 1


@pytest.mark.parametrize(
    ("cip13", "batches", "message", "code"),
    [
        ("3400930000008", (), "Dire.", "CIP_INVALID"),
        (None, ("A",), "Dire.", "RECALL_WITHOUT_PRODUCT"),
        (CIP, (" ",), "Dire.", "RECALL_INCOMPLETE"),
        (CIP, (), " ", "RECALL_INCOMPLETE"),
        (CIP, (), "x" * 4001, "VALUE_TOO_LONG"),
        (CIP, tuple(str(each) for each in range(201)), "Dire.", "BATCHES_TOO_MANY"),
    ],
)
async def test_what_cannot_be_announced(
    counter: Counter, cip13: str | None, batches: tuple[str, ...], message: str, code: str
) -> None:
    lines = len(await counter.lines())
    with pytest.raises((InvalidInput, LimitExceeded), match=code):
        await counter.issue(cip13, *batches, message=message)
    assert (await counter.relay()).delivered == 0
    assert len(await counter.lines()) == lines


async def test_who_may_not(counter: Counter) -> None:
    """Nothing changes but the line of the refusal."""
    pharmacy, patient_id = await counter.pharmacy(), await counter.patient()
    await counter.dispense(pharmacy, patient_id, CIP, "H1")
    said = await counter.issue(CIP, "H1")
    await counter.relay()
    pharmacist, nurse = counter.pharmacists[pharmacy], builders.professional("60", establishment=pharmacy)

    async def follow(recall_id: UUID) -> None:
        async with transaction(counter.world.context(pharmacist)) as act:
            await recalls.follow_up(act, recall_id)

    async def acknowledge() -> None:
        async with transaction(counter.world.context(nurse)) as act:
            await recalls.acknowledge(act, said.recall_id)

    async def close() -> None:
        async with transaction(counter.world.context(pharmacist)) as act:
            await recalls.close(act, said.recall_id)

    for refused in (counter.issue(CIP, "H2", by=pharmacist), follow(said.recall_id), acknowledge(), close()):
        before = await counter.lines()
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await refused
        (line,) = (await counter.lines())[len(before) :]
        assert (line.kind, line.outcome, line.code) == ("recall", "refused", "ACCESS_REFUSED")
    assert await counter.states(said.recall_id) == {pharmacy: "delivered"}
    nowhere = builders.professional(builders.PHARMACIST)
    with pytest.raises(InvalidInput, match="PLACE_MISSING"):
        async with transaction(counter.world.context(nowhere)) as act:
            await recalls.inbox(act, first=5)
