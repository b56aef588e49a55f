"""Two acts in the same instant: one of them comes second, and nothing is half-done."""

from __future__ import annotations

import asyncio
from uuid import UUID

from sqlalchemy import func, select

from passerelle.audit.transactions import transaction
from passerelle.dossier import attending, lifecycle, relations
from passerelle.dossier.tables import block
from passerelle.dossier.tables import document as filed_documents
from passerelle.identities import look_ups, patients
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, TryLater
from tests.builders import World, document, ins_of, professional

TRAITS = patients.Traits(family_name="Instant", given_names=("Alix",), birth_date="19800115", sex="F")


async def test_of_two_replacements_at_once_one_comes_second(world: World) -> None:
    for _ in range(5):
        patient_id, _ = await world.patient()
        first = document()
        await world.publish(patient_id, first)
        rivals = [document(replaces=first.metadata.unique_id) for _ in range(4)]
        done = await asyncio.gather(*(world.publish(patient_id, each) for each in rivals), return_exceptions=True)
        assert sorted(type(each).__name__ for each in done) == ["Conflict", "Conflict", "Conflict", "UUID"]
        assert {each.code for each in done if isinstance(each, Conflict)} == {"PARENT_NOT_CURRENT"}


async def test_the_same_document_filed_many_times_at_once_is_filed_once(world: World) -> None:
    patient_id, _ = await world.patient()
    one = document()
    ids = await asyncio.gather(*(world.publish(patient_id, one) for _ in range(6)))
    assert len(set(ids)) == 1
    async with world.tenant.database.transaction() as connection:
        counted = select(func.count()).select_from(filed_documents).where(filed_documents.c.patient_id == patient_id)
        assert (await connection.execute(counted)).scalar_one() == 1


async def test_one_ins_registered_many_times_at_once_is_one_patient_with_the_best_status(world: World) -> None:
    statuses = [IdentityStatus.PROVISIONAL, IdentityStatus.RETRIEVED, IdentityStatus.QUALIFIED] * 2

    async def register(status: IdentityStatus) -> UUID:
        async with transaction(world.context(world.feeder)) as act:
            return await patients.register(act, [ins_of(61_001)], TRAITS, status, source="test")

    assert len(set(await asyncio.gather(*(register(each) for each in statuses)))) == 1
    async with transaction(world.context(world.feeder)) as act:
        found = await look_ups.find_by_ins(act, ins_of(61_001))
    assert found is not None
    assert found.status is IdentityStatus.QUALIFIED


async def test_a_record_that_closes_takes_no_document_after(world: World) -> None:
    for _ in range(5):
        patient_id, person = await world.patient()

        async def close(patient_id: UUID = patient_id, person: Actor = person) -> None:
            async with transaction(world.context(person)) as act:
                await lifecycle.close(act, patient_id)

        done = await asyncio.gather(
            *(world.publish(patient_id, document()) for _ in range(3)), close(), return_exceptions=True
        )
        assert done[-1] is None
        assert {each.code for each in done if isinstance(each, Conflict | TryLater)} <= {"DOSSIER_NOT_OPEN"}
        assert not [each for each in done if isinstance(each, Exception) and not isinstance(each, Conflict)]


async def test_opened_many_times_at_once_a_record_is_opened_once(world: World) -> None:
    patient_id, person = await world.patient(open_=False)

    async def open_() -> None:
        async with transaction(world.context(person)) as act:
            await lifecycle.open_(act, patient_id, basis=lifecycle.Basis.CONSENT, proof="signé")

    done = await asyncio.gather(*(open_() for _ in range(4)), return_exceptions=True)
    assert sorted(str(each)[:13] for each in done) == ["DOSSIER_STATE", "DOSSIER_STATE", "DOSSIER_STATE", "None"]


async def test_a_block_and_its_lifting_many_times_at_once(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional()

    async def stop() -> None:
        async with transaction(world.context(person)) as act:
            await relations.block_professional(act, patient_id, doctor.id)

    await asyncio.gather(*(stop() for _ in range(4)))
    async with transaction(world.context(person)) as act:
        await relations.unblock_professional(act, patient_id, doctor.id)
    async with world.tenant.database.transaction() as connection:
        held = select(block).where(block.c.subject == doctor.subject, block.c.valid_until.is_(None))
        assert (await connection.execute(held)).all() == []


async def test_of_physicians_declared_at_once_one_is_the_attending_physician(world: World) -> None:
    patient_id, person = await world.patient()

    async def declare() -> None:
        async with transaction(world.context(person)) as act:
            await attending.declare_attending_physician(act, patient_id, professional().id)

    await asyncio.gather(*(declare() for _ in range(4)))
    async with transaction(world.context(person)) as act:
        held = (await relations.authorizations(act, patient_id)).relations
    assert [each.what for each in held] == ["attending_physician"]
