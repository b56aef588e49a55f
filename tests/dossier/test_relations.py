"""Whom the patient lets in and keeps out, to the second."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import (
    attending,
    care_teams,
    documents,
    publishing,
    reading,
    relations,
    team_consents,
    visibility,
)
from passerelle.dossier.representation import RepresentationBasis, declare_representative
from passerelle.dossier.team_consents import InformedHow
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle_policies.vocabulary import Mode
from tests.builders import NURSE, World, document, ins_of, professional

GUARDIANSHIP, INTERVIEW = RepresentationBasis.GUARDIANSHIP, InformedHow.INTERVIEW


async def _opens(world: World, who: Actor, patient_id: UUID, mode: Mode = Mode.NORMAL) -> bool:
    try:
        await reading.open_dossier(world.context(who, mode=mode), patient_id)
    except Refused:
        return False
    return True


async def test_an_authorisation_ends_when_it_says_and_when_it_is_withdrawn(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional()
    until = world.clock.now() + timedelta(hours=2)
    async with transaction(world.context(person)) as act:
        await relations.authorize(act, patient_id, doctor.id, until=until)
    assert await _opens(world, doctor, patient_id)
    world.clock.advance(timedelta(hours=2))
    assert not await _opens(world, doctor, patient_id)

    await world.authorize(patient_id, person, doctor)
    assert await _opens(world, doctor, patient_id)
    async with transaction(world.context(person)) as act:
        assert await relations.withdraw_authorization(act, patient_id, doctor.id) == 1
    assert not await _opens(world, doctor, patient_id)


async def test_an_authorisation_that_has_already_ended_is_refused(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional()
    with pytest.raises(InvalidInput, match="AUTHORIZATION_ENDS_BEFORE_IT_STARTS"):
        async with transaction(world.context(person)) as act:
            await relations.authorize(act, patient_id, doctor.id, until=world.clock.now())
    assert not await _opens(world, doctor, patient_id)


async def test_a_block_beats_every_relation_but_the_regulation_centre(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    async with transaction(world.context(person)) as act:
        await attending.declare_attending_physician(act, patient_id, doctor.id)
        await relations.block_professional(act, patient_id, doctor.id)
        await relations.block_professional(act, patient_id, doctor.id)  # twice is once
    assert not await _opens(world, doctor, patient_id)
    assert not await _opens(world, doctor, patient_id, Mode.BREAK_GLASS)
    assert await _opens(world, doctor, patient_id, Mode.REGULATION_CENTRE)
    without = World(tenant=replace(world.tenant, parameters={"regulation_centre.offered": False}), clock=world.clock)
    assert not await _opens(without, doctor, patient_id, Mode.REGULATION_CENTRE)
    async with transaction(world.context(person)) as act:
        assert await relations.unblock_professional(act, patient_id, doctor.id) == 1
    assert await _opens(world, doctor, patient_id)


async def test_a_consent_covers_the_team_its_newcomers_and_no_other_team(world: World) -> None:
    patient_id, person = await world.patient()
    founder, newcomer, other = professional(), professional(NURSE), professional()
    async with transaction(world.context(founder)) as act:
        team = await care_teams.create_care_team(act, "Équipe d'oncologie")
    async with transaction(world.context(other)) as act:
        await care_teams.create_care_team(act, "Autre équipe")
    async with transaction(world.context(person)) as act:
        await team_consents.consent_to_team(act, patient_id, team, informed_how=INTERVIEW, proof="formulaire signé")
    assert await _opens(world, founder, patient_id)
    assert not await _opens(world, newcomer, patient_id)
    async with transaction(world.context(founder)) as act:
        await care_teams.add_care_team_member(act, team, newcomer.id)
    assert await _opens(world, newcomer, patient_id)
    assert not await _opens(world, other, patient_id)
    async with transaction(world.context(person)) as act:
        assert await team_consents.withdraw_team_consent(act, patient_id, team) == 1
    assert [await _opens(world, who, patient_id) for who in (founder, newcomer)] == [False, False]


async def test_only_a_member_brings_someone_into_a_team(world: World) -> None:
    patient_id, person = await world.patient()
    founder, intruder = professional(), professional()
    async with transaction(world.context(founder)) as act:
        team = await care_teams.create_care_team(act, "Équipe")
    async with transaction(world.context(person)) as act:
        await team_consents.consent_to_team(act, patient_id, team, informed_how=INTERVIEW, proof="signé")
    with pytest.raises(Conflict, match="TEAM_UNKNOWN"):
        async with transaction(world.context(intruder)) as act:
            await care_teams.add_care_team_member(act, team, intruder.id)
    assert not await _opens(world, intruder, patient_id)


async def test_a_consent_without_proof_opens_nothing(world: World) -> None:
    patient_id, person = await world.patient()
    founder = professional()
    async with transaction(world.context(founder)) as act:
        team = await care_teams.create_care_team(act, "Équipe")
    with pytest.raises(InvalidInput, match="PROOF_MISSING"):
        async with transaction(world.context(person)) as act:
            await team_consents.consent_to_team(act, patient_id, team, informed_how=INTERVIEW, proof=" ")
    assert not await _opens(world, founder, patient_id)


async def test_a_new_attending_physician_takes_the_place_of_the_one_before(world: World) -> None:
    patient_id, person = await world.patient()
    before, after = professional(), professional()
    for each in (before, after):
        async with transaction(world.context(person)) as act:
            await attending.declare_attending_physician(act, patient_id, each.id)
    assert [await _opens(world, who, patient_id) for who in (before, after)] == [False, True]


async def test_a_representative_acts_until_the_powers_end(world: World) -> None:
    patient_id, person = await world.patient()
    mother = world.person(ins_of(91_001), name="Mère Essai")
    until = world.clock.now() + timedelta(days=30)
    async with transaction(world.context(person)) as act:
        await declare_representative(
            act, patient_id, mother.id, basis=GUARDIANSHIP, until=until, proof="livret de famille"
        )
    hidden = await world.publish(patient_id, document(hidden_from_representatives=True))
    seen = await world.publish(patient_id, document())
    page = (await reading.open_dossier(world.context(mother), patient_id)).page
    assert [each["document_id"] for each in page.documents] == [str(seen)]
    with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
        await documents.read_document(world.context(mother), hidden)
    world.clock.advance(timedelta(days=30))
    assert not await _opens(world, mother, patient_id)


async def test_the_patient_reads_who_may_and_who_may_not(world: World) -> None:
    patient_id, person = await world.patient()
    doctor, unwelcome = professional(), professional()
    await world.authorize(patient_id, person, doctor)
    async with transaction(world.context(person)) as act:
        await relations.block_professional(act, patient_id, unwelcome.id)
    async with transaction(world.context(person)) as act:
        said = await relations.authorizations(act, patient_id)
    assert [each.subject for each in said.relations] == [doctor.subject]
    assert [each.subject for each in said.blocks] == [unwelcome.subject]
    with pytest.raises(Refused):
        async with transaction(world.context(unwelcome)) as act:
            await relations.authorizations(act, patient_id)


async def test_replacing_a_masked_document_shows_it_to_nobody_new(world: World) -> None:
    patient_id, person = await world.patient()
    author, reader = professional(), professional()
    for who in (author, reader):
        await world.authorize(patient_id, person, who)
    first = document(author=author)
    filed = await world.publish(patient_id, first, by=author)
    async with transaction(world.context(person)) as act:
        await visibility.mask(act, filed)
    async with transaction(world.context(author)) as act:
        new = await publishing.publish(act, patient_id, document(author=author, replaces=first.metadata.unique_id))
    with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
        await documents.read_document(world.context(reader), new.document_id)
    assert (await documents.read_document(world.context(author), new.document_id)).document["masked"] is True


async def test_a_representative_gives_no_power_that_outlasts_his_own(world: World) -> None:
    """What ends when the minor comes of age is not made endless by the one whose power ends."""
    patient_id, person = await world.patient()
    mother, friend = world.person(ins_of(91_201)), world.person(ins_of(91_202))
    end = world.clock.now() + timedelta(days=30)
    async with transaction(world.context(person)) as act:
        await declare_representative(
            act, patient_id, mother.id, basis=GUARDIANSHIP, until=end, proof="livret de famille"
        )
    for who, until in ((mother, None), (friend, end + timedelta(days=1))):
        with pytest.raises(Conflict, match="REPRESENTATION_OUTLASTS_YOURS"):
            async with transaction(world.context(mother)) as act:
                await declare_representative(act, patient_id, who.id, basis=GUARDIANSHIP, until=until, proof="livret")
    async with transaction(world.context(mother)) as act:
        await declare_representative(act, patient_id, friend.id, basis=GUARDIANSHIP, until=end, proof="livret")
    assert await _opens(world, friend, patient_id)
    world.clock.advance(timedelta(days=30))
    assert [await _opens(world, who, patient_id) for who in (mother, friend)] == [False, False]


async def test_nothing_is_granted_that_has_already_ended(world: World) -> None:
    patient_id, person = await world.patient()
    founder, now = professional(), world.clock.now()
    async with transaction(world.context(founder)) as act:
        team = await care_teams.create_care_team(act, "Équipe")
    with pytest.raises(InvalidInput, match="AUTHORIZATION_ENDS_BEFORE_IT_STARTS"):
        async with transaction(world.context(person)) as act:
            await team_consents.consent_to_team(act, patient_id, team, informed_how=INTERVIEW, proof="signé", until=now)
    with pytest.raises(InvalidInput, match="AUTHORIZATION_ENDS_BEFORE_IT_STARTS"):
        async with transaction(world.context(person)) as act:
            await declare_representative(act, patient_id, "0" * 32, basis=GUARDIANSHIP, proof="livret", until=now)


async def test_a_newcomer_is_told_to_every_patient_who_consented_to_the_team(world: World) -> None:
    patient_id, person = await world.patient()
    left_id, left = await world.patient()
    founder, newcomer = professional(), professional(NURSE)
    async with transaction(world.context(founder)) as act:
        team = await care_teams.create_care_team(act, "Équipe")
    for each, who in ((patient_id, person), (left_id, left)):
        async with transaction(world.context(who)) as act:
            await team_consents.consent_to_team(act, each, team, informed_how=INTERVIEW, proof="signé")
    async with transaction(world.context(left)) as act:
        await team_consents.withdraw_team_consent(act, left_id, team)
    for _ in range(2):  # twice is once
        async with transaction(world.context(founder)) as act:
            await care_teams.add_care_team_member(act, team, newcomer.id)
    for each, who, times in ((patient_id, person, 1), (left_id, left, 0)):
        lines = await world.journal(who, each)
        assert [line.action for line in lines if line.actor_id == founder.id] == ["grant"] * times


async def test_who_has_no_part_in_care_founds_no_team(world: World) -> None:
    for who in (world.person(ins_of(91_203)), professional("no such profession")):
        with pytest.raises(Conflict, match="TEAM_UNKNOWN"):
            async with transaction(world.context(who)) as act:
                await care_teams.create_care_team(act, "Équipe")


async def test_the_attending_physician_declares_no_representative(world: World) -> None:
    patient_id, person = await world.patient()
    physician, mother = professional(), world.person(ins_of(91_777))
    async with transaction(world.context(person)) as act:
        await attending.declare_attending_physician(act, patient_id, physician.id)
    with pytest.raises(Refused):
        async with transaction(world.context(physician)) as act:
            await declare_representative(act, patient_id, mother.id, basis=GUARDIANSHIP, proof="parole donnée")
    assert not await _opens(world, mother, patient_id)
