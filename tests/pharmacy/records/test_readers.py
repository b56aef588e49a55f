"""Who comes before a pharmacy record, and who does not, by what is recorded and from where he acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from passerelle.audit.journal import Outcome
from passerelle.dossier import relations
from passerelle.dossier.attending import declare_attending_physician
from passerelle.dossier.tables import relation
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, Refused
from passerelle.pharmacy import access, presence, records
from passerelle.pharmacy.presence import PresenceProof
from passerelle_policies.vocabulary import Action, Kind, Setting
from tests.builders import NURSE, PHARMACIST, PHYSICIAN, at_the_counter, in_hospital, professional
from tests.pharmacy.records.conftest import Pharmacy

READS = (Kind.DISPENSATION, Action.READ)


async def reads(world: Pharmacy, actor: Actor, patient_id: object) -> str:
    try:
        return str((await world.do(actor, access.require, patient_id, *READS)).rule)
    except Refused as refused:
        return refused.code


async def test_the_pharmacist_reads_while_the_patient_is_before_him_and_no_longer(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    colleague = at_the_counter(pharmacist.establishment)
    elsewhere = replace(pharmacist, establishment="310790002")

    assert await reads(world, pharmacist, patient_id) == "dispensation-present"
    assert await reads(world, colleague, patient_id) == "ACCESS_REFUSED"
    assert await reads(world, elsewhere, patient_id) == "ACCESS_REFUSED"
    assert await reads(world, replace(pharmacist, setting=Setting.TOWN), patient_id) == "ACCESS_REFUSED"
    world.clock.advance(timedelta(hours=4))
    assert await reads(world, pharmacist, patient_id) == "ACCESS_REFUSED"


async def test_who_has_the_patient_before_him_takes_no_room_from_whom_he_lets_in(world: Pharmacy) -> None:
    few = replace(world, tenant=replace(world.tenant, parameters={"authorizations.max": 2}))
    patient_id, person = await few.patient()
    counters = [at_the_counter(f"31079100{number}") for number in range(3)]
    for each in counters[:2]:
        await few.comes_to(each, patient_id)
    for _ in range(2):
        await few.authorize(patient_id, person, professional())
    for refused in (few.authorize(patient_id, person, professional()), few.comes_to(counters[2], patient_id)):
        with pytest.raises(LimitExceeded, match="AUTHORIZATIONS_TOO_MANY"):
            await refused
    held = (await few.do(person, relations.authorizations, patient_id)).relations
    assert sorted(each.what for each in held) == ["authorized"] * 2 + ["patient_present"] * 2


async def test_care_is_the_establishment_s_and_opens_to_its_physicians_and_pharmacists(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    await world.opened(patient_id)
    doctor, colleague, pharmacist = in_hospital(), in_hospital(), in_hospital(PHARMACIST)
    assert await reads(world, doctor, patient_id) == "ACCESS_REFUSED"
    until = await world.do(doctor, presence.attest_care, patient_id, proof="admission aux urgences")
    assert until == world.clock.now() + timedelta(days=7)

    for each in (doctor, colleague, pharmacist):
        assert await reads(world, each, patient_id) == "dispensation-care"
    assert await reads(world, in_hospital(NURSE), patient_id) == "ACCESS_REFUSED"
    assert await reads(world, in_hospital(establishment="310783056"), patient_id) == "ACCESS_REFUSED"
    at_his_practice = replace(doctor, establishment="310783057", setting=Setting.TOWN)
    assert await reads(world, at_his_practice, patient_id) == "ACCESS_REFUSED"
    world.clock.advance(timedelta(days=7))
    assert await reads(world, doctor, patient_id) == "ACCESS_REFUSED"


async def test_the_doctor_in_town_is_refused_the_attending_physician_included(world: Pharmacy) -> None:
    patient_id, person = await world.patient()
    await world.opened(patient_id)
    doctor = professional(PHYSICIAN, establishment="310783058", setting=Setting.TOWN)
    await world.do(person, declare_attending_physician, patient_id, doctor.id)
    before = await world.kept()

    assert await reads(world, doctor, patient_id) == "ACCESS_REFUSED"
    for use_case in (records.state_of, records.close, records.object_):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await world.do(doctor, use_case, patient_id)
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        await world.do(doctor, presence.attest_care, patient_id, proof="consultation")
    assert await world.kept() == before


async def test_who_has_the_patient_before_him_is_told_to_the_patient_and_not_to_his_doctor(world: Pharmacy) -> None:
    patient_id, person = await world.patient()
    doctor = professional(PHYSICIAN, establishment="310783058", setting=Setting.TOWN)
    await world.do(person, declare_attending_physician, patient_id, doctor.id)
    await world.comes_to(at_the_counter(), patient_id)
    await world.do(in_hospital(), presence.attest_care, patient_id, proof="admission")

    own, his = [
        [each.what for each in (await world.do(reader, relations.authorizations, patient_id)).relations]
        for reader in (person, doctor)
    ]
    assert sorted(own) == ["attending_physician", "establishment_care", "patient_present"]
    assert his == ["attending_physician"]


async def test_an_objection_and_a_closing_hide_all_at_once(world: Pharmacy) -> None:
    patient_id, person = await world.patient()
    pharmacist, doctor = await world.opened(patient_id), in_hospital()
    await world.do(doctor, presence.attest_care, patient_id, proof="admission")
    readers: Sequence[Actor] = (pharmacist, doctor, person)

    assert "DOSSIER_NOT_OPEN" not in [await reads(world, each, patient_id) for each in readers]
    await world.do(person, records.object_, patient_id)
    assert [await reads(world, each, patient_id) for each in readers] == ["DOSSIER_NOT_OPEN"] * 3
    await world.opened(patient_id, pharmacist)
    await world.do(pharmacist, records.close, patient_id)
    assert [await reads(world, each, patient_id) for each in readers] == ["DOSSIER_NOT_OPEN"] * 3


async def test_a_block_counts_here_too_and_does_not_show(world: Pharmacy) -> None:
    patient_id, person = await world.patient()
    pharmacist = await world.opened(patient_id)
    await world.do(person, relations.block_professional, patient_id, pharmacist.id)

    assert await reads(world, pharmacist, patient_id) == "ACCESS_REFUSED"
    await world.comes_to(pharmacist, patient_id)  # as anyone may
    assert await reads(world, pharmacist, patient_id) == "ACCESS_REFUSED"
    line = next(each for each in await world.journal(person, patient_id) if each.kind == "dispensation")
    assert (line.outcome, line.rule) == (Outcome.REFUSED, "block")


async def test_presence_says_nothing_of_the_shared_record(world: Pharmacy) -> None:
    patient_id, person = await world.patient()
    pharmacist = await world.opened(patient_id)
    with pytest.raises(Refused):
        await world.do(pharmacist, relations.authorizations, patient_id)
    line = next(each for each in await world.journal(person, patient_id) if each.outcome == Outcome.REFUSED)
    assert line.facts["relations"] == []
    assert "setting" not in line.facts


async def test_to_record_a_presence_takes_a_place_and_a_patient(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    nowhere = professional(PHARMACIST, setting=Setting.PHARMACY)
    with pytest.raises(InvalidInput, match="PLACE_MISSING"):
        await world.do(nowhere, presence.attest_presence, patient_id, shown=PresenceProof.INS)
    with pytest.raises(InvalidInput, match="PROOF_MISSING"):
        await world.do(in_hospital(), presence.attest_care, patient_id, proof=" ")
    with pytest.raises(Conflict, match="PATIENT_UNKNOWN"):
        await world.do(at_the_counter(), presence.attest_presence, uuid4(), shown=PresenceProof.INS)


async def test_a_presence_is_prolonged_and_stands_once(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    pharmacist = at_the_counter()
    await world.comes_to(pharmacist, patient_id)
    world.clock.advance(timedelta(hours=1))
    await world.comes_to(pharmacist, patient_id)
    async with world.tenant.database.transaction() as connection:
        (until,) = (
            await connection.scalars(select(relation.c.valid_until).where(relation.c.patient_id == patient_id))
        ).all()
    assert until == world.clock.now() + timedelta(hours=4)
