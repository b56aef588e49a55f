"""The erasures that are due come to their turn, whatever becomes of one of them."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from passerelle.audit.transactions import transaction
from passerelle.dossier import erasure, lifecycle
from passerelle.dossier.tables import dossier
from passerelle.kernel.actors import Actor
from passerelle.kernel.context import Context
from passerelle.kernel.errors import TryLater
from passerelle_policies.vocabulary import ActorKind
from tests.builders import World

SYSTEM = Actor(kind=ActorKind.SYSTEM, id="beat", name="Effacement")


async def _closed(world: World) -> UUID:
    patient_id, person = await world.patient()
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id)
    return patient_id


async def _purged(world: World) -> set[UUID]:
    async with world.tenant.database.transaction() as connection:
        wanted = select(dossier.c.patient_id).where(dossier.c.state == "purged")
        return set((await connection.execute(wanted)).scalars())


async def test_a_record_that_never_goes_keeps_no_other_from_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = await _closed(world)
    others = [await _closed(world) for _ in range(5)]
    world.clock.advance(timedelta(days=366 * 11))
    erase = erasure._erased_if_due

    async def failing(context: Context, patient_id: UUID) -> bool:
        if patient_id == stuck:
            raise TryLater("DATABASE_AWAY", retry_after=1)
        return await erase(context, patient_id)

    monkeypatch.setattr(erasure, "_erased_if_due", failing)
    for _ in range(200):
        with suppress(TryLater):
            await erasure.erase_due(world.context(SYSTEM), at_once=1)
        if await _purged(world) >= set(others):
            break
    assert await _purged(world) & {stuck, *others} == set(others)
