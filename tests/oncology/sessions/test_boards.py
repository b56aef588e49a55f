"""A board is declared, validated and staffed by those who may, and by nobody else."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, Refused
from passerelle.oncology import boards, members, sessions
from passerelle.oncology.boards import BoardKind, BoardScope, BoardState, Charter, Declared
from passerelle.oncology.members import Appointed, Duty
from passerelle.oncology.specialties import Specialty
from passerelle_policies.vocabulary import ActorKind
from tests import builders
from tests.oncology.sessions.region import (
    DIGESTIVE,
    NETWORK,
    NURSE,
    ONCOLOGIST,
    PHARMACIST,
    RADIOTHERAPIST,
    SECRETARY,
    SURGEON,
    Region,
)

SAID = Declared(
    name="RCP digestive",
    kind=BoardKind.STANDARD,
    scope=BoardScope.ORGAN,
    organ=DIGESTIVE,
    charter=Charter(duration_minutes=60),
)


async def test_an_establishment_declares_staffs_and_the_network_validates(region: Region) -> None:
    hospital = builders.structure("310000901")
    async with region.act(hospital) as act:
        centre = await boards.found_centre(act, "3C d'essai")
        said = replace(SAID, charter=replace(SAID.charter, centre_id=centre, recurrence="rrule:freq=weekly;byday=tu"))
        declared = await boards.declare(act, said)
    assert (declared.state, declared.recurrence) == (BoardState.DECLARED, "FREQ=WEEKLY;BYDAY=TU")
    async with region.unchanged():
        with pytest.raises(Conflict, match="BOARD_WITHOUT_COORDINATOR"):
            async with region.act(NETWORK) as act:
                await boards.validate(act, declared.board_id)

    first, second = region.doctor(SURGEON), region.doctor(ONCOLOGIST)
    async with region.act(hospital) as act:
        one = await members.appoint(act, declared.board_id, Appointed(rpps=first.id, duty=Duty.COORDINATOR))
    assert (one.specialty, one.specialty_code) == (Specialty.SURGEON, SURGEON)
    async with region.act(NETWORK) as act:
        assert (await boards.validate(act, declared.board_id)).state is BoardState.VALIDATED
    async with region.act(first) as act:
        deputy = Appointed(rpps=region.doctor("SM13").id, duty=Duty.DEPUTY, deputy_of=one.member_id)
        sits_for_one = await members.appoint(act, declared.board_id, deputy)
    # The next coordinator takes over; the first stays as a member, with his deputy.
    async with region.act(first) as act:
        await members.appoint(act, declared.board_id, Appointed(rpps=second.id, duty=Duty.COORDINATOR))
    assert await _duties(region, declared.board_id) == {first.id: "member", second.id: "coordinator"} | {
        sits_for_one.subject.partition(":")[2]: "deputy"
    }
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with region.act(first) as act:
                await boards.amend(act, declared.board_id, SAID.charter)
    its_own = [each for each in (await region.rows())["board_member"] if each.subject == first.subject]
    (row,) = (each for each in its_own if each.valid_until is None)
    async with region.act(second) as act:
        await members.end(act, declared.board_id, row.member_id)
    assert await _duties(region, declared.board_id) == {second.id: "coordinator"}


async def _duties(region: Region, board_id: object) -> dict[str, str]:
    rows = (await region.rows())["board_member"]
    return {
        each.subject.partition(":")[2]: each.duty
        for each in rows
        if each.board_id == board_id and each.valid_until is None
    }


async def test_only_the_network_validates_suspends_and_resumes(region: Region) -> None:
    place = await region.board(SURGEON, validated=False)
    for do in (boards.validate, boards.suspend, boards.resume):
        for who in (place.coordinator, place.secretary, builders.structure(place.board.establishment)):
            async with region.unchanged(refused=True):
                with pytest.raises(Refused, match="ACCESS_REFUSED"):
                    async with region.act(who) as act:
                        await do(act, place.board_id)
    for do, code in ((boards.suspend, "BOARD_NOT_VALIDATED"), (boards.resume, "BOARD_NOT_SUSPENDED")):
        async with region.unchanged():
            with pytest.raises(Conflict, match=code):
                async with region.act(NETWORK) as act:
                    await do(act, place.board_id)
    async with region.unchanged():
        with pytest.raises(Conflict, match="BOARD_NOT_VALIDATED"):
            await region.session(place)
    for do, state in (
        (boards.validate, BoardState.VALIDATED),
        (boards.suspend, BoardState.SUSPENDED),
        (boards.resume, BoardState.VALIDATED),
        (boards.suspend, BoardState.SUSPENDED),
    ):
        async with region.act(NETWORK) as act:
            assert (await do(act, place.board_id)).state is state
    async with region.unchanged():
        with pytest.raises(Conflict, match="BOARD_NOT_VALIDATED"):
            await region.session(place)
        with pytest.raises(Conflict, match="BOARD_NOT_DECLARED"):
            async with region.act(NETWORK) as act:
                await boards.validate(act, place.board_id)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (replace(SAID, name="  "), "BOARD_INCOMPLETE"),
        (replace(SAID, organ="0"), "BOARD_ORGAN_NEEDED"),
        (replace(SAID, organ=None), "BOARD_ORGAN_NEEDED"),
        (replace(SAID, scope=BoardScope.TRANSVERSAL), "BOARD_ORGAN_NEEDED"),
        (replace(SAID, charter=Charter(duration_minutes=0)), "BOARD_DURATION_INVALID"),
        (replace(SAID, charter=Charter(duration_minutes=60, recurrence="FREQ=HOURLY")), "RECURRENCE_INVALID"),
        (replace(SAID, charter=Charter(duration_minutes=60, board_number="a b")), "BOARD_NUMBER_MALFORMED"),
        (
            replace(SAID, charter=Charter(duration_minutes=60, centre_id=uuid4())),
            "CENTRE_UNKNOWN",
        ),
    ],
)
async def test_what_cannot_be_declared(region: Region, said: Declared, code: str) -> None:
    async with region.unchanged():
        with pytest.raises(InvalidInput, match=code):
            async with region.act(builders.structure("310000902")) as act:
                await boards.declare(act, said)


async def test_who_may_not_declare_and_nothing_is_declared_twice(region: Region) -> None:
    hospital = builders.structure("310000903")
    for who in (NETWORK, builders.professional(NURSE, establishment="310000903")):
        async with region.unchanged(refused=who is not NETWORK):
            with pytest.raises((Refused, InvalidInput)):
                async with region.act(who) as act:
                    await boards.declare(act, SAID)
    async with region.act(hospital) as act:
        await boards.declare(act, SAID)
        await boards.found_centre(act, "3C")
    async with region.unchanged():
        with pytest.raises(Conflict, match="BOARD_EXISTS"):
            async with region.act(hospital) as act:
                await boards.declare(act, SAID)
        with pytest.raises(Conflict, match="CENTRE_EXISTS"):
            async with region.act(hospital) as act:
                await boards.found_centre(act, "3C")
        with pytest.raises(InvalidInput, match="PLACE_MISSING"):
            async with region.act(region.doctor(SURGEON)) as act:
                await boards.declare(act, SAID)


async def test_a_specialty_is_the_directory_s(region: Region) -> None:
    place = await region.board()
    for who, said, given in (
        (region.doctor("SM20"), None, Specialty.SURGEON),
        (region.doctor("SM20"), Specialty.ORGAN_SPECIALIST, Specialty.ORGAN_SPECIALIST),
        (region.doctor("SM40"), Specialty.PAEDIATRIC_ONCOLOGIST, Specialty.PAEDIATRIC_ONCOLOGIST),
        (region.doctor(), Specialty.SURGEON, Specialty.SURGEON),
        (builders.professional(PHARMACIST), None, Specialty.PHARMACIST),
        (builders.professional(NURSE), None, Specialty.NURSE),
    ):
        assert (await region.appoint(place, who, specialty=said)).specialty is given
    member = place.people[next(iter(place.people))]
    for who, appointed, code in (
        (region.doctor(RADIOTHERAPIST), {"specialty": Specialty.SURGEON}, "SPECIALTY_NOT_HIS"),
        (builders.professional(NURSE), {"specialty": Specialty.SURGEON}, "SPECIALTY_NOT_HIS"),
        (region.doctor(), {}, "SPECIALTY_MISSING"),
        (region.doctor(), {"specialty": Specialty.PHARMACIST}, "SPECIALTY_NOT_HIS"),
        (builders.professional(NURSE), {"duty": Duty.COORDINATOR}, "COORDINATOR_NOT_PHYSICIAN"),
        (builders.professional(SECRETARY), {"duty": Duty.SECRETARY, "specialty": Specialty.NURSE}, "SECRETARY_WITHOUT"),
        (region.doctor(SURGEON), {"duty": Duty.DEPUTY}, "DEPUTY_OF_MISSING"),
        (region.doctor(SURGEON), {"deputy_of": member.member_id}, "DEPUTY_OF_MISSING"),
        (region.doctor(SURGEON), {"duty": Duty.DEPUTY, "deputy_of": member.member_id}, "MEMBER_UNKNOWN"),
        (place.secretary, {"duty": Duty.SECRETARY}, "MEMBER_ALREADY"),
        (place.coordinator, {}, "MEMBER_ALREADY"),
    ):
        async with region.unchanged():
            with pytest.raises((InvalidInput, Conflict), match=code):
                await region.appoint(place, who, **appointed)


async def test_a_board_keeps_a_coordinator_and_no_more_members_than_allowed(region: Region) -> None:
    place = await region.board(deputies=False)
    (coordinator,) = [
        each
        for each in (await region.rows())["board_member"]
        if each.board_id == place.board_id and each.duty == "coordinator"
    ]
    async with region.unchanged():
        with pytest.raises(Conflict, match="COORDINATOR_NEEDED"):
            async with region.act(place.secretary) as act:
                await members.end(act, place.board_id, coordinator.member_id)
        with pytest.raises(Conflict, match="DEPUTIES_NOT_ALLOWED"):
            await region.appoint(place, region.doctor(SURGEON), duty=Duty.DEPUTY, deputy_of=coordinator.member_id)
        with pytest.raises(Conflict, match="MEMBER_UNKNOWN"):
            async with region.act(place.secretary) as act:
                await members.end(act, place.board_id, uuid4())
    tenant = region.world.tenant
    region.world.tenant = replace(tenant, parameters={"oncology.members_max": 2})
    async with region.unchanged():
        with pytest.raises(LimitExceeded, match="MEMBERS_TOO_MANY"):
            await region.appoint(place, region.doctor(SURGEON))
    region.world.tenant = tenant


async def test_strangers_change_nothing_of_a_board(region: Region) -> None:
    place, other = await region.board(SURGEON), await region.board()
    session = await region.session(place)
    for who in (other.coordinator, other.secretary, region.doctor(SURGEON), NETWORK):
        async with region.unchanged(refused=True):
            with pytest.raises(Refused, match="ACCESS_REFUSED"):
                await region.appoint(place, region.doctor(SURGEON), by=who)
        async with region.unchanged(refused=True):
            with pytest.raises(Refused, match="ACCESS_REFUSED"):
                async with region.act(who) as act:
                    await sessions.plan(act, place.board_id, session.starts_at)
    citizen = replace(NETWORK, kind=ActorKind.PERSON)
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with region.act(citizen) as act:
                await sessions.cancel(act, session.session_id, "motif")
