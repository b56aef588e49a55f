"""`authorizations` by one statement: the answer of Strawberry, and the journal line of `access.require`."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

from sqlalchemy import ARRAY, CTE, Boolean, Text, Uuid, bindparam, cast, select

from passerelle.audit import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import access, attending, care_teams, lifecycle, objections, reach, relations, team_consents
from passerelle.dossier.representation import RepresentationBasis, declare_representative
from passerelle.dossier.team_consents import InformedHow
from passerelle.kernel.actors import Actor
from passerelle.kernel.database import Statement
from passerelle_graphql.ids import Node, node_id
from passerelle_policies.decision import Facts, decide
from passerelle_policies.vocabulary import Action, ActorKind, DossierState, Kind, Mode, Purpose, Relation
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record, new_record
from tests.gateway.serving import Serving

QUERY = (
    """query ($id: ID!, $yes: Boolean! = true) {
  who: authorizations(patientId: $id) {
    __typename
    ... on Authorizations {
      relations { ...Grant kind: relation again: rpps @skip(if: $yes) }
      teamConsents { __typename id teamId teamName askedBy informedHow since until proof @include(if: $yes) }
      blocks { __typename id rpps since b: since }
      blocks { since }
      objectsToEmergenciesSince
    }
    ...Why
  }
}
fragment Grant on RelationGrant { __typename id relation rpps since until proof basis }
"""
    + WHY
)

BARE = "query ($id: ID!) { authorizations(patientId: $id) { __typename } }"


async def _filled(serving: Serving, record: Record) -> Actor:
    """One row of each kind, and a representative; gives him."""
    world, person = serving.world, record.person
    _, representative = await world.patient()
    team_doctor, other = builders.professional(), builders.professional()
    async with transaction(world.context(team_doctor)) as act:
        team = await care_teams.create_care_team(act, "L’équipe « \\ » \t 😀")
    async with transaction(world.context(person)) as act:
        await relations.authorize(act, record.patient_id, other.id, until=act.now + timedelta(days=9), proof='"oui"')
        await attending.declare_attending_physician(act, record.patient_id, other.id)
        await relations.block_professional(act, record.patient_id, other.id)
        await team_consents.consent_to_team(
            act, record.patient_id, team, informed_how=InformedHow.INTERVIEW, proof="signé"
        )
        await objections.object_to_emergencies(act, record.patient_id)
        await declare_representative(
            act, record.patient_id, representative.id, basis=RepresentationBasis.GUARDIANSHIP, proof="jugement"
        )
    return representative


async def test_authorizations_are_answered_alike(serving: Serving, record: Record) -> None:
    shown = await alike(serving, record.patient, QUERY, id=record.id)
    assert b'"objectsToEmergenciesSince":null' in shown
    ins = builders.ins_of(19_001)
    await serving.world.patient(ins)
    representative = serving.world.person(ins)
    await _filled(serving, record)
    async with transaction(serving.world.context(builders.operator())) as act:
        await declare_representative(
            act, record.patient_id, representative.id, basis=RepresentationBasis.GUARDIANSHIP, proof="jugement"
        )
    _, token = await serving.professional()
    for client, sees in (
        (record.patient, True),
        (serving.client(serving.person_token(ins)), True),
        (record.doctor, False),
        (serving.client(token), False),
        (serving.officer(), False),
    ):
        for yes in (True, False):
            answer = await alike(serving, client, QUERY, id=record.id, yes=yes)
            assert (b'"Authorizations"' in answer) is sees
            assert (b"GUARDIANSHIP" in answer) is sees
    await alike(
        serving, record.patient, "query ($id: ID!) { authorizations(patientId: $id) { __typename } }", id=record.id
    )


async def test_who_is_refused_and_what_is_malformed_are_answered_alike(serving: Serving, record: Record) -> None:
    closed = await new_record(serving, open_=False, authorized=False)
    async with transaction(serving.world.context(record.person)) as act:
        await attending.declare_attending_physician(act, record.patient_id, record.doctor_actor.id)
    assert b'"Authorizations"' in await alike(serving, record.doctor, QUERY, id=record.id)
    async with transaction(serving.world.context(record.person)) as act:
        await lifecycle.close(act, record.patient_id)
    assert b"DOSSIER_NOT_OPEN" in await alike(serving, record.doctor, QUERY, id=record.id)
    assert b'"Authorizations"' in await alike(serving, record.patient, QUERY, id=record.id)
    async with transaction(serving.world.context(record.person)) as act:
        await relations.block_professional(act, record.patient_id, record.doctor_actor.id)
    assert b"ACCESS_REFUSED" in await alike(serving, record.doctor, QUERY, id=record.id)
    assert b"ACCESS_REFUSED" in await alike(serving, record.doctor, QUERY, id=closed.id)
    unknown = node_id(Node.PATIENT, journal.NOBODY)
    assert b"ACCESS_REFUSED" in await alike(serving, record.patient, QUERY, id=unknown)
    for malformed in ("", "é", node_id(Node.DOCUMENT, record.patient_id)):
        assert b"ID_INVALID" in await alike(serving, record.patient, QUERY, lines=0, id=malformed)


def _facts() -> CTE:
    """`access.facts_row`, as the test says."""
    types: dict[str, Any] = {"state": Text(), "blocked": Boolean(), "objection": Boolean(), "relations": ARRAY(Text())}
    given = [cast(bindparam(name, type_=type_), type_).label(name) for name, type_ in types.items()]
    return select(bindparam("access_patient_id", type_=Uuid()).label("patient_id"), *given).cte("facts")


async def test_the_database_names_the_rule_and_the_code_that_are_decided(serving: Serving, record: Record) -> None:
    verdict = reach.verdict(_facts())
    statement = Statement(select(verdict.c.allowed, verdict.c.rule, verdict.c.code))
    actors = [builders.professional(each) for each in (builders.PHYSICIAN, builders.NURSE)]
    actors += [record.person, builders.operator(), Actor(kind=ActorKind.OFFICER, id="dpo", name="Déléguée")]
    held = [[each] for each in Relation if each is not Relation.NONE]
    held += [[], [Relation.AUTHOR, Relation.CARE_TEAM], [Relation.ATTENDING_PHYSICIAN, Relation.AUTHORIZED]]
    held += [[Relation.EMERGENCY, Relation.ATTENDING_PHYSICIAN]]
    seen = set()
    asked = [(Kind.AUTHORIZATIONS, Action.READ), (Kind.JOURNAL, Action.REVIEW)]
    for (kind, action), actor, mode in product(asked, actors, (Mode.NORMAL, Mode.BREAK_GLASS)):
        context = serving.world.context(actor, mode=mode)
        bound = {**access.facts_parameters(context), **reach.verdict_parameters(context, kind, action)}
        bound["access_patient_id"] = record.patient_id
        for relations_, state, blocked in product(held, (None, *DossierState), (False, True)):
            objection = blocked ^ (mode is Mode.NORMAL)
            facts = Facts(
                role=access.role_in(context),
                relations=frozenset(relations_),
                blocked=blocked,
                dossier_state=state,
                mode=mode,
                purpose=Purpose.CARE,
                day=serving.world.clock.now().date(),
                emergency_objection=objection,
            )
            decided = decide(facts, kind, action)
            given = {"state": state, "blocked": blocked, "objection": objection, "relations": relations_}
            row = (await serving.world.tenant.database.fetch(statement, {**bound, **given}))[0]
            assert row == (decided.allowed, decided.rule, decided.code), (kind, actor.kind, mode, given)
            seen.add(row)
    assert {rule for _, rule, _ in seen} >= {"block", "dossier-not-open", "default-deny", "authorizations-own-read"}
