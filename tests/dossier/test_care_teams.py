"""Who is in a care team, who reads it, and whom a consent to it reaches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.audit.transactions import transaction
from passerelle.dossier import access, care_teams, relations, team_consents
from passerelle.dossier.team_consents import InformedHow
from passerelle.identities.directory import Directory, Establishment, Practice, Professional
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, Refused
from passerelle_policies.vocabulary import Relation
from tests.builders import DIRECTORY, NURSE, World, ins_of, professional
from tests.conftest import Cloned

SOCIAL_WORKER, SECRETARY = "320", "331"


async def found(world: World, founder: Actor, *members: Actor) -> UUID:
    async with transaction(world.context(founder)) as act:
        team = await care_teams.create_care_team(act, "Équipe d'essai")
        for each in members:
            await care_teams.add_care_team_member(act, team, each.id)
    return team


async def consent(world: World, patient_id: UUID, person: Actor, team: UUID) -> None:
    async with transaction(world.context(person)) as act:
        await team_consents.consent_to_team(
            act, patient_id, team, informed_how=InformedHow.INTERVIEW, proof="formulaire signé"
        )


async def covered(world: World, who: Actor, patient_id: UUID) -> bool:
    async with world.tenant.database.transaction() as connection:
        facts = await access.facts_of(world.context(who), connection, patient_id)
    return Relation.CARE_TEAM in facts.relations and not facts.blocked


async def told(world: World, patient_id: UUID, person: Actor, by: Actor) -> list[tuple[str, str]]:
    lines = await world.journal(person, patient_id)
    return [(line.action, line.rule) for line in lines if line.actor_id == by.id]


async def test_a_member_leaves_or_is_removed_and_is_out_at_once(world: World) -> None:
    patient_id, person = await world.patient()
    founder, nurse, social = professional(), professional(NURSE), professional(SOCIAL_WORKER)
    team = await found(world, founder, nurse, social)
    await consent(world, patient_id, person, team)
    assert [await covered(world, who, patient_id) for who in (founder, nurse, social)] == [True] * 3

    async with transaction(world.context(nurse)) as act:  # by himself
        await care_teams.remove_care_team_member(act, team, nurse.id)
    async with transaction(world.context(founder)) as act:  # by a fellow member, twice is once
        await care_teams.remove_care_team_member(act, team, social.id)
        await care_teams.remove_care_team_member(act, team, social.id)

    assert [await covered(world, who, patient_id) for who in (founder, nurse, social)] == [True, False, False]
    assert await told(world, patient_id, person, nurse) == [("withdraw", "team-departure")]
    assert await told(world, patient_id, person, founder) == [("withdraw", "team-departure")]
    with pytest.raises(Conflict, match="TEAM_UNKNOWN"):
        async with transaction(world.context(nurse)) as act:
            await care_teams.remove_care_team_member(act, team, founder.id)
    assert await covered(world, founder, patient_id)
    async with transaction(world.context(founder)) as act:  # and comes back, in the same instant even
        await care_teams.add_care_team_member(act, team, nurse.id)
    assert await covered(world, nurse, patient_id)


async def test_only_those_who_have_a_part_in_care_are_members(world: World) -> None:
    founder, secretary, unknown = professional(), professional(SECRETARY), professional("no such profession")
    retired, stranger = professional(), professional()
    DIRECTORY.professionals[retired.id] = replace(DIRECTORY.professionals[retired.id], is_active=False)
    del DIRECTORY.professionals[stranger.id]
    team = await found(world, founder)
    for who, code in (
        (secretary, "TEAM_ROLE_REFUSED"),
        (unknown, "TEAM_ROLE_REFUSED"),
        (retired, "RPPS_UNKNOWN"),
        (stranger, "RPPS_UNKNOWN"),
    ):
        with pytest.raises((Conflict, InvalidInput), match=code):
            async with transaction(world.context(founder)) as act:
                await care_teams.add_care_team_member(act, team, who.id)
    for who in (secretary, unknown):
        with pytest.raises(Conflict, match="TEAM_UNKNOWN"):
            await found(world, who)
    async with transaction(world.context(founder)) as act:
        assert [each.subject for each in (await care_teams.read_care_team(act, team)).members] == [founder.subject]


async def test_a_team_has_a_size(world: World) -> None:
    small = World(tenant=replace(world.tenant, parameters={"care_team.members_max": 2}), clock=world.clock)
    founder, second, third = professional(), professional(), professional()
    team = await found(small, founder, second)
    with pytest.raises(LimitExceeded, match="TEAM_FULL"):
        async with transaction(small.context(second)) as act:
            await care_teams.add_care_team_member(act, team, third.id)
    async with transaction(small.context(second)) as act:
        assert len((await care_teams.read_care_team(act, team)).members) == 2


async def test_a_roll_is_read_by_members_and_by_the_patient_who_consented(world: World) -> None:
    patient_id, person = await world.patient()
    other_id, other = await world.patient()
    founder, nurse, outsider = professional(name="Dr Fondatrice"), professional(NURSE), professional()
    team = await found(world, founder, nurse)
    await consent(world, patient_id, person, team)

    async with transaction(world.context(nurse)) as act:
        for_member = await care_teams.read_care_team(act, team)
    async with transaction(world.context(person)) as act:
        for_patient = await care_teams.read_care_team(act, team, patient_id=patient_id)

    assert for_member == for_patient
    assert [(each.subject, each.profession) for each in for_patient.members] == [
        (founder.subject, "10"),
        (nurse.subject, NURSE),
    ]
    for who, of in ((outsider, None), (other, other_id)):
        with pytest.raises(Conflict, match="TEAM_UNKNOWN"):
            async with transaction(world.context(who)) as act:
                await care_teams.read_care_team(act, team, patient_id=of)
    for who, of in ((other, patient_id), (nurse, patient_id)):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with transaction(world.context(who)) as act:
                await care_teams.read_care_team(act, team, patient_id=of)


async def test_the_directory_is_asked_for_people_and_places(world: World, directory_database: Cloned) -> None:
    directory = Directory(directory_database.database)
    place = Establishment(finess="310000001", name="CH d'essai", basin="essai", tenant_id="essai")
    founder, nurse, stranger = professional(), professional(NURSE), professional()
    here = Practice(tenant_id="essai")
    known = [
        Professional(rpps=rpps, family_name="ESSAI", given_name="Lou", profession=code, practices=(here,))
        for rpps, code in ((founder.id, "10"), (nurse.id, NURSE))
    ]
    await directory.register_establishments([place])
    await directory.register_professionals(known)
    real = World(tenant=world.tenant, clock=world.clock, directory=directory)

    async with transaction(real.context(founder)) as act:
        team = await care_teams.create_care_team(act, "Équipe", establishment=place.finess)
        await care_teams.add_care_team_member(act, team, nurse.id)
        roll = await care_teams.read_care_team(act, team)
    assert [each.name for each in roll.members] == ["Lou ESSAI", "Lou ESSAI"]
    with pytest.raises(InvalidInput, match="ESTABLISHMENT_UNKNOWN"):
        async with transaction(real.context(founder)) as act:
            await care_teams.create_care_team(act, "Équipe", establishment="999999999")
    with pytest.raises(InvalidInput, match="RPPS_UNKNOWN"):
        async with transaction(real.context(founder)) as act:
            await care_teams.add_care_team_member(act, team, stranger.id)
    patient_id, person = await world.patient()
    for use_case in (relations.authorize, relations.block_professional):
        with pytest.raises(InvalidInput, match="RPPS_UNKNOWN"):
            async with transaction(real.context(person)) as act:
                await use_case(act, patient_id, stranger.id)
    async with transaction(real.context(person)) as act:
        said = await relations.authorizations(act, patient_id)
    assert (said.relations, said.blocks) == ([], [])


async def test_a_consent_says_how_and_by_whom_it_was_asked(world: World) -> None:
    patient_id, person = await world.patient()
    founder, outsider = professional(), professional()
    team = await found(world, founder)
    with pytest.raises(InvalidInput, match="ASKED_BY_NOT_A_MEMBER"):
        async with transaction(world.context(person)) as act:
            await team_consents.consent_to_team(
                act, patient_id, team, informed_how=InformedHow.VIDEO, proof="signé", asked_by=outsider.id
            )
    assert not await covered(world, founder, patient_id)
    async with transaction(world.context(person)) as act:
        await team_consents.consent_to_team(
            act, patient_id, team, informed_how=InformedHow.VIDEO, proof="signé", asked_by=founder.id
        )
        (held,) = (await relations.authorizations(act, patient_id)).team_consents
    assert (held.informed_how, held.recorded_by, held.proof) == ("video", founder.subject, "signé")


async def test_a_list_of_authorisations_is_never_longer_than_the_rule_says(world: World) -> None:
    few = World(tenant=replace(world.tenant, parameters={"authorizations.max": 2}), clock=world.clock)
    patient_id, person = await few.patient()
    for _ in range(2):
        await few.authorize(patient_id, person, professional())
    with pytest.raises(LimitExceeded, match="AUTHORIZATIONS_TOO_MANY"):
        await few.authorize(patient_id, person, professional())
    async with transaction(few.context(person)) as act:
        assert len((await relations.authorizations(act, patient_id)).relations) == 2


# Decision 0086: a blocked member does not come back through those whom he brings in.


async def test_a_blocked_member_brings_nobody_to_the_patient_who_blocked_him(world: World) -> None:
    patient_id, person = await world.patient()
    free_id, free = await world.patient()
    founder, blocked, friend, friend_of_friend = (professional() for _ in range(4))
    team = await found(world, founder, blocked)
    for each, who in ((patient_id, person), (free_id, free)):
        await consent(world, each, who, team)
    async with transaction(world.context(person)) as act:
        await relations.block_professional(act, patient_id, blocked.id)
    async with transaction(world.context(blocked)) as act:
        await care_teams.add_care_team_member(act, team, friend.id)
    async with transaction(world.context(friend)) as act:
        await care_teams.add_care_team_member(act, team, friend_of_friend.id)

    both = (friend, friend_of_friend)
    assert [await covered(world, who, patient_id) for who in both] == [False, False]
    assert [await covered(world, who, free_id) for who in both] == [True, True]
    assert await told(world, patient_id, person, blocked) == []
    assert await told(world, free_id, free, blocked) == [("grant", "team-newcomer")]
    async with transaction(world.context(person)) as act:
        await relations.unblock_professional(act, patient_id, blocked.id)
    assert [await covered(world, who, patient_id) for who in both] == [True, True]


async def test_whom_a_blocked_member_removes_any_other_brings_back(world: World) -> None:
    """To refuse it would tell him of the block; the patient reads of it, and a removal opens nothing to anybody."""
    patient_id, person = await world.patient()
    founder, blocked, nurse = professional(), professional(), professional(NURSE)
    team = await found(world, founder, blocked, nurse)
    await consent(world, patient_id, person, team)
    async with transaction(world.context(person)) as act:
        await relations.block_professional(act, patient_id, blocked.id)
    async with transaction(world.context(blocked)) as act:
        await care_teams.remove_care_team_member(act, team, nurse.id)

    assert not await covered(world, nurse, patient_id)
    assert await told(world, patient_id, person, blocked) == [("withdraw", "team-departure")]
    async with transaction(world.context(founder)) as act:
        await care_teams.add_care_team_member(act, team, nurse.id)
    assert await covered(world, nurse, patient_id)


async def test_nor_does_he_keep_out_whom_he_removes_and_adds_again(world: World) -> None:
    patient_id, person = await world.patient()
    founder, blocked, nurse, friend = professional(), professional(), professional(NURSE), professional()
    team = await found(world, founder, blocked, nurse)
    world.clock.advance(timedelta(seconds=1))
    await consent(world, patient_id, person, team)
    world.clock.advance(timedelta(seconds=1))
    async with transaction(world.context(person)) as act:
        await relations.block_professional(act, patient_id, blocked.id)
    async with transaction(world.context(blocked)) as act:
        await care_teams.add_care_team_member(act, team, friend.id)
    for each in (nurse, friend):
        world.clock.advance(timedelta(seconds=1))
        for use_case in (care_teams.remove_care_team_member, care_teams.add_care_team_member):
            async with transaction(world.context(blocked)) as act:
                await use_case(act, team, each.id)
    assert [await covered(world, who, patient_id) for who in (nurse, friend)] == [True, False]
    said = [("withdraw", "team-departure"), ("grant", "team-newcomer")]
    assert sorted(await told(world, patient_id, person, blocked)) == sorted(said)


async def test_whom_he_removed_before_he_was_blocked_stays_out(world: World) -> None:
    """Nor whom he removed before the patient consented: what the patient saw when he decided is what counts."""
    patient_id, person = await world.patient()
    late_id, late = await world.patient()
    founder, blocked, nurse = professional(), professional(), professional(NURSE)
    team = await found(world, founder, blocked, nurse)
    await consent(world, patient_id, person, team)
    async with transaction(world.context(late)) as act:
        await relations.block_professional(act, late_id, blocked.id)
    world.clock.advance(timedelta(seconds=1))
    async with transaction(world.context(blocked)) as act:
        await care_teams.remove_care_team_member(act, team, nurse.id)
    world.clock.advance(timedelta(seconds=1))
    await consent(world, late_id, late, team)
    async with transaction(world.context(person)) as act:
        await relations.block_professional(act, patient_id, blocked.id)
    async with transaction(world.context(blocked)) as act:
        await care_teams.add_care_team_member(act, team, nurse.id)
    assert [await covered(world, nurse, each) for each in (patient_id, late_id)] == [False, False]


@dataclass
class Model:
    """What decision 0086 says, told by hand."""

    now: int = 0
    members: set[int] = field(default_factory=lambda: {0, 1})
    blocked: dict[int, int] = field(default_factory=dict)  # and since when
    left_out: dict[int, dict[int, int]] = field(default_factory=dict)  # member: because of whom, and since when
    removed: dict[int, tuple[int, int]] = field(default_factory=dict)  # whom the consent reached: by whom, and when

    def join(self, by: int, who: int) -> None:
        if by in self.members and who not in self.members:
            self.members.add(who)
            roots = self.left_out.get(by, {}) | ({by: self.blocked[by]} if by in self.blocked else {})
            remover, at = self.removed.pop(who, (None, 0))
            self.left_out[who] = {root: self.now for root, since in roots.items() if remover != by or since > at}

    def leave(self, by: int, who: int) -> None:
        if by in self.members and who in self.members:
            self.members.discard(who)
            if not self.left_out.pop(who, None):
                self.removed[who] = (by, self.now)

    def unblock(self, who: int) -> None:
        self.blocked.pop(who, None)
        for roots in self.left_out.values():
            roots.pop(who, None)

    def covers(self, who: int) -> bool:
        return who in self.members and who not in self.blocked and not self.left_out.get(who)


_WHO = st.integers(0, 4)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), _WHO, _WHO),
        st.tuples(st.just("leave"), _WHO, _WHO),
        st.tuples(st.just("block"), _WHO, st.just(0)),
        st.tuples(st.just("unblock"), _WHO, st.just(0)),
        st.tuples(st.just("consent"), st.just(0), st.just(0)),
    ),
    min_size=4,
    max_size=12,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
async def test_no_sequence_of_joinings_goes_round_a_block(world: World, steps: list[tuple[str, int, int]]) -> None:
    patient_id, person = await world.patient()
    people = [professional() for _ in range(5)]
    team = await found(world, people[0], people[1])
    await consent(world, patient_id, person, team)
    model = Model()
    for what, first, second in steps:
        world.clock.advance(timedelta(seconds=1))
        model.now += 1
        one, other = people[first], people[second]
        if what == "consent":
            await consent(world, patient_id, person, team)
            model.left_out.clear()
        elif what == "block":
            async with transaction(world.context(person)) as act:
                await relations.block_professional(act, patient_id, one.id)
            model.blocked.setdefault(first, model.now)
        elif what == "unblock":
            async with transaction(world.context(person)) as act:
                await relations.unblock_professional(act, patient_id, one.id)
            model.unblock(first)
        else:
            use_case = care_teams.add_care_team_member if what == "join" else care_teams.remove_care_team_member
            try:
                async with transaction(world.context(one)) as act:
                    await use_case(act, team, other.id)
            except Conflict:
                assert first not in model.members
            if what == "join":
                model.join(first, second)
            else:
                model.leave(first, second)
        assert [await covered(world, who, patient_id) for who in people] == [model.covers(n) for n in range(5)]


async def test_a_person_is_no_member(world: World) -> None:
    with pytest.raises(Conflict, match="TEAM_UNKNOWN"):
        await found(world, world.person(ins_of(93_001)))
