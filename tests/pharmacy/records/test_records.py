"""The states of a pharmacy record, whatever is tried on it and in whatever order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.dossier import death
from passerelle.kernel.clock import legal_day, months_before
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.pharmacy import majority, openings, records
from passerelle.pharmacy.tables import pharmacy_record_act
from passerelle_policies.vocabulary import PharmacyRecordState
from tests.builders import operator, professional
from tests.pharmacy.records.conftest import Pharmacy

DELAY, PEACE = 42, 36
BEAT = operator()


async def state(world: Pharmacy, patient_id: UUID, person: Any) -> PharmacyRecordState | None:
    found = await world.do(person, records.state_of, patient_id)
    assert isinstance(found, records.PharmacyRecord)
    return found.state


class Seen(NamedTuple):
    """The record as the rules say that it is."""

    state: PharmacyRecordState | None = None
    opens_on: date | None = None
    peace_until: date | None = None


STEPS = ("inform", "agree", "object", "close", "beat", "a_day", "a_delay", "a_year")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STEPS), max_size=12))
async def test_the_states_are_those_of_the_rules(world: Pharmacy, steps: list[str]) -> None:
    """Against the plainest reading of the texts; on each refusal nothing changes."""
    patient_id, person = await world.patient(open_=False)
    expected, opened_by_beat = Seen(), 0
    for step in steps:
        before, today = await world.kept(), legal_day(world.clock)
        allowed = _allowed(step, expected, today)
        try:
            if step in ("a_day", "a_delay", "a_year"):
                world.clock.advance(timedelta(days={"a_day": 1, "a_delay": DELAY, "a_year": 365}[step]))
            elif step == "beat":
                await openings.open_due(world.context(BEAT))
                assert await openings.open_due(world.context(BEAT)) == 0
            elif step == "agree":
                await world.opened(patient_id)
            else:
                await _done(world, step, patient_id, person)
        except Conflict:
            assert not allowed, step
            kept = await world.kept()
            assert (kept["pharmacy_record"], kept["pharmacy_record_act"]) == (
                before["pharmacy_record"],
                before["pharmacy_record_act"],
            )
        else:
            assert allowed, step
            was, expected = expected, _after(step, expected, today)
            opened_by_beat += step == "beat" and was != expected
        assert await state(world, patient_id, person) is expected.state
    acts = await _acts(world, patient_id)
    assert [each.act for each in acts if each.basis == "opt_out" and each.act == "open"] == ["open"] * opened_by_beat
    assert all(each.kept_until == months_before(each.at.date(), -120) for each in acts if each.act == "object")


async def _done(world: Pharmacy, step: str, patient_id: UUID, person: Any) -> None:
    if step == "inform":
        await world.do(BEAT, records.inform, patient_id, proof="courrier")
    elif step == "object":
        await world.do(person, records.object_, patient_id)
    else:
        await world.do(person, records.close, patient_id)


def _allowed(step: str, seen: Seen, today: date) -> bool:
    match step:
        case "inform":
            is_left_in_peace = seen.peace_until is not None and today < seen.peace_until
            return seen.state not in ("informed", "open") and not is_left_in_peace
        case "agree":
            return seen.state != "open"
        case "object":
            return seen.state != "objected"
        case "close":
            return seen.state == "open"
    return True


def _after(step: str, seen: Seen, today: date) -> Seen:
    match step:
        case "inform":
            return Seen(PharmacyRecordState.INFORMED, today + timedelta(days=DELAY))
        case "agree":
            return Seen(PharmacyRecordState.OPEN)
        case "object":
            return Seen(PharmacyRecordState.OBJECTED, None, months_before(today, -PEACE))
        case "close":
            return Seen(PharmacyRecordState.CLOSED, None, months_before(today, -PEACE))
        case "beat" if seen.state == "informed" and seen.opens_on and seen.opens_on <= today:
            return Seen(PharmacyRecordState.OPEN)
    return seen


async def _acts(world: Pharmacy, patient_id: UUID) -> list[Any]:
    async with world.tenant.database.transaction() as connection:
        found = select(pharmacy_record_act).where(pharmacy_record_act.c.patient_id == patient_id)
        return list(await connection.execute(found.order_by(pharmacy_record_act.c.at)))


async def test_who_is_informed_and_silent_has_it_opened_once_and_is_told(world: Pharmacy) -> None:
    patient_id, person = await world.patient(open_=False)
    await world.do(BEAT, records.inform, patient_id, proof="courrier")
    world.clock.advance(timedelta(days=DELAY - 1))
    assert await openings.open_due(world.context(BEAT)) == 0
    world.clock.advance(timedelta(days=300))  # an outage

    assert await openings.open_due(world.context(BEAT)) == 1
    assert await openings.open_due(world.context(BEAT)) == 0
    assert await state(world, patient_id, person) is PharmacyRecordState.OPEN
    assert await world.notices(person) == ["pharmacy_record_opened", "pharmacy_record_informed"]


async def test_that_of_whoever_died_meanwhile_is_not_opened(world: Pharmacy) -> None:
    (patient_id, _), (other_id, _) = await world.patient(), await world.patient()
    for each in (patient_id, other_id):
        await world.do(BEAT, records.inform, each, proof="courrier")
    world.clock.advance(timedelta(days=DELAY + 1))
    today = legal_day(world.clock)
    await world.do(operator(), death.declare, patient_id, on=today, proof="acte de décès")
    before = await _acts(world, patient_id)
    assert await openings.open_due(world.context(BEAT)) == 1
    assert await _acts(world, patient_id) == before
    await world.do(operator(), death.undo, patient_id, proof="certificat de vie")
    assert await openings.open_due(world.context(BEAT)) == 1


async def test_an_opening_waits_for_its_delay_and_its_proof(world: Pharmacy) -> None:
    patient_id, person = await world.patient(open_=False)
    with pytest.raises(InvalidInput, match="PROOF_MISSING"):
        await world.do(BEAT, records.inform, patient_id, proof=" ")
    await world.do(BEAT, records.inform, patient_id, proof="courrier")
    with pytest.raises(Conflict, match="PHARMACY_OPENING_NOT_DUE"):
        await world.do(BEAT, records.open_unopposed, patient_id, proof="sans opposition")
    assert await state(world, patient_id, person) is PharmacyRecordState.INFORMED


@pytest.mark.parametrize("use_case", [records.object_, records.close, records.open_, records.inform])
async def test_nobody_else_decides_for_the_patient(world: Pharmacy, use_case: Callable[..., Any]) -> None:
    patient_id, _ = await world.patient()
    await world.opened(patient_id)
    doctor = professional()
    before = await world.kept()
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        await world.do(doctor, use_case, patient_id, proof="essai")
    assert await world.kept() == before


async def test_whoever_comes_of_age_is_told_anew_once(world: Pharmacy) -> None:
    patient_id, person = await world.patient(open_=False, born="20090301")
    _, other = await world.patient(open_=False, born="20090301")
    await world.opened(patient_id)
    assert await majority.inform_anew(world.context(BEAT)) == 0
    world.clock.advance(timedelta(days=365))

    assert await majority.inform_anew(world.context(BEAT)) == 1
    assert await majority.inform_anew(world.context(BEAT)) == 0
    assert await world.notices(person) == ["pharmacy_record_majority"]
    assert await world.notices(other) == []
