"""After a death: nobody reads the record, heirs may ask for as long as the rule says, and a mistake is undone whole."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import (
    access,
    attending,
    care_teams,
    death,
    documents,
    heirs,
    lifecycle,
    reading,
    relations,
    representation,
    team_consents,
)
from passerelle.dossier.heirs import HeirLink, HeirMotive
from passerelle.dossier.representation import RepresentationBasis
from passerelle.dossier.tables import dossier, relation, team_consent
from passerelle.dossier.team_consents import InformedHow
from passerelle.dossier.verification import acts_without_line
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, InvalidInput, PasserelleError, Refused
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, DossierState, Kind, Mode
from tests.builders import NURSE, World, document, ins_of, operator, professional, structure

TODAY, START = date(2026, 11, 16), datetime(2026, 11, 16, 9, tzinfo=UTC)


async def declare(world: World, patient_id: UUID, by: Actor, on: date = TODAY) -> death.Death:
    async with transaction(world.context(by)) as act:
        return await death.declare(act, patient_id, on=on, proof="acte de décès")


async def heir(
    world: World,
    patient_id: UUID,
    who: Actor,
    link: HeirLink = HeirLink.SUCCESSOR,
    motive: HeirMotive | None = HeirMotive.RIGHTS,
    by: Actor | None = None,
) -> relations.Grant:
    async with transaction(world.context(by or operator())) as act:
        return await heirs.declare_heir(act, patient_id, who.id, link=link, motive=motive, proof="acte de notoriété")


async def may(world: World, who: Actor, patient_id: UUID, action: Action) -> bool:
    async with world.tenant.database.transaction() as connection:
        facts = await access.facts_of(world.context(who), connection, patient_id)
    return decide(facts, Kind.DOSSIER, action).allowed


async def opens(world: World, who: Actor, patient_id: UUID, filed: UUID, mode: Mode = Mode.NORMAL) -> bool:
    """Whether anything of the record comes out to him: its page, a document, its journal, its authorisations."""
    context = world.context(who, mode=mode)
    came = False
    with suppress(Refused):
        came |= bool((await reading.open_dossier(context, patient_id)).page.documents)
    with suppress(Refused):
        came |= bool(await documents.read_document(context, filed))
    with suppress(Refused):
        came |= bool(await world.journal(who, patient_id))
    with suppress(Refused):
        async with transaction(context) as act:
            await relations.authorizations(act, patient_id)
        came = True
    return came


async def peopled(world: World, born: str = "19800115") -> tuple[UUID, Actor, UUID, dict[str, Actor]]:
    """A patient with a document and everyone who may have to do with it."""
    patient_id, person = await world.patient(born=born)
    people = {
        "authorized": professional(),
        "attending": professional(),
        "member": professional(NURSE),
        "author": professional(),
        "representative": world.person(ins_of(96_001)),
    }
    await world.authorize(patient_id, person, people["authorized"])
    async with transaction(world.context(people["member"])) as act:
        team = await care_teams.create_care_team(act, "Équipe")
    async with transaction(world.context(person)) as act:
        await attending.declare_attending_physician(act, patient_id, people["attending"].id)
        await team_consents.consent_to_team(
            act, patient_id, team, informed_how=InformedHow.DOCUMENT, proof="notice remise et signée"
        )
    by = person if born < "2000" else operator()
    async with transaction(world.context(by)) as act:
        await representation.declare_representative(
            act,
            patient_id,
            people["representative"].id,
            basis=RepresentationBasis.GUARDIANSHIP if born < "2000" else RepresentationBasis.MINOR,
            proof="jugement",
        )
    filed = await world.publish(patient_id, document(author=people["author"]), by=people["author"])
    return patient_id, person, filed, {**people, "patient": person}


async def test_a_death_closes_the_record_and_ends_every_tie_and_a_mistake_is_undone_whole(world: World) -> None:
    patient_id, person, filed, people = await peopled(world)
    for who in people.values():
        assert await opens(world, who, patient_id, filed)
    before = await _state(world, patient_id)

    declared = await declare(world, patient_id, structure())

    assert (declared.deceased_on, declared.state) == (TODAY, DossierState.CLOSED)
    for who in people.values():
        assert not await opens(world, who, patient_id, filed)
    assert not await opens(world, professional(), patient_id, filed, Mode.REGULATION_CENTRE)
    assert await world.notices(person) == ["death_declared"]
    assert (await declare(world, patient_id, structure())).state is DossierState.CLOSED  # twice is once
    with pytest.raises(Conflict, match="DEATH_ALREADY_DECLARED"):
        await declare(world, patient_id, structure(), on=TODAY - timedelta(days=1))
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        async with transaction(world.context(people["attending"])) as act:
            await death.undo(act, patient_id, proof="il vit")
    assert not await opens(world, person, patient_id, filed)
    assert await acts_without_line(world.tenant) == []

    async with transaction(world.context(operator())) as act:
        undone = await death.undo(act, patient_id, proof="certificat de vie")

    assert (undone.deceased_on, undone.state) == (None, DossierState.OPEN)
    for who in people.values():
        assert await opens(world, who, patient_id, filed)
    assert await _state(world, patient_id) == before
    assert await acts_without_line(world.tenant) == []


async def test_a_death_is_declared_by_whom_the_matrix_says_on_a_day_that_can_be(world: World) -> None:
    patient_id, person = await world.patient()
    for who in (person, professional(NURSE), professional(), world.person(ins_of(96_101))):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await declare(world, patient_id, who)
    for on in (TODAY + timedelta(days=1), date(1979, 12, 31)):
        with pytest.raises(InvalidInput, match="DEATH_DATE_INVALID"):
            await declare(world, patient_id, structure(), on)
    with pytest.raises(InvalidInput, match="PROOF_MISSING"):
        async with transaction(world.context(structure())) as act:
            await death.declare(act, patient_id, on=TODAY, proof=" ")
    with pytest.raises(Conflict, match="NOT_DECEASED"):
        async with transaction(world.context(operator())) as act:
            await death.undo(act, patient_id, proof="certificat")
    assert (await reading.open_dossier(world.context(person), patient_id)).state == "open"
    assert (await declare(world, patient_id, structure())).deceased_on == TODAY


async def test_what_the_patient_had_closed_or_suspended_comes_back_so(world: World) -> None:
    closed_id, person = await world.patient()
    suspended_id, _ = await world.patient()
    none_id, _ = await world.patient(open_=False)
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, closed_id, reason="souhait")
    async with transaction(world.context(operator())) as act:
        await lifecycle.suspend(act, suspended_id, reason="fraude")
    for patient_id, state, after in (
        (closed_id, DossierState.CLOSED, DossierState.CLOSED),
        (suspended_id, DossierState.CLOSED, DossierState.SUSPENDED),
        (none_id, None, None),
    ):
        held = await _state(world, patient_id)
        assert (await declare(world, patient_id, structure())).state is state
        async with transaction(world.context(operator())) as act:
            assert (await death.undo(act, patient_id, proof="certificat")).state is after
        assert await _state(world, patient_id) == held


async def test_an_heir_may_ask_for_one_of_three_motives_unless_the_patient_willed_otherwise(world: World) -> None:
    patient_id, person, filed, people = await peopled(world)
    child = world.person(ins_of(96_201))
    with pytest.raises(Conflict, match="NOT_DECEASED"):
        await heir(world, patient_id, child)
    await declare(world, patient_id, structure())
    with pytest.raises(InvalidInput, match="HEIR_MOTIVE_MISSING"):
        await heir(world, patient_id, child, motive=None)
    with pytest.raises(Conflict, match="HEIR_LINK_INVALID"):
        await heir(world, patient_id, child, HeirLink.PARENTAL_AUTHORITY, None)
    for by in (people["attending"], people["representative"], person, child):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await heir(world, patient_id, child, by=by)
    assert not await may(world, child, patient_id, Action.EXPORT)

    granted = await heir(world, patient_id, child)

    assert (granted.basis, granted.until and granted.until.date()) == ("successor", date(2036, 11, 15))
    assert await may(world, child, patient_id, Action.EXPORT)
    assert not await opens(world, child, patient_id, filed)
    async with transaction(world.context(operator())) as act:
        await death.undo(act, patient_id, proof="certificat de vie")
    assert not await may(world, child, patient_id, Action.EXPORT)


async def test_the_patient_s_will_binds_his_heirs(world: World) -> None:
    patient_id, person = await world.patient()
    mother, child = world.person(ins_of(96_301)), world.person(ins_of(96_302))
    async with transaction(world.context(person)) as act:
        await representation.declare_representative(
            act, patient_id, mother.id, basis=RepresentationBasis.GUARDIANSHIP, proof="jugement"
        )
        since = await heirs.object_to_heirs(act, patient_id)
        assert await heirs.object_to_heirs(act, patient_id) == since
        assert await heirs.withdraw_objection_to_heirs(act, patient_id) == 1
        await heirs.object_to_heirs(act, patient_id)
    for use_case in (heirs.object_to_heirs, heirs.withdraw_objection_to_heirs):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with transaction(world.context(mother)) as act:
                await use_case(act, patient_id)
    await declare(world, patient_id, structure())
    with pytest.raises(Conflict, match="HEIRS_OBJECTED"):
        await heir(world, patient_id, child)
    assert not await may(world, child, patient_id, Action.EXPORT)


async def test_the_parents_of_a_minor_who_died_keep_their_access(world: World) -> None:
    child_id, child = await world.patient(born="20150302")
    mother = world.person(ins_of(96_401))
    async with transaction(world.context(child)) as act:
        await heirs.object_to_heirs(act, child_id)
    await declare(world, child_id, structure())
    await heir(world, child_id, mother, HeirLink.PARENTAL_AUTHORITY, None)
    assert await may(world, mother, child_id, Action.EXPORT)


@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    died=st.dates(date(2024, 1, 1), TODAY),
    later=st.integers(0, 4400),
    born=st.sampled_from(["19500301", "20150302"]),
    tried=st.lists(st.sampled_from(["authorize", "reopen", "consent", "heir", "unblock"]), max_size=4),
)
async def test_after_a_death_nobody_reads_and_heirs_ask_no_longer_than_the_rule_says(
    world: World, died: date, later: int, born: str, tried: list[str]
) -> None:
    world.clock.set(START)
    patient_id, _, filed, people = await peopled(world, born)
    await declare(world, patient_id, structure(), died)
    child = world.person(ins_of(96_501))
    await heir(world, patient_id, child)
    for what in tried:  # nothing that those who were tied to him try opens it again
        for by in people.values():
            with pytest.raises(PasserelleError):
                async with transaction(world.context(by)) as act:
                    await _try(act, what, patient_id, child)
    world.clock.advance(timedelta(days=later))
    for who in (*people.values(), child):
        assert not await opens(world, who, patient_id, filed)
        if who is not child:
            assert not await may(world, who, patient_id, Action.EXPORT)
    day = world.clock.now().date()
    is_over = (day.year - died.year, day.month, day.day) >= (10, died.month, died.day)
    assert await may(world, child, patient_id, Action.EXPORT) == (not is_over)


async def _try(act: Act, what: str, patient_id: UUID, child: Actor) -> object:
    match what:
        case "authorize":
            return await relations.authorize(act, patient_id, professional().id)
        case "reopen":
            return await lifecycle.reopen(act, patient_id, proof="souhait")
        case "heir":
            return await heirs.declare_heir(
                act, patient_id, child.id, link=HeirLink.COHABITANT, motive=HeirMotive.MEMORY, proof="attestation"
            )
        case "unblock":
            return await relations.unblock_professional(act, patient_id, professional().id)
        case _:
            return await heirs.object_to_heirs(act, patient_id)


async def test_only_an_establishment_his_attending_physician_and_the_operator_declare_a_death(world: World) -> None:
    patient_id, _, _, people = await peopled(world)
    for who in (professional(), people["authorized"], people["member"], people["author"], people["representative"]):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await declare(world, patient_id, who)
        assert await may(world, people["attending"], patient_id, Action.READ)
    assert (await declare(world, patient_id, people["attending"])).deceased_on == TODAY
    other_id, _ = await world.patient()
    assert (await declare(world, other_id, operator())).deceased_on == TODAY


async def _state(world: World, patient_id: UUID) -> tuple[object, ...]:
    """The record and the ties to it, row by row."""
    async with world.tenant.database.transaction() as connection:
        rows: list[object] = []
        for table in (dossier, relation, team_consent):
            rows += (await connection.execute(select(table).where(table.c.patient_id == patient_id))).all()
    return tuple(rows)
