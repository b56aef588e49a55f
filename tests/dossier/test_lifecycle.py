"""The life of a record, over ten years if need be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, lifecycle, publishing, reading
from passerelle.dossier.formats.submission import EventCode, IncomingSubmission
from passerelle.dossier.lifecycle import Basis
from passerelle.dossier.tables import document as filed_documents
from passerelle.dossier.tables import document_author, document_version, dossier, dossier_act, submission_set
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, InvalidInput, PasserelleError, Refused
from passerelle_policies.vocabulary import ActorKind, DossierState
from tests.builders import World, document, professional

OPERATOR = Actor(kind=ActorKind.SYSTEM, id="operator", name="Exploitant")


async def _state(world: World, patient_id: UUID) -> str | None:
    async with world.tenant.database.transaction() as connection:
        return (
            await connection.execute(select(dossier.c.state).where(dossier.c.patient_id == patient_id))
        ).scalar_one_or_none()


async def test_opt_out_opens_only_once_the_delay_is_over(world: World) -> None:
    patient_id, _ = await world.patient(open_=False)
    async with transaction(world.context(world.feeder)) as act:
        informed = await lifecycle.inform(act, patient_id, proof="courrier du 16/11/2026")
    assert informed.objection_until == world.clock.now() + timedelta(days=42)

    world.clock.advance(timedelta(days=42, seconds=-1))
    with pytest.raises(Conflict, match="OBJECTION_DELAY_RUNNING"):
        async with transaction(world.context(OPERATOR)) as act:
            await lifecycle.open_(act, patient_id, basis=Basis.OPT_OUT, proof="sans opposition")
    assert await _state(world, patient_id) == "informed"

    world.clock.advance(timedelta(seconds=1))
    async with transaction(world.context(OPERATOR)) as act:
        opened = await lifecycle.open_(act, patient_id, basis=Basis.OPT_OUT, proof="sans opposition")
    assert opened.state is DossierState.OPEN


async def test_an_objection_closes_a_record_that_was_never_open(world: World) -> None:
    patient_id, person = await world.patient(open_=False)
    async with transaction(world.context(world.feeder)) as act:
        await lifecycle.inform(act, patient_id, proof="courrier")
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id, reason="opposition")
    assert await _state(world, patient_id) == "closed"
    async with transaction(world.context(person)) as act:
        await lifecycle.reopen(act, patient_id, proof="a changé d'avis")
    await world.publish(patient_id, document())


async def test_a_closed_record_serves_nobody_keeps_everything_and_reopens(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    filed = await world.publish(patient_id, document(author=doctor))
    async with transaction(world.context(person)) as act:
        closed = await lifecycle.close(act, patient_id)
    assert closed.purge_after is not None
    assert closed.purge_after.year == world.clock.now().year + 10
    with pytest.raises(Refused):
        await reading.open_dossier(world.context(doctor), patient_id)
    own = await reading.open_dossier(world.context(person), patient_id, with_total=True)
    assert (own.state, own.page.documents, own.page.total) == ("closed", [], 0)
    for each in (doctor, person):
        with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
            await documents.read_document(world.context(each), filed)
    with pytest.raises(Conflict, match="DOSSIER_NOT_OPEN"):
        await world.publish(patient_id, document())

    world.clock.advance(timedelta(days=3600))
    async with transaction(world.context(person)) as act:
        await lifecycle.reopen(act, patient_id, proof="demande écrite")
    whole = reading.DocumentFilter(whole_history=True)
    assert len((await reading.open_dossier(world.context(doctor), patient_id, whole)).page.documents) == 1


async def test_past_its_retention_a_record_is_purged_and_its_content_gone_for_good(world: World) -> None:
    patient_id, person = await world.patient()
    await world.publish(patient_id, document())
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id)
    with pytest.raises(Conflict, match="RETENTION_RUNNING"):
        async with transaction(world.context(OPERATOR)) as act:
            await lifecycle.purge(act, patient_id, basis=Basis.RETENTION, proof="échéance")
    world.clock.advance(timedelta(days=3654))
    with pytest.raises(Conflict, match="RETENTION_OVER"):
        async with transaction(world.context(person)) as act:
            await lifecycle.reopen(act, patient_id, proof="trop tard")
    async with transaction(world.context(OPERATOR)) as act:
        await lifecycle.purge(act, patient_id, basis=Basis.RETENTION, proof="échéance")
    async with world.tenant.database.transaction() as connection:
        key = (
            await connection.execute(select(dossier.c.wrapped_key).where(dossier.c.patient_id == patient_id))
        ).scalar_one()
    assert key is None


async def test_what_is_purged_leaves_no_word_about_health(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional()
    incoming = document(author=author, title="Cancer du sein", practice_setting="ETABLISSEMENT-ONCO")
    incoming = replace(
        incoming,
        metadata=replace(incoming.metadata, event_codes=(EventCode(code="C50", label="Tumeur maligne du sein"),)),
    )
    submission = IncomingSubmission(
        documents=(incoming,), title="Annonce du cancer", author=incoming.metadata.authors[0]
    )
    async with transaction(world.context(author)) as act:
        await publishing.publish(act, patient_id, incoming, submission)
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id)
        await lifecycle.purge(act, patient_id, basis=Basis.REQUEST, proof="lettre")
    async with world.tenant.database.transaction() as connection:
        kept = [
            str((await connection.execute(select(table).where(table.c.patient_id == patient_id))).all())
            for table in (filed_documents, submission_set, document_version)
        ]
    async with world.tenant.database.transaction() as connection:
        named = select(document_author.c.author_id).where(document_author.c.patient_id == patient_id)
        authors = (await connection.execute(named)).scalars().all()
    assert len(authors) == 2
    assert not {author.id, incoming.metadata.structure_id} & set(authors)
    for word in ("Cancer", "cancer", "C50", "ONCO", "Tumeur", "11488-4"):
        assert not [each for each in kept if word in each], word


async def test_nothing_opens_without_a_proof(world: World) -> None:
    patient_id, person = await world.patient(open_=False)
    with pytest.raises(InvalidInput, match="PROOF_MISSING"):
        async with transaction(world.context(person)) as act:
            await lifecycle.open_(act, patient_id, basis=Basis.CONSENT, proof="  ")
    assert await _state(world, patient_id) is None


async def test_an_outsider_can_neither_close_nor_purge(world: World) -> None:
    patient_id, _ = await world.patient()
    outsider = world.context(professional())
    with pytest.raises(Refused):
        async with transaction(outsider) as act:
            await lifecycle.close(act, patient_id)
    with pytest.raises(Refused):
        async with transaction(outsider) as act:
            await lifecycle.purge(act, patient_id, basis=Basis.REQUEST, proof="x")
    assert await _state(world, patient_id) == "open"


STEPS = ("inform", "open", "suspend", "resume", "close", "reopen", "purge")
MODEL = {
    (None, "inform"): "informed",
    (None, "open"): "open",
    ("informed", "open"): "open",
    ("open", "suspend"): "suspended",
    ("suspended", "resume"): "open",
    ("informed", "close"): "closed",
    ("open", "close"): "closed",
    ("suspended", "close"): "closed",
    ("closed", "reopen"): "open",
    ("closed", "purge"): "purged",
}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), max_size=7))
async def test_no_other_path_exists(world: World, steps: list[str]) -> None:
    patient_id, person = await world.patient(open_=False)
    state: str | None = None
    for step in steps:
        try:
            await _step(world, step, patient_id, person)
            assert (state, step) in MODEL
            state = MODEL[state, step]
        except PasserelleError:
            assert (state, step) not in MODEL
        assert await _state(world, patient_id) == state
    async with world.tenant.database.transaction() as connection:
        acts = (await connection.execute(select(dossier_act).where(dossier_act.c.patient_id == patient_id))).all()
    assert all(each.basis and each.actor_id for each in acts)


async def _step(world: World, step: str, patient_id: UUID, person: Actor) -> None:
    by = OPERATOR if step in {"suspend", "resume"} else person if step != "inform" else world.feeder
    async with transaction(world.context(by)) as act:
        match step:
            case "inform":
                await lifecycle.inform(act, patient_id, proof="courrier")
            case "open":
                await lifecycle.open_(act, patient_id, basis=Basis.CONSENT, proof="signé")
            case "suspend":
                await lifecycle.suspend(act, patient_id, reason="incident")
            case "resume":
                await lifecycle.resume(act, patient_id, reason="réglé")
            case "close":
                await lifecycle.close(act, patient_id)
            case "reopen":
                await lifecycle.reopen(act, patient_id, proof="demande")
            case "purge":
                await lifecycle.purge(act, patient_id, basis=Basis.REQUEST, proof="demande expresse")
