"""What is attached to a case: offered by what its attacher reads, read by what its session may, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from passerelle.dossier import relations, visibility, withholding
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import LimitExceeded, PasserelleError, Refused
from passerelle.oncology import attachments
from passerelle.oncology.attachments import AttachmentNature
from tests.builders import document, professional
from tests.oncology.cases.meetings import Heard, Meetings
from tests.oncology.cases.test_cases import refused

PATHOLOGY, LABORATORY, SUMMARY = "11526-1", "11502-2", "60591-5"


async def filed(world: Meetings, it: Heard, type_code: str = PATHOLOGY, **more: Any) -> UUID:
    return await world.publish(it.patient_id, document(type_code=type_code, **more))


async def test_what_the_requester_may_read_is_offered_by_its_nature(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    first = document(type_code=PATHOLOGY, at="20261101080000+0100")
    await world.publish(it.patient_id, first)
    second = await world.publish(
        it.patient_id,
        document(type_code=PATHOLOGY, at="20261102080000+0100", replaces=first.metadata.unique_id),
    )
    results = await filed(world, it, LABORATORY, at="20261103080000+0100")
    await filed(world, it, LABORATORY, masked=True)
    await filed(world, it, "57833-6")  # a prescription is for no board

    found = await world.do(it.doctor, attachments.attachable, it.patient_id, it.id)
    natures = attachments.natures()
    assert [(each["document_id"], natures[each["type_code"]], each["attached_at"]) for each in found] == [
        (results, AttachmentNature.LABORATORY, None),
        (second, AttachmentNature.PATHOLOGY, None),
    ]
    await world.do(it.doctor, attachments.attach, it.id, second)
    again = await world.do(it.doctor, attachments.attachable, it.patient_id, it.id)
    assert [each["attached_at"] for each in again] == [None, world.clock.now()]
    world.tenant.parameters["documents.page_size_max"] = 1  # type: ignore[index]
    (newest,) = await world.do(it.doctor, attachments.attachable, it.patient_id, it.id)
    assert newest["document_id"] == results


async def test_who_knows_the_case_and_not_the_record_is_offered_nothing(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    paper = await filed(world, it)
    for reader in (board_.coordinator, board_.secretary):
        await refused(world, "ACCESS_REFUSED", 1, reader, attachments.attachable, it.patient_id, it.id)
    treating = professional()
    await world.authorize(it.patient_id, it.person, treating)
    await refused(world, "CASE_UNKNOWN", 0, treating, attachments.attachable, it.patient_id, it.id)
    await refused(world, "CASE_UNKNOWN", 0, treating, attachments.attachable, it.patient_id, it.patient_id)
    await refused(world, "DOCUMENT_UNKNOWN", 1, board_.coordinator, attachments.attach, it.id, paper)
    for other in (board_.secretary, await board_.member()):
        await refused(world, "CASE_ACTION_REFUSED", 1, other, attachments.attach, it.id, paper)


async def test_what_may_not_be_read_is_attached_no_more_than_what_is_not_there(world: Meetings) -> None:
    board_ = await world.board()
    it, other = await board_.case(), await board_.case()
    masked = await filed(world, it, masked=True)
    elsewhere = await filed(world, other)
    withheld = await filed(world, it)
    await world.do(it.person, withholding.withhold, withheld, it.doctor.id)
    said = []
    for each in (masked, elsewhere, withheld, it.patient_id):
        failure = await refused(world, "DOCUMENT_UNKNOWN", 1, it.doctor, attachments.attach, it.id, each)
        said.append((type(failure), failure.code, failure.fields))
    assert len(set(map(str, said))) == 1
    prescription = await filed(world, it, "57833-6")
    await refused(world, "ATTACHMENT_TYPE_UNFIT", 0, it.doctor, attachments.attach, it.id, prescription)
    await refused(world, "DOCUMENT_UNKNOWN", 1, it.doctor, attachments.detach, it.id, prescription)


async def test_attached_once_and_taken_away(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    paper = await filed(world, it)
    member = await board_.member()
    await world.do(it.doctor, attachments.attach, it.id, paper)
    world.clock.advance(timedelta(minutes=1))
    before = await world.kept()
    await world.do(it.doctor, attachments.attach, it.id, paper)
    assert await world.kept() == before
    assert (await world.lines())[-1].document_id == paper
    assert len((await board_.agenda(member)).attached[str(it.id)]) == 1
    await world.do(board_.coordinator, attachments.detach, it.id, paper)
    assert (await board_.agenda(member)).attached == {}
    await refused(world, "DOCUMENT_UNKNOWN", 1, it.doctor, attachments.detach, it.id, paper)
    await world.do(it.doctor, attachments.attach, it.id, paper)
    assert len((await board_.agenda(member)).attached[str(it.id)]) == 1


async def test_so_many_and_no_more(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    world.tenant.parameters["oncology.attachments_max"] = 1  # type: ignore[index]
    one, two = await filed(world, it), await filed(world, it)
    await world.do(it.doctor, attachments.attach, it.id, one)
    await world.do(it.doctor, attachments.attach, it.id, one)
    with pytest.raises(LimitExceeded, match="ATTACHMENTS_TOO_MANY"):
        await world.do(it.doctor, attachments.attach, it.id, two)
    await world.do(it.person, visibility.mask, one)
    await world.do(it.doctor, attachments.attach, it.id, two)  # what he no longer reads counts for nothing to him


async def _octets(world: Meetings, reader: Actor, case_id: UUID, document_id: UUID) -> bytes:
    opened = await attachments.open_attached(world.context(reader), case_id, document_id)
    return b"".join([piece async for piece in opened.read()])


async def test_octets_are_read_through_the_case_for_its_span_and_no_other(world: Meetings) -> None:
    board_ = await world.board()
    it, other = await board_.case(), await board_.case()
    paper, loose = await filed(world, it, content=b"lames"), await filed(world, it)
    await world.do(it.doctor, attachments.attach, it.id, paper)
    member, nurse = await board_.member(), await board_.member("60", "nurse")

    for reader in (member, board_.coordinator, it.doctor):
        assert await _octets(world, reader, it.id, paper) == b"lames"
        line = (await world.lines())[-1]
        assert (line.kind, line.action, line.outcome, line.document_id) == ("content", "read", "allowed", paper)
    assert (await world.lines())[-3].rule == "read-board"

    said = set()
    for reader, case_id, document_id in (
        (member, it.id, loose),
        (member, other.id, paper),
        (member, paper, paper),
        (member, it.id, it.id),
        (nurse, it.id, paper),
        (board_.secretary, it.id, paper),
        (professional(), it.id, paper),
        (it.person, it.id, loose),
    ):
        before = len(await world.lines())
        with pytest.raises(Refused) as failure:
            await _octets(world, reader, case_id, document_id)
        said.add((failure.value.code, str(failure.value.fields)))
        assert [each.outcome for each in (await world.lines())[before:]] == ["refused"]
    assert said == {("DOCUMENT_UNKNOWN", "{}")}


async def _reads(world: Meetings, reader: Actor, it: Heard, paper: UUID) -> bool:
    try:
        await _octets(world, reader, it.id, paper)
    except PasserelleError:
        return False
    return True


async def test_it_goes_with_its_session_its_mask_its_block_and_its_withholding(world: Meetings) -> None:
    now = world.clock.now()
    board_ = await world.board()
    it = await board_.case()
    paper = await filed(world, it)
    await world.do(it.doctor, attachments.attach, it.id, paper)
    one, other = await board_.member(), await board_.member()

    async def readers() -> list[bool]:
        """Who reads it: in its list, and its octets."""
        found = []
        for reader in (one, other):
            opened = await board_.agenda(reader)
            listed = [each["document_id"] for each in opened.attached.get(str(it.id), [])]
            assert listed == ([str(paper)] if await _reads(world, reader, it, paper) else [])
            found.append(bool(listed))
        return found

    assert await readers() == [True, True]
    await board_.becomes("planned", opened_at=now + timedelta(hours=1))
    assert await readers() == [False, False]
    await board_.becomes("held", opened_at=now)
    assert await readers() == [True, True]
    await board_.becomes("held", closed_at=now)
    assert await readers() == [False, False]
    await board_.becomes("cancelled", closed_at=None)
    assert await readers() == [False, False]
    await board_.becomes("open")
    await world.do(it.person, withholding.withhold, paper, one.id)
    assert await readers() == [False, True]
    await world.do(it.person, relations.block_professional, it.patient_id, other.id)
    assert await readers() == [False, False]
    await world.do(it.person, relations.unblock_professional, it.patient_id, other.id)
    assert await readers() == [False, True]
    await world.do(it.person, visibility.mask, paper)
    assert await readers() == [False, False]
