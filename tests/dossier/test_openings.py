"""A record opens by itself at the end of the delay to object, once, unless somebody objected."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from passerelle.audit.transactions import transaction
from passerelle.dossier import lifecycle, openings
from passerelle.dossier.tables import dossier, dossier_act
from passerelle.kernel.actors import Actor
from passerelle_policies.vocabulary import ActorKind
from tests.builders import World, document, ins_of

BEAT = Actor(kind=ActorKind.SYSTEM, id="beat", name="Passerelle")
DELAY = timedelta(days=42)


async def _informed(world: World) -> tuple[UUID, Actor]:
    patient_id, person = await world.patient(open_=False)
    async with transaction(world.context(world.feeder)) as act:
        await lifecycle.inform(act, patient_id, proof="courrier")
    return patient_id, person


async def _acts(world: World, patient_id: UUID) -> list[tuple[str, str | None]]:
    async with world.tenant.database.transaction() as connection:
        found = select(dossier_act.c.act, dossier_act.c.basis).where(dossier_act.c.patient_id == patient_id)
        return [(row.act, row.basis) for row in await connection.execute(found.order_by(dossier_act.c.at))]


async def _state(world: World, patient_id: UUID) -> str:
    async with world.tenant.database.transaction() as connection:
        found = select(dossier.c.state).where(dossier.c.patient_id == patient_id)
        return str((await connection.execute(found)).scalar_one())


async def test_at_the_end_of_the_delay_it_opens_once_and_the_patient_is_told(world: World) -> None:
    await openings.open_due(world.context(BEAT))  # those of the tests before
    patient_id, person = await _informed(world)

    world.clock.advance(DELAY - timedelta(seconds=1))
    assert await openings.open_due(world.context(BEAT)) == 0
    assert (await _state(world, patient_id), await world.notices(person)) == ("informed", [])

    world.clock.advance(timedelta(seconds=1))
    assert await openings.open_due(world.context(BEAT)) == 1
    assert await openings.open_due(world.context(BEAT)) == 0
    assert await _acts(world, patient_id) == [("inform", "opt_out"), ("open", "opt_out")]
    assert await world.notices(person) == ["opened"]
    await world.publish(patient_id, document())
    lines = await world.journal(person, patient_id)
    assert [(line.action, line.rule) for line in lines if line.actor_id == BEAT.id] == [("open", "dossier-open-delay")]


async def test_whoever_objected_before_the_turn_is_not_opened(world: World) -> None:
    await openings.open_due(world.context(BEAT))
    patient_id, person = await _informed(world)
    world.clock.advance(DELAY + timedelta(days=3))  # the tasks were away, and the patient writes late
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id, reason="opposition")
        # Not committed yet: the turn leaves it alone, and does not wait for it.
        assert await asyncio.wait_for(openings.open_due(world.context(BEAT)), 10) == 0
    assert await openings.open_due(world.context(BEAT)) == 0
    assert (await _state(world, patient_id), await world.notices(person)) == ("closed", [])


async def test_an_objection_that_comes_after_the_list_was_drawn_up_wins(world: World) -> None:
    await openings.open_due(world.context(BEAT))
    patient_id, person = await _informed(world)
    world.clock.advance(DELAY)
    assert [each for _, each in await openings._due(world.context(BEAT), None)] == [patient_id]
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id, reason="opposition")
    assert not await openings._open(world.context(BEAT), patient_id)
    assert await _state(world, patient_id) == "closed"


async def test_workers_at_once_open_each_record_once(world: World) -> None:
    await openings.open_due(world.context(BEAT))
    people = [await _informed(world) for _ in range(5)]
    world.clock.advance(DELAY)
    done = await asyncio.gather(*(openings.open_due(world.context(BEAT)) for _ in range(3)))
    assert sum(done) == len(people)
    for patient_id, person in people:
        assert [act for act, _ in await _acts(world, patient_id)] == ["inform", "open"]
        assert await world.notices(person) == ["opened"]


async def test_more_than_one_batch_is_gone_through_and_a_refusal_holds_up_no_other(world: World) -> None:
    await openings.open_due(world.context(BEAT))
    first, _ = await _informed(world)
    world.clock.advance(timedelta(hours=1))
    second, _ = await _informed(world)
    world.clock.advance(DELAY)
    nobody = world.context(world.person(ins_of(96_001)))
    assert await openings.open_due(nobody) == 0
    assert {await _state(world, first), await _state(world, second)} == {"informed"}
    batch, openings._BATCH = openings._BATCH, 1  # type: ignore[misc]
    try:
        assert await openings.open_due(nobody) == 0
        assert await openings.open_due(world.context(BEAT)) == 2
    finally:
        openings._BATCH = batch  # type: ignore[misc]
