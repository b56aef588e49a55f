"""Whoever reads a record for the first time in a long while is told of to the patient, once, from the journal."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from passerelle.audit.journal import Line, Outcome, append
from passerelle.audit.sealing import seal
from passerelle.audit.transactions import transaction
from passerelle.dossier import attending, documents, newcomers, reading
from passerelle.dossier.newcomers import tell_of_readers
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Refused
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Mode, Purpose
from tests.builders import World, document, professional

BEAT = Actor(kind=ActorKind.SYSTEM, id="beat", name="Passerelle")
YEAR = timedelta(days=365)
HOUR = timedelta(hours=1)


async def _follow(world: World) -> None:
    await seal(world.tenant, world.clock)
    await tell_of_readers(world.context(BEAT, purpose=Purpose.ADMINISTRATION))


async def _told(world: World, patient_id: UUID) -> list[Any]:
    async with world.tenant.database.transaction() as connection:
        asked = (
            "select recipient, kind, about, posted_at from notice where patient_id = :p order by posted_at, recipient"
        )
        return list((await connection.execute(text(asked), {"p": patient_id})).all())


async def _names(world: World, patient_id: UUID) -> list[str]:
    return [each.about["name"] for each in await _told(world, patient_id)]


async def _open(world: World, patient_id: UUID, doctor: Actor, mode: Mode = Mode.NORMAL) -> None:
    await reading.open_dossier(world.context(doctor, mode=mode), patient_id)


async def test_the_first_reading_is_told_of_and_the_next_are_not(world: World) -> None:
    patient_id, person = await world.patient()
    doctor, other = professional(name="Dr A"), professional(name="Dr B")
    for each in (doctor, other):
        await world.authorize(patient_id, person, each)
    await _open(world, patient_id, doctor)
    await _open(world, patient_id, doctor)
    await _follow(world)
    (told,) = await _told(world, patient_id)
    assert (told.recipient, told.kind, told.about) == (person.subject, "newcomer", {"name": "Dr A"})

    world.clock.advance(HOUR)
    await _open(world, patient_id, doctor)
    await _open(world, patient_id, other)
    await _follow(world)
    await _follow(world)
    assert await _names(world, patient_id) == ["Dr A", "Dr B"]


async def test_after_a_year_away_he_is_new_again(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional(name="Dr A")
    await world.authorize(patient_id, person, doctor)
    for away in (timedelta(0), YEAR - HOUR, YEAR - HOUR, YEAR):
        world.clock.advance(away)
        await _open(world, patient_id, doctor)
        await _follow(world)
    assert await _names(world, patient_id) == ["Dr A"] * 2


async def test_the_attending_physician_the_patient_and_the_refused_are_not_told_of(world: World) -> None:
    patient_id, person = await world.patient()
    physician, stranger = professional(), professional()
    async with transaction(world.context(person)) as act:
        await attending.declare_attending_physician(act, patient_id, physician.id)
    await _open(world, patient_id, physician)
    await _open(world, patient_id, person)
    with pytest.raises(Refused):
        await _open(world, patient_id, stranger)
    await _follow(world)
    assert await _told(world, patient_id) == []


async def test_a_reading_of_what_the_patient_may_not_know_of_tells_him_nothing(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional(name="Dr A")
    await world.authorize(patient_id, person, author)
    filed = await world.publish(patient_id, document(author=author, hidden_from_patient=True))
    await documents.read_document(world.context(author), filed)
    await _follow(world)
    assert await _told(world, patient_id) == []
    await _open(world, patient_id, author)
    await _follow(world)
    assert await _names(world, patient_id) == ["Dr A"]


async def test_many_tasks_at_once_tell_once(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional(name="Dr A")
    await world.authorize(patient_id, person, doctor)
    await _open(world, patient_id, doctor)
    await asyncio.gather(*(_follow(world) for _ in range(4)))
    assert await _names(world, patient_id) == ["Dr A"]


async def test_a_line_committed_late_is_not_missed(world: World) -> None:
    """Its number and its time come before those of lines that were followed long ago; its leaf does not."""
    late_patient, late_person = await world.patient()
    other_patient, other_person = await world.patient()
    late, other = professional(name="Dr Tard"), professional(name="Dr Tôt")
    for patient_id, person, doctor in ((late_patient, late_person, late), (other_patient, other_person, other)):
        await world.authorize(patient_id, person, doctor)
    said = Line(
        kind=Kind.DOSSIER,
        action=Action.READ,
        outcome=Outcome.ALLOWED,
        rule="read",
        pack="essai",
        patient_id=late_patient,
        facts={"relations": ["authorized"]},
    )
    async with world.tenant.database.transaction() as connection:
        await append(connection, world.context(late), said)
        await _open(world, other_patient, other)
        await _follow(world)
        assert await _names(world, other_patient) == ["Dr Tôt"]
        assert await _told(world, late_patient) == []
    await _follow(world)
    assert await _names(world, late_patient) == ["Dr Tard"]


async def test_a_long_journal_is_followed_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomers, "AT_ONCE", 3)
    patient_id, person = await world.patient()
    doctors = [professional(name=f"Dr {each}") for each in range(4)]
    for doctor in doctors:
        await world.authorize(patient_id, person, doctor)
        await _open(world, patient_id, doctor)
        await _open(world, patient_id, doctor)
    await _follow(world)
    assert sorted(await _names(world, patient_id)) == [each.name for each in doctors]


async def test_the_regulation_centre_is_told_of_once_a_day_to_the_patient_and_his_physician(world: World) -> None:
    patient_id, person = await world.patient()
    physician, regulator = professional(), professional(name="Dr Quinze")
    async with transaction(world.context(person)) as act:
        await attending.declare_attending_physician(act, patient_id, physician.id)
    for _ in range(2):
        await _open(world, patient_id, regulator, Mode.REGULATION_CENTRE)
        await _open(world, patient_id, regulator, Mode.REGULATION_CENTRE)
        await _follow(world)
        world.clock.advance(timedelta(days=1))
    told = await _told(world, patient_id)
    assert {each.kind for each in told} == {"regulation_centre"}
    assert sorted(each.recipient for each in told) == sorted([person.subject, physician.subject] * 2)
