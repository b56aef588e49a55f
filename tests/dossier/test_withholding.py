"""One document kept from one professional: gone for him, unchanged for everybody else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from passerelle.audit.tables import journal, outbox
from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, reading, visibility, withholding
from passerelle.dossier.representation import RepresentationBasis, declare_representative
from passerelle.dossier.tables import document as filed_documents
from passerelle.dossier.tables import document_withholding
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, InvalidInput, PasserelleError, Refused
from tests.builders import World, document, ins_of, professional


async def _withhold(world: World, by: Actor, document_id: UUID, rpps: str, *, lifted: bool = False) -> Any:
    async with transaction(world.context(by)) as act:
        return await (withholding.lift if lifted else withholding.withhold)(act, document_id, rpps)


async def _seen(world: World, reader: Actor, patient_id: UUID) -> tuple[int | None, set[str]]:
    """What a list tells, once it agrees with each document asked for."""
    page = (await reading.open_dossier(world.context(reader), patient_id, with_total=True)).page
    return page.total, {each["document_id"] for each in page.documents}


async def _opens(world: World, reader: Actor, document_id: UUID) -> bool:
    try:
        await documents.open_content(world.context(reader), document_id)
    except Refused as refused:
        return refused.code != "DOCUMENT_UNKNOWN"
    return True


async def _held(world: World, patient_id: UUID) -> list[int]:
    """How many withholdings and events a record has."""
    async with world.tenant.database.transaction() as connection:
        return [
            (
                await connection.execute(
                    select(func.count()).select_from(table).where(table.c.patient_id == patient_id)
                )
            ).scalar_one()
            for table in (document_withholding, outbox)
        ]


async def test_withheld_from_one_it_is_gone_for_him_and_the_same_for_others(world: World) -> None:
    patient_id, person = await world.patient()
    he, she, author = professional(), professional(), professional()
    for who in (he, she):
        await world.authorize(patient_id, person, who)
    absent = await _seen(world, he, patient_id)
    filed = await world.publish(patient_id, document(author=author), by=author)
    before = [(await documents.read_document(world.context(who), filed)).document for who in (she, author)]

    await _withhold(world, person, filed, he.id)

    assert await _seen(world, he, patient_id) == absent
    assert [await _opens(world, who, filed) for who in (he, she, author, person)] == [False, True, True, True]
    after = [(await documents.read_document(world.context(who), filed)) for who in (she, author)]
    assert [each.document for each in after] == before  # the entryUUID among the rest
    assert [each.withheld_from for each in after] == [None, None]
    assert (await documents.read_document(world.context(person), filed)).withheld_from == [he.id]

    await _withhold(world, person, filed, he.id, lifted=True)
    assert await _opens(world, he, filed)
    assert (await documents.read_document(world.context(person), filed)).withheld_from == []


async def test_its_author_always_sees_it(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional()
    filed = await world.publish(patient_id, document(author=author), by=author)
    before = await _held(world, patient_id)
    with pytest.raises(Conflict, match="AUTHOR_ALWAYS_SEES"):
        await _withhold(world, person, filed, author.id)
    assert await _held(world, patient_id) == before
    assert await _opens(world, author, filed)


async def test_a_number_that_nobody_has_is_no_closed_door(world: World) -> None:
    patient_id, person = await world.patient()
    filed = await world.publish(patient_id, document())
    before = await _held(world, patient_id)
    with pytest.raises(InvalidInput, match="RPPS_UNKNOWN"):
        await _withhold(world, person, filed, "10000000009")
    assert await _held(world, patient_id) == before


async def test_it_holds_for_every_version_whoever_files_the_next(world: World) -> None:
    patient_id, person = await world.patient()
    he = professional()
    await world.authorize(patient_id, person, he)
    first = document()
    first_id = await world.publish(patient_id, first)
    second = document(author=professional(), replaces=first.metadata.unique_id)
    second_id = await world.publish(patient_id, second)

    await _withhold(world, person, first_id, he.id)
    await _withhold(world, person, second_id, he.id)  # again: nothing to change
    third_id = await world.publish(patient_id, document(author=professional(), replaces=second.metadata.unique_id))

    assert [await _opens(world, he, each) for each in (first_id, second_id, third_id)] == [False] * 3
    assert (await _held(world, patient_id))[0] == 3
    assert (await documents.read_document(world.context(person), third_id)).withheld_from == [he.id]
    await _withhold(world, person, third_id, he.id, lifted=True)
    assert [await _opens(world, he, each) for each in (first_id, second_id, third_id)] == [True] * 3


async def test_a_version_that_the_representative_may_not_know_of_stays_withheld(world: World) -> None:
    patient_id, person = await world.patient()
    he, mother = professional(), world.person(ins_of(92_100), name="Mère Essai")
    await world.authorize(patient_id, person, he)
    async with transaction(world.context(person)) as act:
        await declare_representative(
            act, patient_id, mother.id, basis=RepresentationBasis.GUARDIANSHIP, proof="jugement"
        )
    first = document()
    first_id = await world.publish(patient_id, first)
    hidden = document(replaces=first.metadata.unique_id, hidden_from_representatives=True)
    hidden_id = await world.publish(patient_id, hidden)
    await _withhold(world, mother, first_id, he.id)
    assert [await _opens(world, he, each) for each in (first_id, hidden_id)] == [False, False]
    await _withhold(world, mother, first_id, he.id, lifted=True)
    assert [await _opens(world, he, each) for each in (first_id, hidden_id)] == [True, False]


@pytest.mark.parametrize(
    ("rpps", "failure"), [("123", InvalidInput), ("1000000000A", InvalidInput), ("99900999999", Refused)]
)
async def test_only_the_patient_s_side_withholds(world: World, rpps: str, failure: type[PasserelleError]) -> None:
    patient_id, person = await world.patient()
    reader = professional()
    await world.authorize(patient_id, person, reader)
    filed = await world.publish(patient_id, document())
    before = await _held(world, patient_id)
    for by, code in ((reader, "ACTION_REFUSED"), (professional(), "DOCUMENT_UNKNOWN")):
        with pytest.raises(failure) as refused:
            await _withhold(world, by, filed, rpps)
        assert refused.value.code == ("RPPS_INVALID" if failure is InvalidInput else code)
    assert await _held(world, patient_id) == before


async def test_a_refused_reading_is_explained_in_the_journal_alone(world: World) -> None:
    patient_id, person = await world.patient()
    he = professional()
    await world.authorize(patient_id, person, he)
    withheld, masked = [await world.publish(patient_id, document()) for _ in range(2)]
    await _withhold(world, person, withheld, he.id)
    async with transaction(world.context(person)) as act:
        await visibility.mask(act, masked)
    answers = []
    for each in (withheld, masked, UUID(int=3)):
        with pytest.raises(Refused) as refused:
            await documents.read_document(world.context(he), each)
        answers.append((refused.value.code, refused.value.fields, refused.value.message))
    assert len({str(each) for each in answers}) == 1

    async with world.tenant.database.transaction() as connection:
        lines = await connection.execute(
            select(journal.c.patient_id, journal.c.rule, journal.c.facts)
            .where(journal.c.actor_id == he.id, journal.c.action == "read", journal.c.kind == "document")
            .order_by(journal.c.line_id)
        )
    said = [(row.patient_id, row.rule, row.facts["document"] and row.facts["document"]["withheld"]) for row in lines]
    assert said == [
        (patient_id, "document-withheld", True),
        (patient_id, "document-masked", False),
        (UUID(int=0), "absent", None),
    ]


async def test_the_patient_reads_of_refusals_but_not_of_what_is_hidden_from_him(world: World) -> None:
    patient_id, person = await world.patient()
    stranger = professional()
    shown = await world.publish(patient_id, document())
    hidden = await world.publish(patient_id, document(hidden_from_patient=True))
    for each in (shown, hidden):
        assert not await _opens(world, stranger, each)
    lines = await world.journal(person, patient_id)
    assert [each.document_id for each in lines if each.actor_id == stranger.id] == [shown]


async def test_a_withholding_writes_no_version_of_the_metadata(world: World) -> None:
    patient_id, person = await world.patient()
    filed = await world.publish(patient_id, document())

    async def row() -> Any:
        async with world.tenant.database.transaction() as connection:
            found = await connection.execute(select(filed_documents).where(filed_documents.c.document_id == filed))
        return found.one()

    before = await row()
    await _withhold(world, person, filed, professional().id)
    assert await row() == before
