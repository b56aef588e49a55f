"""A sheet is approved once everything is there, and all that follows follows in the same act."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import select, update

from passerelle.audit.tables import outbox
from passerelle.dossier import attending, documents, relations
from passerelle.dossier.formats.cda import clinical_document
from passerelle.dossier.tables import document
from passerelle.identities.tables import patient
from passerelle.kernel.errors import Conflict, Refused
from passerelle.oncology import approval, deferral, sheet_fields, sheet_header, sheets
from passerelle.oncology.approval import NotReady
from passerelle.oncology.cases import CaseDiscussion
from passerelle.oncology.formats import frcp
from passerelle.oncology.formats.schemas import Official
from passerelle.oncology.people import instant
from passerelle.oncology.sheets import SheetState
from passerelle.oncology.tables import board, board_case, board_session, care_plan
from tests.builders import professional
from tests.formats.samples import SHARED, needs_shared
from tests.oncology.sheet_life.opinions import WRITTEN, Opinion, Opinions


async def _octets(world: Opinions, it: Opinion, document_id: Any) -> bytes:
    opened = await documents.open_content(world.context(it.coordinator), document_id)
    return b"".join([piece async for piece in opened.read()])


async def _rows(world: Opinions, table: Any, *where: Any) -> list[Any]:
    async with world.tenant.database.transaction() as connection:
        return [*await connection.execute(select(table).where(*where))]


async def test_approving_files_the_document_locks_the_sheet_and_drafts_the_plan(world: Opinions) -> None:
    it = await world.meeting()
    gp, referring = professional(), professional()
    async with world.act(it.person) as act:
        await attending.declare_attending_physician(act, it.patient_id, gp.id)
    ready = await it.ready()
    written = await world.do(
        it.coordinator, sheets.write, it.case_id, ready.revision, {"trial": False}, correspondents=[referring.id]
    )
    approved = await it.approve((await it.done(written.revision)).revision)

    (row,) = await it.versions()
    assert (row.state, row.version, row.approved_by) == ("approved", 1, it.coordinator.subject)
    (filed,) = await _rows(world, document, document.c.document_id == approved.document_id)
    assert (filed.patient_id, filed.type_code, filed.status) == (it.patient_id, "34794-8", "current")
    assert filed.author_ids == sorted([it.coordinator.id, "310783055"])
    assert not filed.hidden_from_patient
    octets = await _octets(world, it, approved.document_id)
    assert hashlib.sha256(octets).hexdigest() == filed.sha256 == row.fingerprint
    read = frcp.read(octets)
    assert sheet_fields.answer(read, "quorum") == sheet_fields.answer(approved.sheet.content, "quorum")
    assert sheet_fields.answer(read, "document_status").code == SheetState.APPROVED.code  # type: ignore[union-attr]
    assert [each.ids[0].extension for each in read.members_present] == sorted(
        f"8{each.id}" for each in (it.coordinator, *it.members)
    )

    (case,) = await _rows(world, board_case, board_case.c.case_id == it.case_id)
    assert case.state == "heard"
    (plan,) = await _rows(world, care_plan, care_plan.c.case_id == it.case_id)
    assert (plan.plan_id, plan.state, plan.kind) == (approved.plan_id, "draft", "care_plan")
    (event,) = await _rows(world, outbox, outbox.c.patient_id == it.patient_id, outbox.c.name.like("%sheet_approved"))
    told = [f"professional:{each.id}" for each in (gp, it.doctor, referring)]
    assert event.payload["recipients"] == told
    assert event.payload["document_id"] == str(approved.document_id)


@needs_shared
async def test_what_is_filed_is_valid_against_the_official_schema(world: Opinions) -> None:
    it = await world.meeting()
    approved = await it.approved()
    octets = await _octets(world, it, approved.document_id)
    assert Official(SHARED / "cda/xsd").against_schema(clinical_document(octets)) == ()


async def test_a_sheet_may_wait_for_its_announcement(world: Opinions) -> None:
    it = await world.meeting()
    approved = await it.approve((await it.ready()).revision, hidden_from_patient=True)
    (filed,) = await _rows(world, document, document.c.document_id == approved.document_id)
    assert filed.hidden_from_patient
    assert filed.hidden_until > filed.hidden_since == world.clock.now()


async def test_whom_the_patient_blocks_is_neither_counted_nor_named(world: Opinions) -> None:
    it = await world.meeting(specialties=("surgeon", "radiotherapist", "pathologist"))
    referring = professional()
    ready = await it.ready()
    written = await world.do(
        it.coordinator, sheets.write, it.case_id, ready.revision, {}, correspondents=[referring.id]
    )
    done = await it.done(written.revision)
    async with world.act(it.person) as act:
        for each in (it.doctor, referring):
            await relations.block_professional(act, it.patient_id, each.id)
    approved = await it.approve(done.revision)
    (event,) = await _rows(world, outbox, outbox.c.patient_id == it.patient_id, outbox.c.name.like("%sheet_approved"))
    assert event.payload["recipients"] == []
    assert approved.sheet.content.correspondents == ()


async def _session(it: Opinion, **said: Any) -> None:
    await it.world.run(update(board_session).where(board_session.c.session_id == it.board.session_id).values(**said))


async def _without_quorum(it: Opinion) -> None:
    await _session(it, state="held_without_quorum")


async def _not_held(it: Opinion) -> None:
    await _session(it, state="open", held_at=None)


async def _blocks_one(it: Opinion) -> None:
    """As if he had done so before the session: the quorum is of that instant."""
    async with it.world.act(it.person) as act:
        await relations.block_professional(act, it.patient_id, it.members[0].id)
    await _session(it, held_at=it.world.clock.now())


async def _in_progress(it: Opinion) -> None:
    (row,) = await it.versions()
    await it.write(it.coordinator, row.revision, trial=True)


async def _incomplete(it: Opinion) -> None:
    (row,) = await it.versions()
    written = await it.write(it.coordinator, row.revision, guideline=None, trial=None, phase=None)
    await it.done(written.revision)


async def _board_without_numbers(it: Opinion) -> None:
    await it.world.run(update(board).where(board.c.board_id == it.board.board_id).values(network_number=None))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_not_held, "SHEET_SESSION_NOT_HELD"),
        (_without_quorum, "SHEET_WITHOUT_QUORUM"),
        (_blocks_one, "SHEET_WITHOUT_QUORUM"),
        (_in_progress, "SHEET_NOT_DONE"),
        (_incomplete, "SHEET_INCOMPLETE"),
        (_board_without_numbers, "SHEET_INCOMPLETE"),
    ],
)
async def test_what_lacks_something_is_not_approved_and_nothing_changes(world: Opinions, spoil: Any, code: str) -> None:
    it = await world.meeting()
    await it.ready()
    await spoil(it)
    (row,) = await it.versions()
    before = await world.kept_of_all()
    with pytest.raises(Conflict) as refused:
        await it.approve(row.revision)
    assert refused.value.code == code
    assert await world.kept_of_all() == before


async def test_a_paediatric_board_gives_no_opinion_upon_what_it_did_not_discuss(world: Opinions) -> None:
    it = await world.meeting(specialties=("surgeon", "paediatric_oncologist"))
    await world.run(update(board).where(board.c.board_id == it.board.board_id).values(kind="paediatric"))
    done = await it.ready()
    registered = {"discussion": CaseDiscussion.REGISTERED.value}
    await world.run(update(board_case).where(board_case.c.case_id == it.case_id).values(registered))
    before = await world.kept_of_all()
    with pytest.raises(Conflict, match="SHEET_PAEDIATRIC_NOT_DISCUSSED"):
        await it.approve(done.revision)
    assert await world.kept_of_all() == before


async def test_a_deferred_case_is_approved_under_the_header_of_the_session_that_heard_it(world: Opinions) -> None:
    it = await world.meeting()
    await it.begin()
    await it.starts()
    await it.sign(it.coordinator, it.members[0])
    await it.hold()
    left, absent = it.board.session_id, it.members[0]
    it.board.session_id = await it.board.session()
    it.case = await world.do(it.coordinator, deferral.defer, it.case_id, it.board.session_id)
    await it.board.seat(it.coordinator, "medical_oncologist")
    it.members = [await it.board.member(specialty=each) for each in ("surgeon", "radiotherapist")]
    await it.held()
    written = await it.write(it.coordinator, 1, **WRITTEN)
    approved = await it.approve((await it.done(written.revision)).revision)

    read = frcp.read(await _octets(world, it, approved.document_id))
    (session,) = await _rows(world, board_session, board_session.c.session_id == it.board.session_id)
    assert read.session_id is not None
    assert read.session_id.extension == str(it.board.session_id) != str(left)
    assert read.header.encounter is not None
    assert read.header.encounter.time.low.value == instant(session.starts_at)  # type: ignore[union-attr]
    present = [each.ids[0].extension for each in read.members_present]
    assert present == sorted(f"8{each.id}" for each in (it.coordinator, *it.members))
    assert f"8{absent.id}" not in present
    assert (read.header.version, read.header.set_id) == (1, sheet_header.set_of(it.case_id))


async def test_who_did_not_sign_does_not_approve(world: Opinions) -> None:
    it = await world.meeting(specialties=("surgeon", "radiotherapist", "medical_oncologist"))
    await it.begin()
    await it.starts()
    await it.sign(*it.members)
    await it.hold()
    done = await it.done((await it.write(it.coordinator, 1, **WRITTEN)).revision)
    with pytest.raises(Conflict, match="SHEET_ATTENDANCE_NOT_SIGNED"):
        await it.approve(done.revision)


async def test_what_is_missing_is_named_in_french(world: Opinions) -> None:
    it = await world.meeting()
    await it.ready()
    await _incomplete(it)
    (row,) = await it.versions()
    with pytest.raises(NotReady) as refused:
        await it.approve(row.revision)
    labels = [sheet_fields.label(each) for each in ("phase", "trial")]
    assert list(refused.value.points) == labels
    assert all(each in refused.value.message for each in labels)


async def test_a_document_that_breaks_a_rule_is_not_approved(world: Opinions) -> None:
    """The identity lost its place of birth, without which the traits of an INS are not whole."""
    it = await world.meeting()
    done = await it.ready()
    await world.run(update(patient).where(patient.c.patient_id == it.patient_id).values(birth_place=None))
    before = await world.kept_of_all()
    with pytest.raises(NotReady) as refused:
        await it.approve(done.revision)
    assert refused.value.code == "SHEET_NOT_CONFORM"
    assert len(refused.value.points) == 1
    assert await world.kept_of_all() == before


async def test_nobody_but_the_coordinator_approves(world: Opinions) -> None:
    it = await world.meeting()
    done = await it.ready()
    before = await world.kept_of_all()
    for who in (it.doctor, it.members[0], it.board.secretary, it.person):
        with pytest.raises(Refused):
            await world.do(who, approval.approve, it.case_id, done.revision)
    with pytest.raises(Refused, match="CASE_UNKNOWN"):
        await world.do(professional(), approval.approve, it.case_id, done.revision)
    assert await world.kept_of_all() == before
