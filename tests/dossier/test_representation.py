"""Who represents a patient, on what basis, and until when: coming of age to the day, whatever was declared."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from passerelle.audit import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import access, reading, relations, representation
from passerelle.dossier.representation import RepresentationBasis
from passerelle.identities.tables import patient
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle_policies.vocabulary import Relation
from tests.builders import World, document, ins_of, operator

MINOR, GUARDIANSHIP = RepresentationBasis.MINOR, RepresentationBasis.GUARDIANSHIP


async def declare(
    world: World,
    patient_id: UUID,
    by: Actor,
    who: Actor,
    basis: RepresentationBasis = MINOR,
    until: datetime | None = None,
) -> relations.Grant:
    async with transaction(world.context(by)) as act:
        return await representation.declare_representative(
            act, patient_id, who.id, basis=basis, until=until, proof="livret de famille"
        )


async def represents(world: World, who: Actor, patient_id: UUID) -> bool:
    async with world.tenant.database.transaction() as connection:
        facts = await access.facts_of(world.context(who), connection, patient_id)
    return Relation.REPRESENTATIVE in facts.relations


async def test_a_representation_has_the_basis_of_the_patient_s_age(world: World) -> None:
    child_id, _ = await world.patient(born="20150302")
    adult_id, adult = await world.patient()
    unknown_id, unknown = await world.patient(born="")
    someone = world.person(ins_of(94_001))
    for patient_id, by, basis, code in (
        (child_id, operator(), GUARDIANSHIP, "PATIENT_A_MINOR"),
        (adult_id, adult, MINOR, "PATIENT_OF_AGE"),
        (adult_id, adult, RepresentationBasis.CURATORSHIP, "REPRESENTATION_BASIS_INVALID"),
        (unknown_id, unknown, MINOR, "BIRTH_DATE_UNKNOWN"),
    ):
        with pytest.raises((Conflict, InvalidInput), match=code):
            await declare(world, patient_id, by, someone, basis)
        assert not await represents(world, someone, patient_id)
    for basis in (
        GUARDIANSHIP,
        RepresentationBasis.FAMILY_HABILITATION,
        RepresentationBasis.FUTURE_PROTECTION_MANDATE,
    ):
        guardian = world.person(ins_of(94_002))
        assert (await declare(world, adult_id, operator(), guardian, basis)).basis == basis
        assert await represents(world, guardian, adult_id)
    seen = await world.publish(adult_id, document())
    for who in (adult, world.person(ins_of(94_002))):  # a protected adult goes on reading his own record
        page = (await reading.open_dossier(world.context(who), adult_id)).page
        assert [each["document_id"] for each in page.documents] == [str(seen)]


async def test_nobody_but_its_author_the_representative_or_the_operator_ends_a_representation(world: World) -> None:
    child_id, child = await world.patient(born="20150302")
    mother, father = world.person(ins_of(94_101)), world.person(ins_of(94_102))
    for who in (mother, father):
        await declare(world, child_id, operator(), who)

    async def ends(by: Actor, who: Actor) -> int:
        async with transaction(world.context(by)) as act:
            return await representation.end_representation(act, child_id, who.id)

    for by in (child, father):
        with pytest.raises(Conflict, match="REPRESENTATION_ENDS_BY_LAW"):
            await ends(by, mother)
        assert await represents(world, mother, child_id)
    assert await ends(father, father) == 1
    assert await ends(operator(), mother) == 1
    assert [await represents(world, who, child_id) for who in (mother, father)] == [False, False]
    adult_id, adult = await world.patient()
    await declare(world, adult_id, adult, mother, GUARDIANSHIP)
    async with transaction(world.context(adult)) as act:
        assert await representation.end_representation(act, adult_id, mother.id) == 1


async def test_a_minor_declares_no_representative_of_his_own(world: World) -> None:
    child_id, child = await world.patient(born="20150302")
    mother, father = world.person(ins_of(94_151)), world.person(ins_of(94_152))
    with pytest.raises(Conflict, match="MINOR_DECLARES_NO_REPRESENTATIVE"):
        await declare(world, child_id, child, mother)
    assert not await represents(world, mother, child_id)
    async with world.tenant.database.transaction() as connection:
        line = (await journal.page(connection, child_id, first=1))[0]
    assert (line.actor_id, line.outcome, line.code) == (child.id, "refused", "MINOR_DECLARES_NO_REPRESENTATIVE")
    await declare(world, child_id, operator(), mother)
    await declare(world, child_id, mother, father)
    assert await represents(world, father, child_id)


async def test_a_representative_is_known_to_the_patient_whoever_declared_him(world: World) -> None:
    adult_id, adult = await world.patient()
    await declare(world, adult_id, operator(), world.person(ins_of(94_201)), GUARDIANSHIP)
    assert await world.notices(adult) == ["representation_changed"]
    other_id, other = await world.patient()
    await declare(world, other_id, other, world.person(ins_of(94_202)), GUARDIANSHIP)
    assert await world.notices(other) == []


@pytest.mark.parametrize(
    ("born", "last_day", "first_day"),
    [
        ("20081117", date(2026, 11, 16), date(2026, 11, 17)),
        ("20080229", date(2026, 2, 28), date(2026, 3, 1)),
        ("20100401", date(2028, 3, 31), date(2028, 4, 1)),  # in Paris a day begins the evening before, in UTC
        ("2009", date(2026, 12, 31), date(2027, 1, 1)),
    ],
)
async def test_powers_over_a_minor_end_the_day_he_comes_of_age(
    world: World, born: str, last_day: date, first_day: date
) -> None:
    world.clock.set(datetime(2026, 1, 10, 9, tzinfo=UTC))
    child_id, _ = await world.patient(born=born)
    mother = world.person(ins_of(94_301))
    granted = await declare(world, child_id, operator(), mother, until=datetime(2060, 1, 1, tzinfo=UTC))
    midnight = datetime.combine(first_day, datetime.min.time(), PARIS)
    assert granted.until == midnight
    world.clock.set(midnight - timedelta(seconds=1))
    assert world.clock.now().astimezone(PARIS).date() == last_day
    assert await represents(world, mother, child_id)
    world.clock.set(midnight)
    assert not await represents(world, mother, child_id)
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        await reading.open_dossier(world.context(mother), child_id)
    with pytest.raises(Conflict, match="PATIENT_OF_AGE"):
        await declare(world, child_id, operator(), mother)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    declared=st.dates(date(2009, 1, 1), date(2020, 1, 1)),
    corrected=st.dates(date(1990, 1, 1), date(2020, 1, 1)),
    until=st.none() | st.integers(1, 9000),
    at=st.integers(0, 6000),
)
async def test_nobody_ever_represents_an_adult_as_a_minor(
    world: World, declared: date, corrected: date, until: int | None, at: int
) -> None:
    """Whatever was declared, and even when the birth date is put right afterwards."""
    start = datetime(2026, 1, 10, 9, tzinfo=UTC)
    world.clock.set(start)
    child_id, _ = await world.patient(born=f"{declared:%Y%m%d}")
    mother = world.person(ins_of(94_401))
    await declare(world, child_id, operator(), mother, until=start + timedelta(days=until) if until else None)
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            update(patient).where(patient.c.patient_id == child_id).values(birth_date=f"{corrected:%Y%m%d}")
        )
    world.clock.set(start + timedelta(days=at))
    today = world.clock.now().astimezone(PARIS).date()
    is_of_age = (today.year - corrected.year, today.month, today.day) >= (18, corrected.month, corrected.day)
    was_to_end = (today.year - declared.year, today.month, today.day) >= (18, declared.month, declared.day)
    has_ended = was_to_end or (until is not None and at >= until)
    assert await represents(world, mother, child_id) == (not is_of_age and not has_ended)
