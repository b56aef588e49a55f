"""The versions of a document: superseded for whoever may see the next one, as before for whoever may not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import documents, publishing, reading, repair, visibility
from passerelle.dossier.formats.submission import IncomingDocument
from passerelle.dossier.representation import RepresentationBasis, declare_representative
from passerelle.dossier.tables import document as filed_documents
from passerelle.dossier.tables import document_version
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, InvalidInput, PasserelleError
from passerelle_policies.vocabulary import DocumentStatus
from tests.builders import World, document, ins_of, professional

Change = Callable[[Act, UUID], Awaitable[Any]]
EVERY_STATUS = tuple(each.value for each in DocumentStatus)


async def _do(world: World, by: Actor, change: Change, document_id: UUID) -> Any:
    async with transaction(world.context(by)) as act:
        return await change(act, document_id)


def _next(before: IncomingDocument, **of_it: Any) -> IncomingDocument:
    return document(replaces=before.metadata.unique_id, **of_it)


async def _all_that_is_shown(world: World, reader: Actor, patient_id: UUID, document_id: UUID) -> list[Any]:
    """Every answer that a reader gets about a record and one of its documents."""
    context = world.context(reader)
    said: list[Any] = []
    for statuses in (("current",), ("superseded",), ("archived",), EVERY_STATUS):
        wanted = reading.DocumentFilter(statuses=statuses)
        opened = await reading.open_dossier(context, patient_id, wanted, with_total=True)
        said.append((asdict(opened.page), [reading.cursor_of(each) for each in opened.page.documents]))
    read = await documents.read_document(context, document_id)
    content = await documents.open_content(context, document_id)
    said += [read.document, read.versions, read.withheld_from, [piece async for piece in content.read()]]
    return said


async def _statuses(world: World, reader: Actor, document_id: UUID) -> dict[str, str]:
    """The versions that a reader is shown, newest first."""
    read = await documents.read_document(world.context(reader), document_id)
    return {each["document_id"]: each["status"] for each in read.versions}


async def _row(world: World, document_id: UUID) -> Any:
    async with world.tenant.database.transaction() as connection:
        found = await connection.execute(select(filed_documents).where(filed_documents.c.document_id == document_id))
    return found.one()


@pytest.mark.parametrize("hidden", ["masked", "hidden_from_patient", "hidden_from_representatives"])
async def test_a_successor_out_of_sight_changes_nothing_that_is_shown(world: World, hidden: str) -> None:
    patient_id, person = await world.patient()
    mother, reader = world.person(ins_of(92_000), name="Mère Essai"), professional()
    await world.authorize(patient_id, person, reader)
    async with transaction(world.context(person)) as act:
        await declare_representative(
            act, patient_id, mother.id, basis=RepresentationBasis.GUARDIANSHIP, proof="jugement"
        )
    kept_out = {"masked": reader, "hidden_from_patient": person, "hidden_from_representatives": mother}[hidden]
    first = document()
    first_id = await world.publish(patient_id, first)
    before = await _all_that_is_shown(world, kept_out, patient_id, first_id)

    author, flags = professional(), {hidden: True}
    second = await world.publish(patient_id, _next(first, author=author, **flags))

    assert await _all_that_is_shown(world, kept_out, patient_id, first_id) == before
    assert (await _row(world, first_id)).superseded_by == second
    show: dict[str, tuple[Actor, Change]] = {
        "masked": (person, visibility.unmask),
        "hidden_from_patient": (author, partial(visibility.show_to_patient, confirmed=True)),
        "hidden_from_representatives": (person, partial(visibility.show_to_representatives, confirmed=True)),
    }
    by, change = show[hidden]
    await _do(world, by, change, second)
    assert await _statuses(world, kept_out, first_id) == {str(second): "current", str(first_id): "superseded"}


async def test_replacing_writes_no_version_of_what_it_replaces(world: World) -> None:
    patient_id, _ = await world.patient()
    first = document()
    first_id = await world.publish(patient_id, first)
    before = await _row(world, first_id)
    second_id = await world.publish(patient_id, document(replaces=first.metadata.unique_id))
    after = await _row(world, first_id)
    assert (after.entry_uuid, after.metadata_version, after.status) == (before.entry_uuid, 1, "current")
    assert ((await _row(world, second_id)).chain_position, after.superseded_by) == (2, second_id)
    async with world.tenant.database.transaction() as connection:
        acts = await connection.execute(
            select(document_version.c.act).where(document_version.c.document_id == first_id)
        )
    assert acts.scalars().all() == ["publish"]


async def test_the_journal_tells_of_a_replacement_under_the_new_version_alone(world: World) -> None:
    """Or the patient would learn from the line that a version is being kept from him."""
    patient_id, person = await world.patient()
    first = document()
    first_id = await world.publish(patient_id, first)

    async def told() -> list[tuple[str, UUID | None]]:
        lines = await world.journal(person, patient_id)
        return [(each.action, each.document_id) for each in lines if each.kind == "document"]

    before = await told()
    author = professional()
    hidden_id = await world.publish(patient_id, _next(first, author=author, hidden_from_patient=True))
    assert await told() == before == [("publish", first_id)]
    await _do(world, author, partial(visibility.show_to_patient, confirmed=True), hidden_id)
    assert {("replace", hidden_id), ("publish", hidden_id)} <= set(await told())


async def test_who_may_not_see_the_successor_replaces_as_if_there_were_none(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional()
    first = document(author=author)
    first_id = await world.publish(patient_id, first, by=author)
    masked = document(replaces=first.metadata.unique_id, masked=True)
    masked_id = await world.publish(patient_id, masked)
    fork = document(author=author, replaces=first.metadata.unique_id)

    async with transaction(world.context(author)) as act:
        filed = await publishing.publish(act, patient_id, fork)

    assert (filed.filing, filed.replaced) == (publishing.Filing.REPLACED, first_id)
    fork_id = filed.document_id
    rows = [await _row(world, each) for each in (first_id, masked_id, fork_id)]
    assert [each.chain_position for each in rows] == [1, 2, 3]
    assert await _statuses(world, author, first_id) == {str(fork_id): "current", str(first_id): "superseded"}
    assert await _statuses(world, person, first_id) == {
        str(fork_id): "current",
        str(masked_id): "superseded",
        str(first_id): "superseded",
    }
    for replaced in (first, masked):  # the feeder knows of all three
        with pytest.raises(Conflict, match="PARENT_NOT_CURRENT"):
            await world.publish(patient_id, document(replaces=replaced.metadata.unique_id))


async def test_replacements_at_once_take_turns(world: World) -> None:
    patient_id, _ = await world.patient()
    author = professional()
    first = document(author=author)
    first_id = await world.publish(patient_id, first)

    async def one(by: Actor, **more: Any) -> str:
        try:
            await world.publish(patient_id, document(author=by, replaces=first.metadata.unique_id, **more), by=by)
        except PasserelleError as refused:
            return refused.code
        return "filed"

    feeder = world.feeder
    told = await asyncio.gather(*(one(by, masked=by is feeder) for by in (author, feeder, author, feeder)))

    async with world.tenant.database.transaction() as connection:
        held = await connection.execute(
            select(func.array_agg(filed_documents.c.chain_position)).where(filed_documents.c.chain_id == first_id)
        )
    assert set(told) == {"filed", "PARENT_NOT_CURRENT"}
    assert sorted(held.scalar_one()) == list(range(1, told.count("filed") + 2))


async def test_what_is_deleted_supersedes_no_longer(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional()
    first = document(author=author)
    first_id = await world.publish(patient_id, first, by=author)
    second_id = await world.publish(patient_id, document(author=author, replaces=first.metadata.unique_id), by=author)
    await _do(world, author, visibility.delete, second_id)
    assert await _statuses(world, person, first_id) == {str(first_id): "current"}
    third_id = await world.publish(patient_id, document(author=author, replaces=first.metadata.unique_id), by=author)
    assert (await _row(world, third_id)).chain_position == 3
    assert await _statuses(world, person, third_id) == {str(third_id): "current", str(first_id): "superseded"}


async def test_a_superseded_version_is_not_archived_by_who_sees_it_so(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional()
    first = document(author=author)
    first_id = await world.publish(patient_id, first, by=author)
    await world.publish(patient_id, document(replaces=first.metadata.unique_id, masked=True))
    before = await _row(world, first_id)
    with pytest.raises(Conflict, match="NOT_CURRENT"):
        await _do(world, person, visibility.archive, first_id)
    assert await _row(world, first_id) == before
    assert (await _do(world, author, visibility.archive, first_id)).status == "archived"
    assert await _statuses(world, author, first_id) == {str(first_id): "archived"}
    assert set((await _statuses(world, person, first_id)).values()) == {"current", "superseded"}


async def test_who_sees_one_version_alone_moves_it_as_if_there_were_no_other(world: World) -> None:
    wrong_id, person = await world.patient()
    right_id, right = await world.patient()
    author = professional()
    first = document(author=author)
    first_id = await world.publish(wrong_id, first, by=author)
    other = professional()
    masked = document(author=other, replaces=first.metadata.unique_id, masked=True)
    masked_id = await world.publish(wrong_id, masked)
    move = partial(repair.move_document, to_patient_id=right_id, reason="homonyme")
    with pytest.raises(Conflict, match="MOVE_OF_A_CHAIN"):
        await _do(world, world.feeder, move, first_id)
    moved = await _do(world, author, move, first_id)
    assert await _statuses(world, right, moved.document_id) == {str(moved.document_id): "current"}
    row = await _row(world, moved.document_id)
    assert (row.chain_position, row.replaces, row.superseded_by) == (1, None, None)
    assert await _statuses(world, person, masked_id) == {str(masked_id): "current"}
    told = [await world.notices(each) for each in (other, world.feeder, author, person)]
    assert [each.count("misfiled_version") for each in told] == [1, 1, 0, 0]
    await _do(world, other, move, masked_id)
    assert await world.notices(author) == []


async def test_showing_is_to_be_confirmed_whatever_the_document(world: World) -> None:
    """The answer is the same of a document that is there, and of none: the question comes first."""
    patient_id, _ = await world.patient()
    for each in (await world.publish(patient_id, document(hidden_from_patient=True)), UUID(int=1)):
        for show in (visibility.show_to_patient, visibility.show_to_representatives):
            with pytest.raises(InvalidInput, match="CONFIRMATION_MISSING"):
                await _do(world, professional(), partial(show, confirmed=False), each)
