"""What home decides of a record, and whom its patient lets in and keeps out, holds in every network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import insert, select

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import (
    access,
    attending,
    care_teams,
    emergencies,
    federated_documents,
    federated_dossiers,
    federated_relations,
    lifecycle,
    objections,
    relations,
    representation,
    suspensions,
    team_consents,
)
from passerelle.dossier.tables import relation
from passerelle.kernel.actors import Actor
from passerelle_policies.vocabulary import DossierState, Mode, Relation
from passerelle_tenants.federation.kinds.dossiers import Dossiers
from passerelle_tenants.federation.tables import patient_place
from tests.builders import World, document, operator, professional
from tests.federation.dossier_travels import Networks, entry, sent, taken


async def state(world: World, patient_id: UUID) -> DossierState | None:
    async with transaction(world.context(operator())) as act:
        return await lifecycle.state_of(act, patient_id)


async def standing(world: World, patient_id: UUID, who: Actor) -> tuple[set[Relation], bool]:
    async with world.tenant.database.transaction() as connection:
        facts = await access.facts_of(world.context(who), connection, patient_id)
        return set(facts.relations), facts.blocked


async def set_carried(both: Networks, at_home: UUID, away: UUID, *, back: bool = False) -> None:
    by, to, patient_id = (both.away, both.home, away) if back else (both.home, both.away, at_home)
    items = await sent(federated_relations, by, [patient_id])
    assert set((await taken(federated_relations, to, by, items)).values()) == {"applied"}


async def test_a_closed_record_is_closed_and_reopened_everywhere(both: Networks) -> None:
    _, at_home, away, himself, himself_away = await both.patient()
    async with transaction(both.home.context(himself)) as act:
        await lifecycle.close(act, at_home)
    for expected in (DossierState.CLOSED, DossierState.OPEN):
        items = await sent(federated_dossiers, both.home, [at_home])
        for _ in range(2):
            assert await taken(federated_dossiers, both.away, both.home, items) == {at_home: "applied"}
        assert await state(both.away, away) is expected
        if expected is DossierState.CLOSED:
            async with transaction(both.home.context(himself)) as act:
                await lifecycle.reopen(act, at_home, proof="courrier")
    journal = await both.away.journal(himself_away, away)
    lines = [(each.actor_id, each.action, each.rule) for each in journal]
    assert ("federation:nantes", "close", "decided-at-home") in lines
    assert ("federation:nantes", "reopen", "decided-at-home") in lines


async def test_a_suspended_record_is_suspended_and_resumed_everywhere(both: Networks) -> None:
    """Also once it was closed in between; and home alone closes what stays suspended."""
    _, at_home, away, himself, himself_away = await both.patient()
    acts: list[tuple[Actor, Callable[[Act], Awaitable[object]], DossierState]] = [
        (operator(), lambda act: lifecycle.suspend(act, at_home, reason="incident"), DossierState.SUSPENDED),
        (himself, lambda act: lifecycle.close(act, at_home), DossierState.CLOSED),
        (himself, lambda act: lifecycle.reopen(act, at_home, proof="courrier"), DossierState.OPEN),
        (operator(), lambda act: lifecycle.suspend(act, at_home, reason="incident"), DossierState.SUSPENDED),
        (operator(), lambda act: lifecycle.resume(act, at_home, reason="réglé"), DossierState.OPEN),
        (operator(), lambda act: lifecycle.suspend(act, at_home, reason="incident"), DossierState.SUSPENDED),
    ]
    for who, do, expected in acts:
        both.home.clock.advance(timedelta(minutes=1))
        async with transaction(both.home.context(who)) as act:
            await do(act)
        items = await sent(federated_dossiers, both.home, [at_home])
        for _ in range(2):
            assert await taken(federated_dossiers, both.away, both.home, items) == {at_home: "applied"}
        assert await state(both.away, away) is expected
    actions = [each.action for each in await both.away.journal(himself_away, away) if each.rule == "decided-at-home"]
    assert sorted(actions) == ["close", "reopen", "resume", "suspend", "suspend", "suspend"]

    both.home.clock.advance(timedelta(days=60))
    assert await suspensions.close_suspended(both.away.context(operator())) == 0
    assert await suspensions.close_suspended(both.home.context(operator())) == 1
    items = await sent(federated_dossiers, both.home, [at_home])
    await taken(federated_dossiers, both.away, both.home, items)
    assert await state(both.away, away) is DossierState.CLOSED


async def test_what_was_suspended_away_home_does_not_resume(both: Networks) -> None:
    _, at_home, away, _, _ = await both.patient()
    async with transaction(both.away.context(operator())) as act:
        await lifecycle.suspend(act, away, reason="incident")
    items = await sent(federated_dossiers, both.home, [at_home])
    assert await taken(federated_dossiers, both.away, both.home, items) == {at_home: "applied"}
    assert await state(both.away, away) is DossierState.SUSPENDED


async def test_who_is_not_home_ends_no_record(both: Networks) -> None:
    """As a worker applies it: home is whom the locator names."""
    _, at_home, away, himself, _ = await both.patient()
    async with transaction(both.home.context(himself)) as act:
        await lifecycle.close(act, at_home)
    items = await sent(federated_dossiers, both.home, [at_home])
    assert await taken(Dossiers(), both.away, both.home, items) == {at_home: "later"}
    assert await state(both.away, away) is DossierState.OPEN
    async with both.away.tenant.database.transaction() as connection:
        home = {"patient_id": away, "tenant_id": both.home.tenant.id, "is_home": True, "since": both.away.clock.now()}
        await connection.execute(insert(patient_place).values(home))
    assert await taken(Dossiers(), both.away, both.home, items) == {at_home: "applied"}
    assert await state(both.away, away) is DossierState.CLOSED


async def test_what_the_patient_closed_away_home_does_not_reopen(both: Networks) -> None:
    _, at_home, away, _, himself_away = await both.patient()
    async with transaction(both.away.context(himself_away)) as act:
        await lifecycle.close(act, away)
    items = await sent(federated_dossiers, both.home, [at_home])
    assert await taken(federated_dossiers, both.away, both.home, items) == {at_home: "applied"}
    assert await state(both.away, away) is DossierState.CLOSED


async def test_a_purged_record_is_purged_everywhere(both: Networks) -> None:
    _, at_home, away, himself, _ = await both.patient()
    document_id = await both.away.publish(away, document())
    items = await sent(federated_documents, both.away, [document_id])
    await taken(federated_documents, both.home, both.away, items)
    async with transaction(both.home.context(himself)) as act:
        await lifecycle.close(act, at_home)
        await lifecycle.purge(act, at_home, basis=lifecycle.Basis.REQUEST, proof="courrier")
    assert (await entry(both.home, document_id))["title"] == ""
    items = await sent(federated_dossiers, both.home, [at_home])
    assert await taken(federated_dossiers, both.away, both.home, items) == {at_home: "applied"}
    assert await state(both.away, away) is DossierState.PURGED
    assert (await entry(both.away, document_id))["title"] == ""
    again = await sent(federated_documents, both.away, [document_id])
    assert await taken(federated_documents, both.home, both.away, again) == {document_id: "applied"}
    assert (await entry(both.home, document_id))["title"] == ""


async def test_consents_and_blocks_hold_everywhere(both: Networks) -> None:
    _, at_home, away, himself, himself_away = await both.patient()
    let_in, kept_out, member, newcomer = (professional() for _ in range(4))
    async with transaction(both.home.context(himself)) as act:
        await relations.authorize(act, at_home, let_in.id)
        await relations.block_professional(act, at_home, kept_out.id)
    async with transaction(both.home.context(member)) as act:
        team_id = await care_teams.create_care_team(act, "Équipe d'essai")
    async with transaction(both.home.context(himself)) as act:
        await team_consents.consent_to_team(
            act, at_home, team_id, informed_how=team_consents.InformedHow.INTERVIEW, proof="signé"
        )
    async with transaction(both.home.context(member)) as act:
        await care_teams.add_care_team_member(act, team_id, newcomer.id)
    await set_carried(both, at_home, away)
    await set_carried(both, at_home, away)
    assert Relation.AUTHORIZED in (await standing(both.away, away, let_in))[0]
    assert (await standing(both.away, away, kept_out))[1]
    for each in (member, newcomer):
        assert Relation.CARE_TEAM in (await standing(both.away, away, each))[0]
    # Given in one network, taken back in the other.
    async with transaction(both.away.context(himself_away)) as act:
        assert await relations.withdraw_authorization(act, away, let_in.id) == 1
        await relations.unblock_professional(act, away, kept_out.id)
    await set_carried(both, at_home, away)
    assert Relation.AUTHORIZED not in (await standing(both.away, away, let_in))[0]
    await set_carried(both, at_home, away, back=True)
    assert Relation.AUTHORIZED not in (await standing(both.home, at_home, let_in))[0]
    assert not (await standing(both.home, at_home, kept_out))[1]


async def test_there_is_one_attending_physician_whoever_named_him_where(both: Networks) -> None:
    _, at_home, away, himself, himself_away = await both.patient()
    first, second = professional(), professional()
    async with transaction(both.home.context(himself)) as act:
        await attending.declare_attending_physician(act, at_home, first.id)
    both.home.clock.advance(timedelta(hours=1))
    async with transaction(both.away.context(himself_away)) as act:
        await attending.declare_attending_physician(act, away, second.id)
    await set_carried(both, at_home, away)
    await set_carried(both, at_home, away, back=True)
    for world, patient_id in ((both.home, at_home), (both.away, away)):
        assert Relation.ATTENDING_PHYSICIAN not in (await standing(world, patient_id, first))[0]
        assert Relation.ATTENDING_PHYSICIAN in (await standing(world, patient_id, second))[0]


async def test_an_objection_puts_out_who_broke_the_glass_elsewhere(both: Networks) -> None:
    _, at_home, away, himself, _ = await both.patient()
    doctor = professional()
    async with transaction(both.away.context(doctor, mode=Mode.BREAK_GLASS)) as act:
        await emergencies.break_the_glass(act, away, "inconscient")
    assert Relation.EMERGENCY in (await standing(both.away, away, doctor))[0]
    both.home.clock.advance(timedelta(minutes=1))
    async with transaction(both.home.context(himself)) as act:
        await objections.object_to_emergencies(act, at_home)
    await set_carried(both, at_home, away)
    assert Relation.EMERGENCY not in (await standing(both.away, away, doctor))[0]


async def test_a_representative_is_one_under_his_pseudonym_there(both: Networks) -> None:
    _, _, _, parent, parent_away = await both.patient()
    _, at_home, away, _, _ = await both.patient()
    async with transaction(both.home.context(operator())) as act:
        await representation.declare_representative(
            act,
            at_home,
            parent.id,
            basis=representation.RepresentationBasis.GUARDIANSHIP,
            proof="jugement",
        )
    await set_carried(both, at_home, away)
    assert Relation.REPRESENTATIVE in (await standing(both.away, away, parent_away))[0]
    async with both.away.tenant.database.transaction() as connection:
        subjects = (await connection.scalars(select(relation.c.subject).where(relation.c.patient_id == away))).all()
    assert subjects == [f"person:{parent_away.id}"]
    assert parent.id != parent_away.id
