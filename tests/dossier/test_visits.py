"""What a minor keeps from his representatives they do not learn from the visit either (CSP R.1111-50)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from passerelle.audit.journal import Chosen
from passerelle.audit.sealing import seal
from passerelle.audit.transactions import transaction
from passerelle.dossier import emergencies, newcomers, portability_history, reading, representation, traces, visibility
from passerelle.dossier.portability_journal import lines_for
from passerelle.kernel.actors import Actor
from passerelle_policies.vocabulary import Mode
from tests.builders import World, document, ins_of, operator, professional


async def _told(world: World, reader: Actor, patient_id: UUID) -> list[tuple[str, str]]:
    """Who did what, as a reader's journal has it; his own readings of it left out."""
    async with transaction(world.context(reader)) as act:
        lines = (await traces.read_traces(act, patient_id, Chosen(), first=100)).lines
    return [(each["actor_id"], each["action"]) for each in lines if each["kind"] != "journal"]


async def _exported(world: World, reader: Actor, patient_id: UUID) -> set[str]:
    async with transaction(world.context(reader)) as act:
        return {each.actor_id for each in (await lines_for(act, patient_id)).shown}


async def _child(world: World) -> tuple[UUID, Actor, Actor]:
    patient_id, child = await world.patient(born="20120605")
    mother = world.person(ins_of(97_001), name="Mère Essai")
    async with transaction(world.context(operator())) as act:
        await representation.declare_representative(
            act, patient_id, mother.id, basis=representation.RepresentationBasis.MINOR, proof="livret"
        )
    return patient_id, child, mother


async def test_the_visit_goes_with_the_document_and_comes_back_with_it(world: World) -> None:
    world.clock.set(datetime(2026, 11, 16, 22, 30, tzinfo=UTC))  # in Paris, half an hour before the 17th
    patient_id, child, mother = await _child(world)
    doctor, nurse = professional(), professional()
    for who in (doctor, nurse):
        await world.authorize(patient_id, mother, who)
        await reading.open_dossier(world.context(who), patient_id)
    world.clock.advance(timedelta(hours=1))
    await reading.open_dossier(world.context(doctor), patient_id)
    hidden = await world.publish(patient_id, document(author=doctor, hidden_from_representatives=True), by=doctor)
    world.clock.advance(timedelta(days=1))
    await reading.open_dossier(world.context(doctor), patient_id)

    seen = [each for each in await _told(world, mother, patient_id) if each[0] in (doctor.id, nurse.id)]
    assert seen == [(doctor.id, "read"), (nurse.id, "read"), (doctor.id, "read")]  # not the 17th
    assert sum(each[0] == doctor.id for each in await _told(world, child, patient_id)) == 4
    async with transaction(world.context(child)) as act:
        await visibility.show_to_representatives(act, hidden, confirmed=True)
    assert sum(each[0] == doctor.id for each in await _told(world, mother, patient_id)) == 4


async def test_neither_an_export_nor_a_notice_tells_of_it_and_an_emergency_keeps_its_reason(world: World) -> None:
    patient_id, child, mother = await _child(world)
    doctor, author = professional(), professional()
    await world.authorize(patient_id, mother, doctor)
    async with transaction(world.context(author, mode=Mode.BREAK_GLASS)) as act:
        opened = await emergencies.break_the_glass(act, patient_id, "Malaise après une IVG")
    for who in (doctor, author):
        await world.publish(patient_id, document(author=who, hidden_from_representatives=True), by=who)
    await reading.open_dossier(world.context(doctor), patient_id)
    await seal(world.tenant, world.clock)
    await newcomers.tell_of_readers(world.context(operator()))

    assert "newcomer" in await world.notices(child)
    assert "newcomer" not in await world.notices(mother)
    assert doctor.id in await _exported(world, child, patient_id)
    assert not {doctor.id, author.id} & await _exported(world, mother, patient_id)
    assert (author.id, "break_glass") in await _told(world, mother, patient_id)
    for reader, reason in ((child, "Malaise après une IVG"), (mother, None)):
        async with transaction(world.context(reader)) as act:
            [held] = await emergencies.emergencies_of(act, patient_id, first=10)
            rights = await portability_history.rights(act, patient_id, [])
        assert (held.access_id, held.reason) == (opened.access_id, reason)
        assert [each["reason"] for each in rights["emergencyAccesses"]] == [reason]
