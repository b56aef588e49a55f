"""The quorum of a session, of a case, and what is to be expected before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import relations
from passerelle.kernel.errors import Conflict, Refused
from passerelle.kernel.experts import Elsewhere, Expert, NobodyAsked
from passerelle.oncology import forecast, quorum, seats
from passerelle.oncology.boards import BoardKind
from passerelle.oncology.members import Duty
from passerelle.oncology.quorum import Present, QuorumState
from passerelle.oncology.seats import SeatAnswer
from passerelle.oncology.specialties import PHYSICIANS, Specialty
from passerelle_policies.vocabulary import ActorKind
from tests import builders
from tests.oncology.sessions.region import (
    BLOOD,
    DIGESTIVE,
    GASTROENTEROLOGIST,
    NETWORK,
    PATHOLOGIST,
    PHARMACIST,
    RADIOTHERAPIST,
    SURGEON,
    Region,
)

S = Specialty
THREE = [S.SURGEON, S.MEDICAL_ONCOLOGIST, S.RADIOTHERAPIST]


@pytest.mark.parametrize(
    ("day", "kind", "organ", "there", "reached", "missing"),
    [
        (date(2023, 11, 30), BoardKind.STANDARD, DIGESTIVE, [S.PATHOLOGIST, S.RADIOLOGIST, S.SURGEON], True, []),
        (date(2023, 12, 1), BoardKind.STANDARD, DIGESTIVE, [S.PATHOLOGIST, S.RADIOLOGIST, S.SURGEON], False, THREE[1:]),
        (date(2026, 11, 16), BoardKind.STANDARD, DIGESTIVE, THREE, True, []),
        (date(2026, 11, 16), BoardKind.STANDARD, None, THREE[:2], False, THREE[2:]),
        (date(2026, 11, 16), BoardKind.STANDARD, BLOOD, [S.HAEMATOLOGIST, S.PATHOLOGIST, S.BIOLOGIST], True, []),
        (date(2026, 11, 16), BoardKind.STANDARD, BLOOD, THREE, False, [S.HAEMATOLOGIST]),
        (date(2012, 1, 1), BoardKind.STANDARD, BLOOD, THREE, True, []),
        (date(2026, 11, 16), BoardKind.PAEDIATRIC, DIGESTIVE, THREE, False, [S.PAEDIATRIC_ONCOLOGIST]),
        (date(2026, 11, 16), BoardKind.RECOURSE, DIGESTIVE, [S.SURGEON, S.SURGEON, S.PATHOLOGIST], False, []),
        (date(2026, 11, 16), BoardKind.RARE_CANCERS, DIGESTIVE, [*THREE[:2], S.PHARMACIST, S.NURSE], False, []),
    ],
)
def test_the_rules_of_the_day(
    region: Region,
    day: date,
    kind: BoardKind,
    organ: str | None,
    there: list[Specialty],
    reached: bool,
    missing: list[Specialty],
) -> None:
    rule = quorum.rule_on(region.world.context(builders.operator()), day, kind, organ)
    judged = quorum.judge(rule, [Present(specialty=each) for each in there])
    assert (judged.is_reached, list(judged.missing)) == (reached, missing)
    assert judged.state is (QuorumState.REACHED if reached else QuorumState.NOT_REACHED)
    assert judged.lacking == max(0, 3 - len(set(there) & PHYSICIANS))
    assert quorum.read(judged.as_json()) == judged


def test_by_videoconference_as_the_network_says(region: Region) -> None:
    context = region.world.context(builders.operator())
    there = [Present(specialty=each, is_remote=each is S.SURGEON) for each in THREE]
    for counts in (True, False):
        tenant = replace(context.tenant, parameters={"board.quorum.counts_videoconference": counts})
        rule = quorum.rule_on(replace(context, tenant=tenant), date(2026, 1, 1), BoardKind.STANDARD, DIGESTIVE)
        assert quorum.judge(rule, there).is_reached is counts


async def test_a_case_has_its_own_quorum_without_those_whom_the_patient_blocks(region: Region) -> None:
    place = await region.board(SURGEON, RADIOTHERAPIST, PATHOLOGIST)
    surgeon = list(place.people)[1]
    patient_id, person = await region.world.patient()
    other_id, _ = await region.world.patient()
    async with region.act(person) as act:
        await relations.block_professional(act, patient_id, surgeon)
    session = await region.session(place, open_=True)
    async with region.act(place.secretary) as act:
        before = await forecast.of_case(act, session.session_id, patient_id)
        plain = await forecast.of_session(act, session.session_id)
    assert (before.quorum.missing, plain.quorum.missing) == ((S.SURGEON,), ())
    assert surgeon not in repr(before)
    await region.at(session)
    for rpps in (place.coordinator.id, *list(place.people)[1:]):
        await region.sign(replace(place.coordinator, id=rpps), session)
    async with region.act(place.coordinator) as act:
        assert (await quorum.of_session(act, session.session_id)).is_reached
        assert (await quorum.of_case(act, session.session_id, other_id)).is_reached
        his = await quorum.of_case(act, session.session_id, patient_id)
    assert (his.is_reached, his.missing) == (False, (S.SURGEON,))
    assert surgeon not in repr(his)
    held = await region.hold(place, session)
    assert held.quorum is not None
    assert held.quorum.is_reached
    region.world.clock.advance(timedelta(minutes=1))
    # A block that is lifted after the session gives its case no quorum that it did not have.
    async with region.act(person) as act:
        await relations.unblock_professional(act, patient_id, surgeon)
    async with region.act(place.coordinator) as act:
        assert not (await quorum.of_case(act, session.session_id, patient_id)).is_reached


async def test_the_forecast_names_what_is_missing_and_who_could_fill_it(region: Region) -> None:
    place = await region.board(SURGEON, PATHOLOGIST)
    surgeon = list(place.people)[1]
    deputy = region.doctor("SM05", name="Dr Suppléant", establishment="310009991")
    await region.appoint(place, deputy, duty=Duty.DEPUTY, deputy_of=place.people[surgeon].member_id)
    other = await region.board(RADIOTHERAPIST, coordinator=GASTROENTEROLOGIST)
    unlisted = await region.board(RADIOTHERAPIST, validated=False)
    session = await region.session(place)
    async with region.act(place.secretary) as act:
        await seats.excuse(act, session.session_id, surgeon)
    async with region.act(place.secretary) as act:
        told = await forecast.of_session(act, session.session_id)
    assert told.quorum.missing == (S.SURGEON, S.RADIOTHERAPIST)
    assert (told.quorum.counted, told.quorum.lacking) == ((S.MEDICAL_ONCOLOGIST, S.PATHOLOGIST), 1)
    gaps = {each.specialty: each for each in told.gaps}
    (first, *_) = gaps[S.SURGEON].candidates
    assert (first.rpps, first.is_deputy, first.establishments) == (deputy.id, True, ("310009991",))
    proposed = {each.rpps for each in gaps[S.RADIOTHERAPIST].candidates}
    assert list(other.people)[1] in proposed
    assert list(unlisted.people)[1] not in proposed
    assert other.coordinator.id in {each.rpps for each in told.others}
    assert surgeon not in {each.rpps for gap in told.gaps for each in gap.candidates}
    assert not any(each.was_asked_elsewhere for each in told.gaps)

    async with region.act(deputy) as act:
        await seats.seat_deputy(act, session.session_id)
    expert = Expert(name="Dr Ailleurs", establishment="440000001", network="oncopl")

    class Neighbour:
        async def of_specialty(self, tenant_id: str, specialty: str, at: datetime) -> Elsewhere:
            assert (tenant_id, specialty, at) == ("essai", "radiotherapist", session.starts_at)
            return Elsewhere(was_asked=True, experts=(expert,))

    region.elsewhere = Neighbour()
    async with region.act(place.secretary) as act:
        told = await forecast.of_session(act, session.session_id)
    region.elsewhere = NobodyAsked()
    (gap,) = told.gaps
    assert (gap.specialty, gap.was_asked_elsewhere, gap.experts) == (S.RADIOTHERAPIST, True, (expert,))
    assert (told.quorum.lacking, told.others) == (0, ())


async def test_a_patient_s_block_takes_people_out_of_what_is_proposed_too(region: Region) -> None:
    place, other = await region.board(SURGEON), await region.board(RADIOTHERAPIST)
    radiotherapist = list(other.people)[1]
    patient_id, person = await region.world.patient()
    async with region.act(person) as act:
        await relations.block_professional(act, patient_id, radiotherapist)
    session = await region.session(place)
    async with region.act(place.secretary) as act:
        for_all = await forecast.of_session(act, session.session_id)
        for_case = await forecast.of_case(act, session.session_id, patient_id)
    assert radiotherapist in {each.rpps for gap in for_all.gaps for each in gap.candidates}
    assert radiotherapist not in repr(for_case)


async def test_who_may_not_ask_for_a_forecast(region: Region) -> None:
    place = await region.board()
    session = await region.session(place)
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with region.act(replace(NETWORK, kind=ActorKind.PERSON)) as act:
                await forecast.of_session(act, session.session_id)
    async with transaction(region.world.context(place.secretary)) as act:
        with pytest.raises(Conflict, match="SESSION_UNKNOWN"):
            await quorum.of_session(act, uuid4())


async def test_a_session_is_judged_by_the_rules_of_its_own_day_whenever_it_is_held(region: Region) -> None:
    now = region.now
    region.world.clock.set(datetime(2023, 11, 27, 9, tzinfo=UTC))
    place = await region.board(SURGEON, PATHOLOGIST)
    before, after = await region.session(place, days=3, open_=True), await region.session(place, days=4, open_=True)
    for session in (before, after):
        await region.at(session)
        for rpps in (place.coordinator.id, *list(place.people)[1:]):
            await region.sign(replace(place.coordinator, id=rpps), session)
    region.world.clock.set(datetime(2023, 12, 2, 9, tzinfo=UTC))
    told = [(await region.hold(place, each)).quorum for each in (before, after)]
    assert [each and (each.pack, each.missing) for each in told] == [
        ("2023-10-26-habilitations", ()),
        ("2023-12-01-referentiel-rcp", (S.RADIOTHERAPIST,)),
    ]
    region.world.clock.set(now)


async def test_a_pharmacist_signs_and_counts_for_nothing(region: Region) -> None:
    place = await region.board(SURGEON)
    pharmacist = builders.professional(PHARMACIST)
    await region.appoint(place, pharmacist)
    session = await region.session(place, open_=True)
    await region.at(session)
    await region.sign(pharmacist, session)
    held = await region.hold(place, session)
    assert held.quorum is not None
    assert held.quorum.counted == ()
    assert held.quorum.lacking == 3
    found = await region.seats(session)
    assert found[pharmacist.id].signed_at == region.now
    assert found[pharmacist.id].answer is SeatAnswer.EXPECTED
