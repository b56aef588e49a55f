"""Masked, hidden, archived, deleted: who still sees a document, and what can be undone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, documents, lifecycle, reading, repair, visibility
from passerelle.dossier.tables import document as filed_documents
from passerelle.dossier.tables import document_move, document_version
from passerelle.identities import patients
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import legal_day
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle_policies.packs import pack_on
from tests.builders import World, document, ins_of, professional

SHOW_TO_PATIENT = partial(visibility.show_to_patient, confirmed=True)
Change = Callable[[Act, UUID], Awaitable[Any]]


async def _do(world: World, by: Actor, change: Change, document_id: UUID) -> Any:
    async with transaction(world.context(by)) as act:
        return await change(act, document_id)


async def _sees(world: World, who: Actor, document_id: UUID) -> bool:
    try:
        await documents.read_document(world.context(who), document_id)
    except Refused as refused:
        if refused.code != "DOCUMENT_UNKNOWN":
            raise
        return False
    return True


async def _row(world: World, document_id: UUID) -> Any:
    async with world.tenant.database.transaction() as connection:
        return (
            await connection.execute(select(filed_documents).where(filed_documents.c.document_id == document_id))
        ).one()


async def test_masked_only_its_author_and_the_patient_know_of_it(world: World) -> None:
    patient_id, person = await world.patient()
    author, reader = professional(), professional()
    await world.authorize(patient_id, person, author)
    await world.authorize(patient_id, person, reader)
    filed = await world.publish(patient_id, document(author=author), by=author)

    await _do(world, person, visibility.mask, filed)
    assert [await _sees(world, who, filed) for who in (author, person, reader)] == [True, True, False]
    assert (await reading.open_dossier(world.context(reader), patient_id, with_total=True)).page.total == 0

    await _do(world, person, visibility.unmask, filed)
    assert await _sees(world, reader, filed)


async def test_each_change_is_a_new_entry_of_the_same_document(world: World) -> None:
    patient_id, person = await world.patient()
    filed = await world.publish(patient_id, document())
    before = await _row(world, filed)
    await _do(world, person, visibility.mask, filed)
    await _do(world, person, visibility.mask, filed)  # again: nothing to change
    after = await _row(world, filed)
    assert (after.document_id, after.metadata_version) == (before.document_id, 2)
    assert after.entry_uuid != before.entry_uuid
    async with world.tenant.database.transaction() as connection:
        acts = await connection.execute(
            select(document_version.c.act)
            .where(document_version.c.document_id == filed)
            .order_by(document_version.c.metadata_version)
        )
    assert acts.scalars().all() == ["publish", "mask"]


async def test_masked_and_hidden_from_the_patient_is_refused_both_ways(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional()
    await world.authorize(patient_id, person, author)
    hidden = await world.publish(patient_id, document(author=author, hidden_from_patient=True), by=author)
    with pytest.raises(Conflict, match="HIDING_COMBINATION"):
        await _do(world, author, visibility.mask, hidden)
    masked = await world.publish(patient_id, document(author=author, masked=True), by=author)
    with pytest.raises(Conflict, match="HIDING_COMBINATION"):
        await _do(world, author, visibility.hide_from_patient, masked)
    with pytest.raises(Conflict, match="HIDING_COMBINATION"):
        await world.publish(patient_id, document(masked=True, hidden_from_patient=True))
    assert not (await _row(world, hidden)).masked
    assert not (await _row(world, masked)).hidden_from_patient


async def test_hidden_from_the_patient_until_shown_and_never_hidden_again(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional()
    await world.authorize(patient_id, person, author)
    filed = await world.publish(patient_id, document(author=author, hidden_from_patient=True), by=author)
    assert not await _sees(world, person, filed)
    assert (await _row(world, filed)).hidden_until.month == 12  # a month after 16 November

    with pytest.raises(InvalidInput, match="CONFIRMATION_MISSING"):
        await _do(world, author, partial(visibility.show_to_patient, confirmed=False), filed)
    assert not await _sees(world, person, filed)
    await _do(world, author, SHOW_TO_PATIENT, filed)
    assert await _sees(world, person, filed)
    with pytest.raises(Conflict, match="ALREADY_SHOWN"):
        await _do(world, author, visibility.hide_from_patient, filed)
    assert await _sees(world, person, filed)


async def test_a_pack_may_let_what_was_shown_be_hidden_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lenient = pack_on(legal_day(world.clock))
    final = lenient.parameters["visibility.shown_is_final"]
    lenient = replace(
        lenient, parameters={**lenient.parameters, "visibility.shown_is_final": replace(final, value=False)}
    )
    patient_id, person = await world.patient()
    author = professional()
    await world.authorize(patient_id, person, author)
    filed = await world.publish(patient_id, document(author=author, hidden_from_patient=True), by=author)
    await _do(world, author, SHOW_TO_PATIENT, filed)
    assert await _sees(world, person, filed)
    with pytest.raises(Conflict, match="ALREADY_SHOWN"):
        await _do(world, author, visibility.hide_from_patient, filed)
    monkeypatch.setattr(access, "pack_in", lambda _: lenient)
    await _do(world, author, visibility.hide_from_patient, filed)
    assert not await _sees(world, person, filed)


async def test_archived_leaves_the_ordinary_list_and_comes_back(world: World) -> None:
    patient_id, person = await world.patient()
    filed = await world.publish(patient_id, document())
    await _do(world, person, visibility.archive, filed)
    assert (await reading.open_dossier(world.context(person), patient_id)).page.documents == []
    archived = reading.DocumentFilter(statuses=["archived"])
    assert len((await reading.open_dossier(world.context(person), patient_id, archived)).page.documents) == 1
    await _do(world, person, visibility.unarchive, filed)
    assert len((await reading.open_dossier(world.context(person), patient_id)).page.documents) == 1


async def test_only_its_author_deletes_a_document_and_then_it_is_unknown(world: World) -> None:
    patient_id, person = await world.patient()
    author, colleague = professional(), professional()
    await world.authorize(patient_id, person, author)
    await world.authorize(patient_id, person, colleague)
    filed = await world.publish(patient_id, document(author=author), by=author)
    for who in (colleague, person):
        with pytest.raises(Refused):
            await _do(world, who, visibility.delete, filed)
    assert (await _row(world, filed)).status == "current"
    await _do(world, author, visibility.delete, filed)
    assert [await _sees(world, who, filed) for who in (author, colleague, person)] == [False] * 3
    assert (await _row(world, filed)).status == "deleted"


async def test_an_outsider_changes_nothing_and_learns_nothing(world: World) -> None:
    patient_id, _ = await world.patient()
    filed = await world.publish(patient_id, document())
    before = await _row(world, filed)
    for change in (visibility.mask, visibility.archive, visibility.delete, visibility.hide_from_patient):
        with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
            await _do(world, professional(), change, filed)
    assert await _row(world, filed) == before


async def test_a_misfiled_document_moves_and_tells_who_had_read_it(world: World) -> None:
    wrong_id, wrong = await world.patient()
    right_id, right = await world.patient()
    author, reader = professional(name="Dr Auteur"), professional(name="Dr Lectrice")
    for who in (author, reader):
        await world.authorize(wrong_id, wrong, who)
    filed = await world.publish(wrong_id, document(author=author, content=b"a" * 70_000), by=author)
    assert await _sees(world, reader, filed)

    async with transaction(world.context(author)) as act:
        moved = await repair.move_document(act, filed, right_id, reason="homonyme")

    assert [each.actor_name for each in moved.readers] == ["Dr Lectrice"]
    assert not await _sees(world, wrong, filed)
    opened = await documents.open_content(world.context(right), moved.document_id)
    assert b"".join([piece async for piece in opened.read()]) == b"a" * 70_000
    async with world.tenant.database.transaction() as connection:
        trace = (await connection.execute(select(document_move).where(document_move.c.document_id == filed))).one()
    assert (trace.patient_id, trace.to_patient_id, trace.reason) == (wrong_id, right_id, "homonyme")


async def test_a_document_moves_to_no_record_that_could_not_be_fed(world: World) -> None:
    wrong_id, _ = await world.patient()
    author, ins = professional(), ins_of(91_401)
    filed = await world.publish(wrong_id, document(author=author), by=author)
    traits = patients.Traits(family_name="ESSAI", given_names=("Alix",), birth_date="19800115", sex="F")
    async with transaction(world.context(world.feeder)) as act:
        to_id = await patients.register(act, [ins], traits, IdentityStatus.PROVISIONAL, source="builder")
    async with transaction(world.context(world.person(ins))) as act:
        await lifecycle.open_(act, to_id, basis=lifecycle.Basis.CONSENT, proof="signé le jour même")
    before = await _row(world, filed)
    with pytest.raises(Conflict, match="IDENTITY_NOT_QUALIFIED"):
        await _do(world, author, partial(repair.move_document, to_patient_id=to_id, reason="homonyme"), filed)
    assert await _row(world, filed) == before
