"""Whose objection to emergencies it is: what the patient recorded himself, nobody else withdraws."""

from __future__ import annotations

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import access, objections
from passerelle.dossier.representation import RepresentationBasis, declare_representative
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict
from tests.builders import World, ins_of
from tests.dossier.test_emergencies import _counts, _last_line, _object


async def test_a_representative_ends_no_objection_that_the_patient_recorded_himself(world: World) -> None:
    patient_id, person = await world.patient()
    guardian = world.person(ins_of(91_303))
    async with transaction(world.context(person)) as act:
        await declare_representative(
            act, patient_id, guardian.id, basis=RepresentationBasis.GUARDIANSHIP, proof="jugement"
        )

    async def withdraws(who: Actor) -> int:
        async with transaction(world.context(who)) as act:
            return await objections.withdraw_objection(act, patient_id)

    async def objects() -> bool:
        async with world.tenant.database.transaction() as connection:
            return (await access.facts_of(world.context(person), connection, patient_id)).emergency_objection

    await _object(world, patient_id, guardian)
    assert await withdraws(guardian) == 1
    await _object(world, patient_id, guardian)
    await _object(world, patient_id, person)  # his own, beside the one recorded for him
    before = await _counts(world)
    with pytest.raises(Conflict, match="OBJECTION_IS_THE_PATIENTS_OWN"):
        await withdraws(guardian)
    assert await _counts(world) == {**before, "journal": before["journal"] + 1}
    assert (await _last_line(world)).code == "OBJECTION_IS_THE_PATIENTS_OWN"
    assert await objects()
    assert await withdraws(person) == 2
    assert not await objects()
