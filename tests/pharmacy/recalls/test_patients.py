"""A pharmacy finds its own patients, and they read of it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from passerelle.audit.transactions import transaction
from passerelle.dossier import relations
from passerelle.identities.tables import patient
from passerelle.kernel.errors import Conflict, Refused
from passerelle.pharmacy.recall_patients import ConcernedPage, concerned_patients
from tests import builders
from tests.pharmacy.recalls.counter import Counter

CIP = "3400930000014"


async def _concerned(
    counter: Counter, pharmacy: str, recall_id: UUID, *, first: int = 50, after: UUID | None = None
) -> ConcernedPage:
    async with transaction(counter.world.context(counter.pharmacists[pharmacy])) as act:
        return await concerned_patients(act, recall_id, first=first, after=after)


async def test_its_own_alone_whose_record_is_open_and_who_live(counter: Counter) -> None:
    own, other = await counter.pharmacy(), await counter.pharmacy()
    of_batch, in_tail, maybe, elsewhere, dead = [await counter.patient() for _ in range(5)]
    closed = await counter.patient(open_=False)
    for patient_id, pharmacy, batch, ago in (
        (of_batch, own, "P1", 2),
        (of_batch, own, "P1", 40),
        (in_tail, own, "P1", 1_200),
        (maybe, own, None, 3),
        (closed, own, "P1", 3),
        (dead, own, "P1", 3),
        (elsewhere, other, "P1", 3),
    ):
        await counter.dispense(pharmacy, patient_id, CIP, batch, ago=ago)
    async with counter.world.tenant.database.transaction() as connection:
        day = counter.world.clock.now().date() - timedelta(days=1)
        await connection.execute(update(patient).where(patient.c.patient_id == dead).values(deceased_on=day))
    said = await counter.issue(CIP, "P1")
    with pytest.raises(Conflict, match="RECALL_UNKNOWN"):
        await _concerned(counter, own, said.recall_id)
    await counter.relay()

    before = await counter.lines()
    page = await _concerned(counter, own, said.recall_id)
    found = {each.patient.patient_id: each.handed for each in page.patients}
    assert found.keys() == {of_batch, in_tail, maybe}
    assert [each.batch for each in found[of_batch]] == ["P1", "P1"]
    assert [each.batch for each in found[maybe]] == [None]
    written = (await counter.lines())[len(before) :]
    assert [(line.patient_id.int == 0, line.action) for line in written[:1]] == [(True, "read")]
    assert {line.patient_id for line in written[1:]} == found.keys()
    assert {(line.action, line.outcome) for line in written[1:]} == {("find", "allowed")}
    assert [each.patient.patient_id for each in (await _concerned(counter, other, said.recall_id)).patients] == [
        elsewhere
    ]

    first = await _concerned(counter, own, said.recall_id, first=2)
    assert (len(first.patients), first.has_next) == (2, True)
    rest = await _concerned(counter, own, said.recall_id, first=2, after=first.patients[-1].patient.patient_id)
    assert (len(rest.patients), rest.has_next) == (1, False)
    assert {each.patient.patient_id for each in (*first.patients, *rest.patients)} == found.keys()


async def test_a_block_counts_here_too(counter: Counter) -> None:
    pharmacy = await counter.pharmacy()
    patient_id, person = await counter.world.patient()
    await counter.open(patient_id)
    await counter.dispense(pharmacy, patient_id, CIP, "P2")
    said = await counter.issue(CIP, "P2")
    await counter.relay()
    assert len((await _concerned(counter, pharmacy, said.recall_id)).patients) == 1
    async with transaction(counter.world.context(person)) as act:
        await relations.block_professional(act, patient_id, counter.pharmacists[pharmacy].id)
    assert (await _concerned(counter, pharmacy, said.recall_id)).patients == ()


async def test_nobody_else_finds_them(counter: Counter) -> None:
    pharmacy, patient_id = await counter.pharmacy(), await counter.patient()
    await counter.dispense(pharmacy, patient_id, CIP, "P3")
    said = await counter.issue(CIP, "P3")
    await counter.relay()
    before = await counter.lines()
    for actor in (builders.professional(establishment=pharmacy), builders.professional("60", establishment=pharmacy)):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with transaction(counter.world.context(actor)) as act:
                await concerned_patients(act, said.recall_id, first=5)
    written = (await counter.lines())[len(before) :]
    assert {(line.patient_id.int, line.outcome) for line in written} == {(0, "refused")}
