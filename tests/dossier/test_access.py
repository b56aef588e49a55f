"""SQL and the decision agree: what a page shows is exactly what `decide` allows one by one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from passerelle.audit.journal import NOBODY
from passerelle.audit.tables import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import (
    access,
    care_teams,
    documents,
    lifecycle,
    reading,
    repair,
    team_consents,
    visibility,
)
from passerelle.dossier.tables import (
    block,
    care_team_member,
    document,
    document_author,
    document_withholding,
    dossier,
    emergency_access,
    emergency_objection,
    relation,
)
from passerelle.dossier.team_consents import InformedHow
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import legal_day
from passerelle.kernel.errors import Refused
from passerelle_policies.decision import DocumentFacts, Facts, decide
from passerelle_policies.packs import pack_on
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Mode, Purpose, Relation
from tests.builders import World, ins_of, professional
from tests.builders import document as incoming

PROFESSIONS = ("10", "21", "60", "40", "50", "70", None)
TYPES = ("11488-4", "60591-5", "34794-8", "83901-9", "75496-0", "51969-4", "ATTEST-RESID")
HELD = (Relation.ATTENDING_PHYSICIAN, Relation.AUTHORIZED, Relation.REPRESENTATIVE)


INTERVIEW = InformedHow.INTERVIEW
STORED = (DocumentStatus.CURRENT, DocumentStatus.CURRENT, DocumentStatus.ARCHIVED, DocumentStatus.DELETED)


@dataclass(frozen=True)
class Sheet:
    type_code: str
    masked: bool
    hidden_from_patient: bool
    hidden_from_representatives: bool
    status: DocumentStatus
    by_actor: bool
    withheld: bool


sheets = st.builds(
    Sheet,
    type_code=st.sampled_from(TYPES),
    masked=st.booleans(),
    hidden_from_patient=st.booleans(),
    hidden_from_representatives=st.booleans(),
    status=st.sampled_from(STORED),
    by_actor=st.booleans(),
    withheld=st.sampled_from([False, False, True]),
).filter(lambda sheet: not (sheet.masked and sheet.hidden_from_patient))


@settings(
    max_examples=80,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    who=st.sampled_from([*PROFESSIONS, "patient", "representative", "stranger"]),
    held=st.sets(st.sampled_from(HELD[:2])),
    in_team=st.booleans(),
    is_blocked=st.booleans(),
    state=st.sampled_from([DossierState.OPEN] * 4 + [DossierState.CLOSED, DossierState.SUSPENDED]),
    mode=st.sampled_from([Mode.NORMAL] * 2 + [Mode.BREAK_GLASS, Mode.REGULATION_CENTRE]),
    broke_the_glass=st.booleans(),
    objection=st.booleans(),
    filed=st.lists(sheets, max_size=5),
    in_a_chain=st.booleans(),
)
async def test_sql_shows_exactly_what_the_decision_allows(
    world: World,
    who: str | None,
    held: set[Relation],
    in_team: bool,
    is_blocked: bool,
    state: DossierState,
    mode: Mode,
    broke_the_glass: bool,
    objection: bool,
    filed: list[Sheet],
    in_a_chain: bool,
) -> None:
    patient_id, person = await world.patient()
    actor, ties = await _actor(world, who, held, patient_id, person, in_team=in_team)
    entries = {
        await _file(world, patient_id, sheet, actor): DocumentFacts(
            type_code=sheet.type_code,
            status=sheet.status,
            masked=sheet.masked,
            hidden_from_patient=sheet.hidden_from_patient,
            hidden_from_representatives=sheet.hidden_from_representatives,
            by_actor=sheet.by_actor,
            withheld=sheet.withheld,
        )
        for sheet in filed
    }
    if in_a_chain:
        await _chain(world, patient_id, list(entries))
    async with world.tenant.database.transaction() as connection:
        await connection.execute(update(dossier).where(dossier.c.patient_id == patient_id).values(state=state.value))
        if is_blocked:
            await connection.execute(
                insert(block).values(
                    patient_id=patient_id,
                    block_id=patient_id,
                    subject=actor.subject,
                    valid_from=world.clock.now() - timedelta(days=1),
                )
            )
        if broke_the_glass:
            await connection.execute(insert(emergency_access).values(**_broken_glass(world, patient_id, actor)))
        if objection:
            await connection.execute(
                insert(emergency_objection).values(
                    patient_id=patient_id,
                    objection_id=patient_id,
                    valid_from=world.clock.now(),
                    recorded_by=person.subject,
                )
            )
    if broke_the_glass:
        ties = ties | {Relation.EMERGENCY}
    context = world.context(actor, mode=mode)
    if any(sheet.by_actor and sheet.status is not DocumentStatus.DELETED for sheet in filed):
        ties = ties | {Relation.AUTHOR}
    facts = Facts(
        role=role_of(actor.profession, actor.kind),
        relations=frozenset(ties),
        blocked=is_blocked,
        dossier_state=state,
        mode=mode,
        purpose=Purpose.CARE,
        day=legal_day(world.clock),
        emergency_objection=objection,
    )
    allowed = [each for each, about in entries.items() if decide(facts, Kind.DOCUMENT, Action.READ, about).allowed]
    last = allowed[-1] if allowed and in_a_chain else None
    shown = {
        str(each): (entries[each].status if last in (None, each) else DocumentStatus.SUPERSEDED).value
        for each in allowed
    }
    every_status = reading.DocumentFilter(statuses=[each.value for each in DocumentStatus], whole_history=True)

    if decide(facts, Kind.DOSSIER, Action.READ).allowed:
        opened = await reading.open_dossier(context, patient_id, every_status, with_total=True)
        assert {each["document_id"]: each["status"] for each in opened.page.documents} == shown
        assert opened.page.total == len(allowed)
        for status in DocumentStatus:
            of_it = reading.DocumentFilter(statuses=[status.value], whole_history=True)
            page = (await reading.open_dossier(context, patient_id, of_it, with_total=True)).page
            assert page.total == len(page.documents) == list(shown.values()).count(status.value)
    else:
        with pytest.raises(Refused):
            await reading.open_dossier(context, patient_id, every_status)
    for each in entries:
        if each in allowed:
            read = await documents.read_document(context, each)
            assert (read.document["document_id"], read.document["status"]) == (str(each), shown[str(each)])
            versions = [str(one) for one in reversed(allowed)] if in_a_chain else [str(each)]
            assert [one["document_id"] for one in read.versions] == versions
        else:
            with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
                await documents.read_document(context, each)
    await _journal_tells_what_was_decided_on(world, facts, entries)


async def _chain(world: World, patient_id: UUID, versions: list[UUID]) -> None:
    """Make one chain of versions out of documents, in their order."""
    async with world.tenant.database.transaction() as connection:
        for position, each in enumerate(versions, 1):
            await connection.execute(
                update(document)
                .where(document.c.patient_id == patient_id, document.c.document_id == each)
                .values(
                    chain_id=versions[0],
                    chain_position=position,
                    superseded_by=versions[position] if position < len(versions) else None,
                )
            )


async def _journal_tells_what_was_decided_on(world: World, facts: Facts, entries: dict[UUID, DocumentFacts]) -> None:
    """Of each document that was asked for, seen or not, its line keeps the facts; they lead to the same decision."""
    async with world.tenant.database.transaction() as connection:
        lines = await connection.execute(
            select(journal.c.document_id, journal.c.outcome, journal.c.rule, journal.c.facts).where(
                journal.c.document_id.in_(list(entries)), journal.c.action == Action.READ.value
            )
        )
    told = {row.document_id: row for row in lines}
    assert set(told) == set(entries)
    for each, about in entries.items():
        kept = told[each].facts
        assert kept["document"] == about.as_json()
        assert (set(kept["relations"]), kept["state"]) == ({*facts.relations}, facts.dossier_state)
        again = decide(facts, Kind.DOCUMENT, Action.READ, about)
        assert told[each].outcome == ("allowed" if again.allowed else "refused")
        assert not again.allowed or told[each].rule == again.rule


async def test_author_is_whoever_wrote_something_that_still_stands(world: World) -> None:
    author = professional()
    (here, person), (there, _) = await world.patient(), await world.patient()

    async def is_author(patient_id: UUID) -> bool:
        async with world.tenant.database.transaction() as connection:
            held = (await access.facts_of(world.context(author), connection, patient_id)).relations
        return Relation.AUTHOR in held

    assert not await is_author(here)
    first, second = [await world.publish(here, incoming(author=author)) for _ in range(2)]
    assert await is_author(here)
    async with transaction(world.context(author)) as act:
        await visibility.delete(act, first)
    assert await is_author(here)
    async with transaction(world.context(world.feeder)) as act:
        await repair.move_document(act, second, there, reason="identité corrigée")
    assert [await is_author(each) for each in (here, there)] == [False, True]
    await world.publish(here, incoming(author=author))
    assert await is_author(here)
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, here)
        await lifecycle.purge(act, here, basis=lifecycle.Basis.REQUEST, proof="lettre")
    assert [await is_author(each) for each in (here, there)] == [False, True]


async def test_every_opening_writes_one_line_with_its_rule(world: World) -> None:
    patient_id, person = await world.patient()
    doctor, outsider = professional(), professional()
    await world.authorize(patient_id, person, doctor)

    await reading.open_dossier(world.context(doctor), patient_id)
    with pytest.raises(Refused):
        await reading.open_dossier(world.context(outsider), patient_id)

    async with world.tenant.database.transaction() as connection:
        lines = (
            await connection.execute(
                select(journal)
                .where(journal.c.actor_id.in_([doctor.id, outsider.id]))
                .where(journal.c.kind == "dossier")
                .order_by(journal.c.line_id)
            )
        ).all()
    assert [(each.actor_id, each.outcome, each.code) for each in lines] == [
        (doctor.id, "allowed", None),
        (outsider.id, "refused", "ACCESS_REFUSED"),
    ]
    assert all(each.rule and each.pack == pack_on(legal_day(world.clock)).name for each in lines)
    assert lines[0].facts["relations"] == ["authorized"]


async def test_an_unknown_patient_and_a_closed_door_are_told_alike(world: World) -> None:
    patient_id, _ = await world.patient()
    outsider = world.context(professional())
    answers = []
    for each in (patient_id, uuid4()):
        with pytest.raises(Refused) as refused:
            await reading.open_dossier(outsider, each)
        answers.append((refused.value.code, refused.value.fields, refused.value.message))
    assert answers[0] == answers[1]


async def test_a_document_that_nobody_filed_is_refused_like_one_that_is_masked(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    masked = await world.publish(patient_id, incoming(author=professional(), masked=True))
    answers = []
    for each in (masked, NOBODY):
        with pytest.raises(Refused) as refused:
            await documents.read_document(world.context(doctor), each)
        answers.append((refused.value.code, refused.value.fields))
    assert answers[0] == answers[1]


async def _actor(
    world: World,
    who: str | None,
    held: set[Relation],
    patient_id: UUID,
    person: Actor,
    *,
    in_team: bool,
) -> tuple[Actor, set[Relation]]:
    if who == "patient":
        return person, {Relation.PATIENT}
    if who in {"representative", "stranger"}:
        other = world.person(ins_of(90_000))
        ties = {Relation.REPRESENTATIVE} if who == "representative" else set[Relation]()
        await _tie(world, patient_id, other, ties)
        return other, ties
    actor = professional(who or "99")
    ties = set(held)
    await _tie(world, patient_id, actor, ties)
    if in_team:
        async with transaction(world.context(professional())) as act:
            team_id = await care_teams.create_care_team(act, "Équipe d'essai")
            # Straight into the table: whoever may not join one is held to the matrix as well.
            await act.connection.execute(
                insert(care_team_member).values(team_id=team_id, subject=actor.subject, valid_from=act.now)
            )
        async with transaction(world.context(person)) as act:
            await team_consents.consent_to_team(act, patient_id, team_id, informed_how=INTERVIEW, proof="signé")
        ties.add(Relation.CARE_TEAM)
    return actor, ties


async def _tie(world: World, patient_id: UUID, actor: Actor, ties: set[Relation]) -> None:
    async with world.tenant.database.transaction() as connection:
        for each in ties:
            await connection.execute(
                insert(relation).values(
                    patient_id=patient_id,
                    relation_id=uuid4(),
                    relation=each.value,
                    subject=actor.subject,
                    valid_from=world.clock.now(),
                    recorded_by="test",
                )
            )


def _broken_glass(world: World, patient_id: UUID, actor: Actor) -> dict[str, Any]:
    now = world.clock.now()
    return {
        "patient_id": patient_id,
        "access_id": patient_id,
        "subject": actor.subject,
        "name": actor.name,
        "reason": "inconscient",
        "valid_from": now,
        "valid_until": now + timedelta(hours=1),
        "review_due_at": now + timedelta(days=7),
    }


async def _file(world: World, patient_id: UUID, sheet: Sheet, actor: Actor) -> UUID:
    document_id = await world.publish(
        patient_id,
        incoming(
            type_code=sheet.type_code,
            masked=sheet.masked,
            hidden_from_patient=sheet.hidden_from_patient,
            hidden_from_representatives=sheet.hidden_from_representatives,
        ),
    )
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            update(document)
            .where(document.c.document_id == document_id)
            .values(status=sheet.status.value, author_ids=[actor.id] if sheet.by_actor else [])
        )
        if sheet.withheld:
            await connection.execute(
                insert(document_withholding).values(
                    patient_id=patient_id,
                    withholding_id=document_id,
                    document_id=document_id,
                    subject=actor.subject,
                    valid_from=world.clock.now(),
                    recorded_by="test",
                )
            )
        if sheet.by_actor:
            await connection.execute(
                insert(document_author).values(patient_id=patient_id, author_id=actor.id, document_id=document_id)
            )
    return document_id
