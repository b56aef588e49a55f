"""A suspended record: its patient is told, and it closes by itself after six weeks unless it was resumed."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from passerelle.audit.transactions import transaction
from passerelle.dossier import lifecycle, suspensions
from passerelle.dossier.tables import dossier, dossier_act
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS
from passerelle.notices import inbox
from passerelle.notices.kinds import NoticeKind
from passerelle_policies.vocabulary import ActorKind
from tests.builders import World

SYSTEM = Actor(kind=ActorKind.SYSTEM, id="beat", name="Passerelle")
#: Six weeks over the change to winter time: an hour more than 42 times 24.
SUSPENDED_AT = datetime(2026, 10, 1, 10, tzinfo=PARIS)
CLOSES_AT = datetime(2026, 11, 12, 10, tzinfo=PARIS)


async def _suspended(world: World) -> tuple[UUID, Actor]:
    patient_id, person = await world.patient()
    world.clock.set(SUSPENDED_AT)
    async with transaction(world.context(SYSTEM)) as act:
        await lifecycle.suspend(act, patient_id, reason="fraude")
    return patient_id, person


async def _state(world: World, patient_id: UUID) -> tuple[str, datetime | None]:
    async with world.tenant.database.transaction() as connection:
        wanted = select(dossier.c.state, dossier.c.purge_after).where(dossier.c.patient_id == patient_id)
        row = (await connection.execute(wanted)).one()
        return row.state, row.purge_after


async def _told(world: World, person: Actor, patient_id: UUID) -> list[inbox.InboxNotice]:
    async with transaction(world.context(person)) as act:
        return await inbox.about(act, patient_id)


async def test_six_weeks_to_the_hour_then_closed_once(world: World) -> None:
    patient_id, person = await _suspended(world)
    (told,) = await _told(world, person, patient_id)
    assert told.kind is NoticeKind.SUSPENDED
    assert "12/11/2026" in told.sentence

    world.clock.set(CLOSES_AT - timedelta(seconds=1))
    assert await suspensions.close_suspended(world.context(SYSTEM)) == 0
    assert (await _state(world, patient_id))[0] == "suspended"

    world.clock.set(CLOSES_AT)
    assert await suspensions.close_suspended(world.context(SYSTEM)) == 1
    assert await suspensions.close_suspended(world.context(SYSTEM)) == 0
    assert await _state(world, patient_id) == ("closed", CLOSES_AT.replace(year=2036))
    async with world.tenant.database.transaction() as connection:
        closing = select(dossier_act.c.basis, dossier_act.c.proof).where(
            dossier_act.c.patient_id == patient_id, dossier_act.c.act == "close"
        )
        why = (await connection.execute(closing)).one()
    assert tuple(why) == ("incident", "Suspendu depuis le 01/10/2026, sans opposition dans le délai.")
    assert [each.kind for each in await _told(world, person, patient_id)] == [
        NoticeKind.SUSPENDED,
        NoticeKind.SUSPENSION_CLOSED,
    ]
    async with transaction(world.context(person)) as act:
        await lifecycle.reopen(act, patient_id, proof="lettre")
    assert (await _state(world, patient_id))[0] == "open"


@pytest.mark.parametrize("again", [False, True])
async def test_a_resumed_record_stays_and_a_new_suspension_counts_anew(world: World, *, again: bool) -> None:
    patient_id, _ = await _suspended(world)
    world.clock.set(CLOSES_AT - timedelta(days=1))
    async with transaction(world.context(SYSTEM)) as act:
        await lifecycle.resume(act, patient_id, reason="le patient s'y oppose")
        if again:
            world.clock.advance(timedelta(seconds=1))
    if again:
        async with transaction(world.context(SYSTEM)) as act:
            await lifecycle.suspend(act, patient_id, reason="fraude")
    world.clock.set(CLOSES_AT + timedelta(days=1))
    assert await suspensions.close_suspended(world.context(SYSTEM)) == 0
    assert (await _state(world, patient_id))[0] == ("suspended" if again else "open")
