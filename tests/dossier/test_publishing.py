"""Filing: once, in the right record, with its chain of versions kept."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select

from passerelle.audit.tables import journal, outbox
from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, publishing, reading
from passerelle.dossier.publishing import Filing
from passerelle.dossier.tables import document as filed_documents
from passerelle.dossier.tables import document_key
from passerelle.identities import patients
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, PasserelleError, Refused
from tests.builders import World, document, ins_of, professional


async def _count(world: World) -> int:
    async with world.tenant.database.transaction() as connection:
        return (await connection.execute(select(func.count()).select_from(filed_documents))).scalar_one()


async def test_the_same_document_again_is_already_here(world: World) -> None:
    patient_id, _ = await world.patient()
    incoming = document()
    first = await world.publish(patient_id, incoming)
    before = await _count(world)
    async with transaction(world.context(world.feeder)) as act:
        again = await publishing.publish(act, patient_id, incoming)
    assert (again.filing, again.document_id) == (Filing.ALREADY_HERE, first)
    async with world.tenant.database.transaction() as connection:
        lines = await connection.execute(
            select(func.count()).select_from(journal).where(journal.c.document_id == first)
        )
    assert lines.scalar_one() == 1  # the journal tells of one filing, not of two
    assert await _count(world) == before


async def test_ten_at_once_store_one(world: World) -> None:
    patient_id, _ = await world.patient()
    incoming = document()
    before = await _count(world)

    async def one() -> Filing:
        async with transaction(world.context(world.feeder)) as act:
            return (await publishing.publish(act, patient_id, incoming)).filing

    filings = await asyncio.gather(*(one() for _ in range(10)))
    assert sorted(filings) == [Filing.ALREADY_HERE] * 9 + [Filing.STORED]
    assert await _count(world) == before + 1


async def test_other_bytes_under_the_same_unique_id_change_nothing(world: World) -> None:
    patient_id, _ = await world.patient()
    incoming = document()
    await world.publish(patient_id, incoming)
    before = await _count(world)
    with pytest.raises(Conflict, match="UNIQUE_ID_REUSED"):
        await world.publish(patient_id, document(unique_id=incoming.metadata.unique_id, content=b"autre"))
    assert await _count(world) == before


async def test_a_replacement_supersedes_and_keeps_the_chain(world: World) -> None:
    patient_id, person = await world.patient()
    first, second = document(), None
    first_id = await world.publish(patient_id, first)
    second = document(replaces=first.metadata.unique_id)
    second_id = await world.publish(patient_id, second)
    third_id = await world.publish(patient_id, document(replaces=second.metadata.unique_id))

    page = (await reading.open_dossier(world.context(person), patient_id)).page
    assert [each["document_id"] for each in page.documents] == [str(third_id)]
    versions = (await documents.read_document(world.context(person), third_id)).versions
    assert {each["document_id"]: each["status"] for each in versions} == {
        str(third_id): "current",
        str(second_id): "superseded",
        str(first_id): "superseded",
    }
    old = (await documents.read_document(world.context(person), first_id)).document
    assert (old["status"], old["metadata_version"]) == ("superseded", 1)
    assert not {"superseded_by", "replaces", "chain_id"} & set(old)


async def test_a_replacement_needs_its_parent_here_current_and_of_the_same_patient(world: World) -> None:
    patient_id, _ = await world.patient()
    other_id, _ = await world.patient()
    first = document()
    await world.publish(patient_id, first)
    before = await _count(world)
    for replaces, to, code in (
        ("2.25.404", patient_id, "PARENT_UNKNOWN"),
        (first.metadata.unique_id, other_id, "PARENT_OF_ANOTHER_PATIENT"),
    ):
        with pytest.raises(Conflict, match=code):
            await world.publish(to, document(replaces=replaces))
    assert await _count(world) == before
    await world.publish(patient_id, document(replaces=first.metadata.unique_id))
    with pytest.raises(Conflict, match="PARENT_NOT_CURRENT"):
        await world.publish(patient_id, document(replaces=first.metadata.unique_id))
    assert await _count(world) == before + 1


@pytest.mark.parametrize(("type_code", "code"), [("no-such-type", "TYPE_UNKNOWN"), ("", "TYPE_UNKNOWN")])
async def test_a_type_outside_the_lists_is_refused(world: World, type_code: str, code: str) -> None:
    patient_id, _ = await world.patient()
    before = await _count(world)
    with pytest.raises(InvalidInput, match=code):
        await world.publish(patient_id, document(type_code=type_code))
    assert await _count(world) == before


async def test_feeding_needs_a_qualified_identity(world: World) -> None:
    traits = patients.Traits(family_name="PROVISOIRE", birth_date="19790101")
    async with transaction(world.context(world.feeder)) as act:
        patient_id = await patients.register(act, [ins_of(77)], traits, IdentityStatus.RETRIEVED, source="test")
    from passerelle.dossier import lifecycle

    async with transaction(world.context(world.person(ins_of(77)))) as act:
        await lifecycle.open_(act, patient_id, basis=lifecycle.Basis.CONSENT, proof="signé")
    with pytest.raises(Conflict, match="IDENTITY_NOT_QUALIFIED"):
        await world.publish(patient_id, document())


async def test_what_fails_leaves_no_claim_on_its_unique_id(world: World) -> None:
    patient_id, _ = await world.patient(open_=False)
    incoming = document()
    with pytest.raises(PasserelleError):
        await world.publish(patient_id, incoming)
    async with world.tenant.database.transaction() as connection:
        held = await connection.execute(
            select(document_key).where(document_key.c.unique_id == incoming.metadata.unique_id)
        )
    assert held.first() is None


async def test_an_overlarge_document_is_refused(world: World) -> None:
    patient_id, _ = await world.patient()
    tenant = world.tenant
    from dataclasses import replace

    from passerelle.dossier import access

    limit = access.number(world.context(world.feeder), "documents.max_bytes")
    small = World(tenant=replace(tenant), clock=world.clock)
    with pytest.raises(LimitExceeded, match="DOCUMENT_TOO_LARGE"):
        await small.publish(patient_id, document(content=bytes(limit + 1)))


async def test_the_patient_adds_his_own_and_it_says_so(world: World) -> None:
    patient_id, person = await world.patient()
    async with transaction(world.context(person)) as act:
        own = await publishing.publish_own(act, patient_id, document(type_code="DOCPAT01"))
    shown = (await documents.read_document(world.context(person), own.document_id)).document
    assert shown["by_patient"] is True
    assert [each["kind"] for each in shown["authors"]] == ["patient"]


async def test_one_patient_cannot_file_in_the_record_of_another(world: World) -> None:
    patient_id, _ = await world.patient()
    _, other = await world.patient()
    before = await _count(world)
    with pytest.raises(Refused):
        async with transaction(world.context(other)) as act:
            await publishing.publish_own(act, patient_id, document())
    assert await _count(world) == before


async def test_each_filing_publishes_its_event_without_health_data(world: World) -> None:
    patient_id, _ = await world.patient()
    await world.publish(patient_id, document(title="Cancer du sein, annonce"))
    async with world.tenant.database.transaction() as connection:
        events = (await connection.execute(select(outbox).where(outbox.c.patient_id == patient_id))).all()
    assert "dossier.document_published" in {each.name for each in events}
    assert "Cancer" not in str([each.payload for each in events])


async def test_the_content_comes_back_byte_for_byte_and_in_parts(world: World) -> None:
    patient_id, person = await world.patient()
    octets = bytes(range(256)) * 700  # three segments
    filed = await world.publish(patient_id, document(content=octets, author=professional()))
    opened = await documents.open_content(world.context(person), filed)
    assert b"".join([piece async for piece in opened.read()]) == octets
    assert b"".join([piece async for piece in opened.read(65_000, 66_000)]) == octets[65_000:66_000]


async def test_naming_oneself_author_does_not_supersede_what_another_wrote(world: World) -> None:
    patient_id, person = await world.patient()
    author, reader, stranger = professional(), professional(), professional()
    for who in (author, reader):
        await world.authorize(patient_id, person, who)
    first = document(author=author)
    filed = await world.publish(patient_id, first, by=author)
    for who, failure in ((reader, "ACTION_REFUSED"), (stranger, "PARENT_UNKNOWN")):
        with pytest.raises(PasserelleError, match=failure):
            await world.publish(patient_id, document(author=who, replaces=first.metadata.unique_id), by=who)
    assert (await documents.read_document(world.context(person), filed)).document["status"] == "current"
