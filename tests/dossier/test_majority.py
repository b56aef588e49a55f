"""Coming of age: told once, however late; what others ended or opened stays as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import select, update

from passerelle.audit.transactions import transaction
from passerelle.dossier import majority, reading, relations
from passerelle.dossier.recipients import people_of
from passerelle.identities.tables import patient
from passerelle.kernel.context import Context
from tests.builders import World, document, ins_of, operator, professional
from tests.dossier.test_representation import declare, represents


async def test_whoever_comes_of_age_is_told_once_and_however_late(world: World) -> None:
    world.clock.set(datetime(2026, 1, 10, 9, tzinfo=UTC))
    system = world.context(operator())
    await majority.come_of_age(system)  # those of the tests before
    child_id, child = await world.patient(born="20080605")
    _, still_minor = await world.patient(born="20100605")
    _, grown_up = await world.patient(born="19700605")
    mother, doctor = world.person(ins_of(94_501)), professional()
    await declare(world, child_id, operator(), mother)
    await world.authorize(child_id, mother, doctor)
    hidden = await world.publish(child_id, document(hidden_from_representatives=True))
    assert await majority.come_of_age(system) == 0
    world.clock.set(datetime(2026, 9, 1, 9, tzinfo=UTC))  # after an outage of a whole summer

    assert await majority.come_of_age(world.context(operator())) == 1
    assert await majority.come_of_age(world.context(operator())) == 0

    newest, *of_one_instant = await world.notices(child)
    assert (newest, sorted(of_one_instant)) == ("majority", ["consent_changed", "representation_changed"])
    assert [await world.notices(who) for who in (still_minor, grown_up)] == [[], []]
    assert not await represents(world, mother, child_id)
    page = (await reading.open_dossier(world.context(doctor), child_id)).page  # stays until he decides
    assert [each["document_id"] for each in page.documents] == [str(hidden)]
    assert page.documents[0]["hidden_from_representatives"] is True


async def test_batch_after_batch_each_is_looked_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.clock.set(datetime(2026, 1, 10, 9, tzinfo=UTC))
    await majority.come_of_age(world.context(operator()))
    children = [await world.patient(born="20080605") for _ in range(7)]
    world.clock.set(datetime(2026, 9, 1, 9, tzinfo=UTC))
    monkeypatch.setattr(majority, "_AT_ONCE", 2)
    places: list[UUID | None] = []
    following = majority._next

    async def noted(context: Context, after: UUID | None) -> list[UUID]:
        places.append(after)
        return await following(context, after)

    monkeypatch.setattr(majority, "_next", noted)
    held_id, held = children[3]
    async with transaction(world.context(operator())) as act:
        await act.connection.execute(select(patient).where(patient.c.patient_id == held_id).with_for_update())
        assert await majority.come_of_age(world.context(operator())) == 6
    told = sorted(patient_id for patient_id, _ in children if patient_id != held_id)
    assert places == [None, told[1], told[3], told[5]]
    assert await majority.come_of_age(world.context(operator())) == 1  # whom somebody had in hand
    assert [await world.notices(each) for _, each in children] == [["majority"]] * 7
    assert await world.notices(held) == ["majority"]


async def test_a_birth_date_put_right_ends_on_its_day_what_was_to_last(world: World) -> None:
    world.clock.set(datetime(2026, 1, 10, 9, tzinfo=UTC))
    await majority.come_of_age(world.context(operator()))
    child_id, child = await world.patient(born="20120605")
    await declare(world, child_id, operator(), world.person(ins_of(94_601)))
    async with world.tenant.database.transaction() as connection:
        await connection.execute(update(patient).where(patient.c.patient_id == child_id).values(birth_date="20080605"))
    world.clock.set(datetime(2026, 9, 1, 9, tzinfo=UTC))
    async with transaction(world.context(child)) as act:  # while the task has not run
        assert await people_of(act, child_id, representatives=True) == [child.subject]
    assert await majority.come_of_age(world.context(operator())) == 1
    async with transaction(world.context(child)) as act:
        assert (await relations.authorizations(act, child_id)).relations == []
    rules = [line.rule for line in await world.journal(child, child_id)]
    assert rules.count("majority") == 1
