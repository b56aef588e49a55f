"""The attending physician: one, a physician, chosen by the patient, with his powers over access and no more."""

from __future__ import annotations

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import access, attending, reading, relations, representation
from passerelle.dossier.representation import RepresentationBasis
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle_policies.vocabulary import Relation
from tests.builders import DIRECTORY, NURSE, World, ins_of, professional


async def test_whoever_is_no_physician_of_the_directory_is_no_attending_physician(world: World) -> None:
    patient_id, person = await world.patient()
    nurse, stranger = professional(NURSE), professional()
    del DIRECTORY.professionals[stranger.id]
    for who, code in ((nurse, "NOT_A_PHYSICIAN"), (stranger, "RPPS_UNKNOWN")):
        with pytest.raises((Conflict, InvalidInput), match=code):
            async with transaction(world.context(person)) as act:
                await attending.declare_attending_physician(act, patient_id, who.id)
        async with world.tenant.database.transaction() as connection:
            facts = await access.facts_of(world.context(who), connection, patient_id)
        assert Relation.ATTENDING_PHYSICIAN not in facts.relations


async def test_he_has_the_patient_s_powers_over_access_and_there_only(world: World) -> None:
    patient_id, person = await world.patient()
    physician, doctor, unwelcome, successor = (professional() for _ in range(4))
    async with transaction(world.context(person)) as act:
        await attending.declare_attending_physician(act, patient_id, physician.id)
    async with transaction(world.context(physician)) as act:
        await relations.authorize(act, patient_id, doctor.id)
        await relations.block_professional(act, patient_id, unwelcome.id)
        held = await relations.authorizations(act, patient_id)
    assert {each.subject for each in held.relations} == {physician.subject, doctor.subject}
    assert await world.notices(person) == ["consent_changed"] * 2  # he is told of each

    with pytest.raises(Conflict, match="ATTENDING_PHYSICIAN_IS_CHOSEN"):
        async with transaction(world.context(physician)) as act:
            await attending.declare_attending_physician(act, patient_id, successor.id)
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        async with transaction(world.context(physician)) as act:
            await representation.declare_representative(
                act, patient_id, world.person(ins_of(95_001)).id, basis=RepresentationBasis.GUARDIANSHIP, proof="parole"
            )
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        await world.journal(physician, patient_id)
    async with transaction(world.context(person)) as act:
        assert {each.subject for each in (await relations.authorizations(act, patient_id)).relations} == {
            physician.subject,
            doctor.subject,
        }


async def test_he_stops_when_he_or_the_patient_says_so(world: World) -> None:
    patient_id, person = await world.patient()
    physician = professional()
    for by in (person, physician):
        async with transaction(world.context(person)) as act:
            await attending.declare_attending_physician(act, patient_id, physician.id)
        async with transaction(world.context(by)) as act:
            assert await attending.end_attending_physician(act, patient_id, physician.id) == 1
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await reading.open_dossier(world.context(physician), patient_id)
    assert await world.notices(person) == ["consent_changed"]
