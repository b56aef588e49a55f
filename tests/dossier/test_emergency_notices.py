"""Who is told of what another did about emergencies: an objection, a review."""

from __future__ import annotations

from uuid import UUID

from passerelle.audit.transactions import transaction
from passerelle.dossier import emergencies, emergency_reviews, objections
from passerelle.kernel.actors import Actor
from passerelle_policies.vocabulary import ActorKind, Mode
from tests.builders import World, ins_of, professional
from tests.dossier.test_representation import GUARDIANSHIP, declare


async def _represented(world: World, number: int) -> tuple[UUID, Actor, Actor]:
    patient_id, person = await world.patient()
    mother = world.person(ins_of(number), name="Mère Essai")
    await declare(world, patient_id, person, mother, GUARDIANSHIP)
    return patient_id, person, mother


async def test_the_patient_is_told_when_another_objects_for_him_or_no_longer(world: World) -> None:
    patient_id, person, mother = await _represented(world, 91_303)
    async with transaction(world.context(mother)) as act:
        await objections.object_to_emergencies(act, patient_id)
        await objections.withdraw_objection(act, patient_id)
    assert await world.notices(person) == ["consent_changed", "consent_changed"]
    async with transaction(world.context(person)) as act:
        await objections.object_to_emergencies(act, patient_id)
    assert len(await world.notices(person)) == 2


async def test_whoever_was_told_of_an_opening_is_told_of_its_review(world: World) -> None:
    patient_id, person, mother = await _represented(world, 91_304)
    async with transaction(world.context(professional(), mode=Mode.BREAK_GLASS)) as act:
        opened = await emergencies.break_the_glass(act, patient_id, "malaise, patient inconscient")
    officer = Actor(kind=ActorKind.OFFICER, id="dpo", name="Déléguée Essai")
    async with transaction(world.context(officer)) as act:
        await emergency_reviews.review_emergency(act, opened.access_id, emergency_reviews.Finding.JUSTIFIED)
    for each in (person, mother):
        assert set(await world.notices(each)) == {"break_glass", "review_done"}
