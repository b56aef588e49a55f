"""What a reader may not know of shows nowhere: not in his journal, not in the answers to a replacement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from passerelle.audit import journal
from passerelle.audit.tables import journal as journal_table
from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, lifecycle, reading, visibility
from passerelle.dossier.representation import RepresentationBasis, declare_representative
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, LimitExceeded, PasserelleError, Refused
from passerelle_policies.vocabulary import ActorKind
from tests.builders import World, document, ins_of, operator, professional

GUARDIANSHIP = RepresentationBasis.GUARDIANSHIP


async def _told(world: World, reader: Actor, patient_id: UUID) -> list[tuple[str, str, UUID | None]]:
    """The journal as its reader sees it, but for his own readings of it."""
    lines = await world.journal(reader, patient_id)
    return [(each.kind, each.action, each.document_id) for each in lines if each.kind != "journal"]


async def _code(world: World, by: Actor, patient_id: UUID, replaces: str) -> str:
    with pytest.raises(PasserelleError) as failed:
        await world.publish(patient_id, document(author=by, replaces=replaces), by=by)
    return failed.value.code


async def test_the_journal_does_not_announce_an_announcement(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional()
    await world.authorize(patient_id, person, author)
    before = await _told(world, person, patient_id)
    hidden = await world.publish(patient_id, document(author=author, hidden_from_patient=True), by=author)
    await documents.open_content(world.context(author), hidden)
    with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
        await documents.read_document(world.context(person), hidden)
    assert await _told(world, person, patient_id) == before

    async with transaction(world.context(author)) as act:
        await visibility.show_to_patient(act, hidden, confirmed=True)
    told = await _told(world, person, patient_id)
    assert {("document", "publish", hidden), ("content", "read", hidden)} <= set(told)


async def test_a_refused_filing_announces_nothing_either(world: World) -> None:
    """It has no document that may be shown one day: not its line, nor the facts of it in an export."""
    patient_id, person = await world.patient()
    mother, worker = world.person(ins_of(91_103), name="Mère Essai"), professional("320")
    async with transaction(world.context(person)) as act:
        await declare_representative(act, patient_id, mother.id, basis=GUARDIANSHIP, proof="livret de famille")
    before = [await _told(world, each, patient_id) for each in (person, mother)]
    hidden = (
        document(author=worker, hidden_from_patient=True),
        document(author=worker, hidden_from_representatives=True),
    )
    for each in hidden:
        with pytest.raises(Refused):
            await world.publish(patient_id, each, by=worker)
    assert [await _told(world, each, patient_id) for each in (person, mother)] == before
    assert len(await _refusals(world, patient_id, worker)) == 2
    with pytest.raises(Refused):
        await world.publish(patient_id, document(author=worker), by=worker)
    assert len(await _told(world, person, patient_id)) == len(before[0]) + 1


async def test_a_representative_reads_of_no_document_that_is_hidden_from_him(world: World) -> None:
    patient_id, person = await world.patient()
    mother = world.person(ins_of(91_101), name="Mère Essai")
    async with transaction(world.context(person)) as act:
        await declare_representative(act, patient_id, mother.id, basis=GUARDIANSHIP, proof="livret de famille")
    before = await _told(world, mother, patient_id)
    hidden = await world.publish(patient_id, document(hidden_from_representatives=True))
    await documents.read_document(world.context(person), hidden)
    assert await _told(world, mother, patient_id) == before
    assert ("document", "publish", hidden) in await _told(world, person, patient_id)


async def test_what_waits_for_an_announcement_waits_no_longer_than_the_rule_says(world: World) -> None:
    """R.1111-53: a month at most, whether or not anybody thought of showing it."""
    patient_id, person = await world.patient()
    hidden = await world.publish(patient_id, document(hidden_from_patient=True))
    assert (await reading.open_dossier(world.context(person), patient_id)).page.documents == []
    world.clock.advance(timedelta(days=31))
    assert (await documents.read_document(world.context(person), hidden)).document["document_id"] == str(hidden)
    assert len((await reading.open_dossier(world.context(person), patient_id)).page.documents) == 1
    assert ("document", "publish", hidden) in await _told(world, person, patient_id)
    async with transaction(world.context(person)) as act:
        assert (await visibility.mask(act, hidden)).masked


async def test_a_replacement_tells_nothing_of_a_parent_out_of_sight(world: World) -> None:
    """Whatever became of the version before, and whosever it is, who may not know of it learns that it is not here."""
    patient_id, person = await world.patient()
    other_id, other_person = await world.patient()
    author, stranger = professional(), professional()
    await world.authorize(patient_id, person, author)
    await world.authorize(other_id, other_person, author)
    superseded, deleted, current = document(author=author), document(author=author), document(author=author)
    _, gone, _ = [await world.publish(patient_id, each, by=author) for each in (superseded, deleted, current)]
    await world.publish(patient_id, document(author=author, replaces=superseded.metadata.unique_id), by=author)
    async with transaction(world.context(author)) as act:
        await visibility.delete(act, gone)

    for to, each in ((patient_id, superseded), (patient_id, deleted), (other_id, current)):
        assert await _code(world, stranger, to, each.metadata.unique_id) == "PARENT_UNKNOWN"
    assert await _code(world, author, patient_id, superseded.metadata.unique_id) == "PARENT_NOT_CURRENT"
    assert await _code(world, author, patient_id, deleted.metadata.unique_id) == "PARENT_NOT_CURRENT"
    assert await _code(world, author, other_id, current.metadata.unique_id) == "PARENT_OF_ANOTHER_PATIENT"


async def _refusals(world: World, patient_id: UUID, by: Actor) -> list[tuple[str, str | None]]:
    async with world.tenant.database.transaction() as connection:
        lines = await journal.page(connection, patient_id, first=100)
    return [(each.action, each.code) for each in lines if each.actor_id == by.id and each.outcome == "refused"]


async def test_whoever_is_kept_from_filing_is_in_the_journal(world: World) -> None:
    patient_id, person = await world.patient()
    first, stranger = document(author=professional()), professional()
    await world.publish(patient_id, first)
    assert await _code(world, stranger, patient_id, first.metadata.unique_id) == "PARENT_UNKNOWN"
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id)
    with pytest.raises(Conflict, match="DOSSIER_NOT_OPEN"):
        await world.publish(patient_id, document(author=stranger), by=stranger)
    assert await _refusals(world, patient_id, stranger) == [
        ("publish", "DOSSIER_NOT_OPEN"),
        ("replace", "DOCUMENT_UNKNOWN"),
    ]


async def test_a_minor_may_read_his_document_and_still_keep_it_from_his_parents(world: World) -> None:
    patient_id, person = await world.patient(born="20120605")
    mother = world.person(ins_of(91_102), name="Mère Essai")
    async with transaction(world.context(operator())) as act:
        await declare_representative(
            act, patient_id, mother.id, basis=RepresentationBasis.MINOR, proof="livret de famille"
        )
    his, hers = [await world.publish(patient_id, document()) for _ in range(2)]
    await documents.open_content(world.context(person), his)
    await documents.open_content(world.context(mother), hers)
    async with transaction(world.context(person)) as act:
        assert (await visibility.hide_from_representatives(act, his)).hidden_from_representatives
    with pytest.raises(Conflict, match="ALREADY_SHOWN"):
        async with transaction(world.context(person)) as act:
            await visibility.hide_from_representatives(act, hers)


@pytest.mark.parametrize(("born", "code"), [("20081116", "PATIENT_OF_AGE"), ("", "BIRTH_DATE_UNKNOWN")])
async def test_an_adult_keeps_nothing_from_whoever_represents_him(world: World, born: str, code: str) -> None:
    world.clock.set(datetime(2026, 11, 15, 22, 59, tzinfo=UTC))  # in Paris, the last minute of a minority
    patient_id, person = await world.patient(born=born)
    doctor = professional()
    before, after = [
        await world.publish(patient_id, document(author=doctor, hidden_from_representatives=each))
        for each in (True, False)
    ]
    world.clock.advance(timedelta(minutes=1))
    for who in (person, doctor):
        with pytest.raises(Conflict, match=code):
            async with transaction(world.context(who)) as act:
                await visibility.hide_from_representatives(act, after)
        async with transaction(world.context(who)) as act:  # what was hidden stays so, and to say it again is nothing
            assert (await visibility.hide_from_representatives(act, before)).hidden_from_representatives
    page = (await reading.open_dossier(world.context(person), patient_id)).page
    kept = {each["document_id"]: each["hidden_from_representatives"] for each in page.documents}
    assert kept == {str(before): True, str(after): False}


async def test_a_filter_is_not_a_list_without_end(world: World) -> None:
    patient_id, person = await world.patient()
    endless = reading.DocumentFilter(type_codes=["11488-4"] * (reading.MAX_FILTER_VALUES + 1))
    with pytest.raises(LimitExceeded, match="FILTER_TOO_LONG"):
        await reading.open_dossier(world.context(person), patient_id, endless)


async def test_who_may_inform_does_not_learn_the_state_of_a_record(world: World) -> None:
    stranger, answers = professional(), set()
    for state in ("open", "closed", "suspended"):
        patient_id, person = await world.patient()
        if state == "closed":
            async with transaction(world.context(person)) as act:
                await lifecycle.close(act, patient_id)
        if state == "suspended":
            operator = Actor(kind=ActorKind.SYSTEM, id="operator", name="Exploitant")
            async with transaction(world.context(operator)) as act:
                await lifecycle.suspend(act, patient_id, reason="fraude")
        with pytest.raises(Conflict) as refused:
            async with transaction(world.context(stranger)) as act:
                await lifecycle.inform(act, patient_id, proof="affiche")
        answers.add(str(refused.value))
    assert len(answers) == 1


async def test_an_absent_document_says_nothing_of_the_one_that_stood_in_for_it(world: World) -> None:
    """The work is done about another document, so that it takes as long; neither answer nor journal shows whose."""
    patient_id, person = await world.patient()
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    filed = await world.publish(patient_id, document(author=doctor))
    for absent in (UUID(int=filed.int - 1), UUID(int=filed.int + 1), UUID(int=2**128 - 1)):
        with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
            await documents.read_document(world.context(doctor), absent)
        async with world.tenant.database.transaction() as connection:
            line = (await connection.execute(select(journal_table).where(journal_table.c.document_id == absent))).one()
        assert (line.patient_id, line.rule, line.facts["relations"]) == (journal.NOBODY, "absent", [])
        assert (line.facts["state"], line.facts["document"]) == (None, None)
