"""Who writes a sheet, when, and what is never changed."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from passerelle.dossier.tables import document
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.oncology import approval, attachments, cases, sheet_fields, sheets, sheets_read
from passerelle.oncology.sheets import SheetState
from passerelle.oncology.tables import board_case, care_plan
from tests.builders import document as document_of
from tests.builders import professional
from tests.oncology.cases import papers
from tests.oncology.sheet_life.opinions import WRITTEN, Opinions


async def test_a_sheet_begins_with_what_is_known(world: Opinions) -> None:
    it = await world.meeting()
    begun = await it.begin()
    sheet = begun.content
    assert (begun.state, begun.version, begun.revision) == ("in_progress", 1, 1)
    assert sheet_fields.answer(sheet, "case_summary") == "Traitement adjuvant ?"
    assert sheet_fields.answer(sheet, "organ_system").code == "86762007"  # type: ignore[union-attr]
    assert sheet_fields.answer(sheet, "presented_as").code == "ORG-134"  # type: ignore[union-attr]
    assert sheet.board_id is not None
    assert "tumours" in begun.missing
    assert not {"board_id", "network_id", "requester", "attending_physician", "presented_as"} & set(begun.missing)
    with pytest.raises(Conflict, match="SHEET_BEGUN"):
        await it.begin()


async def test_a_sheet_takes_from_what_is_attached_and_keeps_what_a_person_wrote(world: Opinions) -> None:
    it = await world.meeting()

    async def attached(type_code: str, content: bytes) -> str:
        made = document_of(type_code=type_code, content=content, at="20261101090000+0100")
        paper = await world.publish(it.patient_id, made)
        await world.do(it.doctor, attachments.attach, it.case_id, paper)
        return str(paper)

    pathology = await attached("11526-1", papers.pathology("Marges saines."))
    begun = await it.begin()
    assert begun.sources == dict.fromkeys(("pathology_conclusion", "pathology_at", "tumours"), pathology)
    written = await it.write(it.doctor, 1, pathology_conclusion="Relu : marges saines.")
    assert "pathology_conclusion" not in written.sources
    summary = await attached("60591-5", papers.summary())
    filled = await world.do(it.doctor, sheets.take_from_attached, it.case_id, 2)
    assert sheet_fields.answer(filled.content, "pathology_conclusion") == "Relu : marges saines."
    assert (filled.sources["comorbidities"], filled.sources["tumours"]) == (summary, pathology)
    with pytest.raises(Conflict, match="SHEET_CHANGED"):
        await world.do(it.doctor, sheets.take_from_attached, it.case_id, 2)


async def test_the_requester_writes_until_the_session_is_held_and_the_coordinator_from_its_opening(
    world: Opinions,
) -> None:
    it = await world.meeting()
    await it.begin()
    await it.write(it.doctor, 1, complete=True)
    await it.write(it.coordinator, 2, complete=False)
    for who in (it.members[0], it.board.secretary, it.person):
        with pytest.raises(Refused):
            await it.write(who, 3, complete=True)
    with pytest.raises(Conflict, match="SHEET_SESSION_NOT_HELD"):
        await it.done(3)
    await it.board.becomes("planned", opened_at=None)
    with pytest.raises(Conflict, match="SHEET_SESSION_NOT_OPEN"):
        await it.write(it.coordinator, 3, complete=True)
    await it.board.becomes("open", opened_at=world.clock.now())
    await it.held()
    before = await world.kept_of_all()
    with pytest.raises(Conflict, match="SHEET_SESSION_HELD"):
        await it.write(it.doctor, 3, complete=True)
    assert await world.kept_of_all() == before
    assert (await it.write(it.coordinator, 3, **WRITTEN)).missing == ()


async def test_a_stale_write_is_refused(world: Opinions) -> None:
    it = await world.meeting()
    await it.begin()
    await it.write(it.doctor, 1, complete=True)
    before = await world.kept_of_all()
    with pytest.raises(Conflict, match="SHEET_CHANGED"):
        await it.write(it.coordinator, 1, complete=False)
    assert await world.kept_of_all() == before


async def test_what_cannot_be_written_is_refused(world: Opinions) -> None:
    it = await world.meeting()
    with pytest.raises(Conflict, match="SHEET_NOT_BEGUN"):
        await it.write(it.doctor, 1, complete=True)
    await it.begin()
    before = await world.kept_of_all()
    for answers, code in (
        ({"quorum": "ORG-126"}, "SHEET_FIELD_KEPT"),
        ({"document_status": "9571008"}, "SHEET_FIELD_KEPT"),
        ({"sheet": "1"}, "SHEET_FIELD_UNKNOWN"),
        ({"nothing": "1"}, "SHEET_FIELD_UNKNOWN"),
        ({"organ": "nowhere"}, "SHEET_CODE_NOT_IN_SET"),
        ({"proposals": [{}] * 51}, "SHEET_ITEMS_TOO_MANY"),
        ({"complete": "oui"}, "SHEET_VALUE_MALFORMED"),
    ):
        with pytest.raises(InvalidInput, match=code):
            await it.write(it.doctor, 1, **answers)
    assert await world.kept_of_all() == before


async def test_writing_what_was_done_takes_it_up_again(world: Opinions) -> None:
    it = await world.meeting()
    done = await it.ready()
    assert (done.state, sheet_fields.answer(done.content, "document_status").code) == ("done", "398166005")  # type: ignore[union-attr]
    written = await it.write(it.coordinator, done.revision, trial=True)
    assert written.state == "in_progress"
    assert sheet_fields.answer(written.content, "document_status").code == "385651009"  # type: ignore[union-attr]


async def test_a_correction_is_another_version_and_the_one_before_stays(world: Opinions) -> None:
    it = await world.meeting()
    first = await it.approved()
    (before,) = await it.versions()
    with pytest.raises(Conflict, match="SHEET_APPROVED"):
        await it.write(it.coordinator, before.revision, trial=True)
    with pytest.raises(InvalidInput, match="SHEET_REASON_MISSING"):
        await world.do(it.coordinator, sheets.correct, it.case_id, " ")
    with pytest.raises(Refused):
        await world.do(it.doctor, sheets.correct, it.case_id, "dose")
    begun = await world.do(it.coordinator, sheets.correct, it.case_id, "Dose corrigée")
    assert (begun.version, begun.state, begun.correction_because) == (2, "in_progress", "Dose corrigée")
    with pytest.raises(Conflict, match="SHEET_NOT_APPROVED"):
        await world.do(it.coordinator, sheets.correct, it.case_id, "encore")
    with pytest.raises(Conflict, match="SHEET_NOT_APPROVED"):
        await world.do(it.coordinator, sheets.close, it.case_id)
    written = await it.write(it.coordinator, 1, guideline="Référentiel régional, version 5")
    second = await it.approve((await it.done(written.revision)).revision)

    versions = await it.versions()
    assert versions[0] == before
    assert second.sheet.content.header.version == 2
    async with world.tenant.database.transaction() as connection:
        row = (await connection.execute(select(document).where(document.c.document_id == second.document_id))).one()
        plans = (await connection.execute(select(care_plan).where(care_plan.c.case_id == it.case_id))).all()
    assert row.replaces == first.document_id
    assert (row.set_id, row.version_number) == (first.sheet.content.header.set_id.root, 2)  # type: ignore[union-attr]
    assert [each.plan_id for each in plans] == [first.plan_id] == [second.plan_id]


async def test_a_sheet_closes_with_its_session_and_the_coordinator_or_his_deputy_corrects_it(world: Opinions) -> None:
    it = await world.meeting()
    deputy, first = it.members[0], await it.approved()
    await it.close()
    (closed,) = await it.versions()
    assert (closed.state, SheetState(closed.state).code) == ("closed", "29179001")
    for who in (it.coordinator, deputy, it.doctor):
        with pytest.raises(Refused):
            await sheets_read.read(world.context(who), it.patient_id, it.case_id)
    asked = (sheets.correct, it.case_id, "Dose à revoir")
    for who in (deputy, it.members[1], it.doctor, it.board.secretary):
        with pytest.raises(Refused, match="CASE_UNKNOWN"):
            await world.do(who, *asked)
    await it.board.deputy(deputy)
    begun = await world.do(deputy, *asked)
    for who in (it.coordinator, deputy):
        read = await sheets_read.read(world.context(who), it.patient_id, it.case_id)
        assert (read["version"], read["state"]) == (2, "in_progress")
    for who in (it.members[1], it.doctor, it.board.secretary):
        with pytest.raises(Refused):
            await sheets_read.read(world.context(who), it.patient_id, it.case_id)
    written = await it.write(deputy, begun.revision, guideline="Référentiel régional, version 5")
    done = await world.do(deputy, sheets.done, it.case_id, written.revision)
    second = await world.do(deputy, approval.approve, it.case_id, done.revision)
    before, after = await it.versions()
    assert (before, after.state, after.approved_by) == (closed, "closed", deputy.subject)
    async with world.tenant.database.transaction() as connection:
        row = (await connection.execute(select(document).where(document.c.document_id == second.document_id))).one()
    assert (row.replaces, deputy.id in row.author_ids) == (first.document_id, True)
    with pytest.raises(Refused):
        await sheets_read.read(world.context(deputy), it.patient_id, it.case_id)


async def test_an_opinion_is_corrected_by_one_who_was_there(world: Opinions) -> None:
    it = await world.meeting()
    await it.approved()
    await it.close()
    away = professional()
    await it.board.deputy(away)
    begun = await world.do(away, sheets.correct, it.case_id, "Dose à revoir")
    done = await world.do(away, sheets.done, it.case_id, begun.revision)
    before = await world.kept_of_all()
    with pytest.raises(Conflict, match="SHEET_ATTENDANCE_NOT_SIGNED"):
        await world.do(away, approval.approve, it.case_id, done.revision)
    assert await world.kept_of_all() == before
    await it.approve(done.revision)


async def test_a_sheet_may_be_closed_before_its_session(world: Opinions) -> None:
    it = await world.meeting()
    await it.approved()
    (before,) = await it.versions()
    closed = await world.do(it.coordinator, sheets.close, it.case_id)
    assert closed.state == "closed"
    assert await world.do(it.coordinator, sheets.close, it.case_id) == closed
    (after,) = await it.versions()
    assert {**after._mapping, "state": before.state} == dict(before._mapping)
    begun = await world.do(it.coordinator, sheets.correct, it.case_id, "dose")
    assert (begun.version, begun.state) == (2, "in_progress")


async def test_off_standard_is_traced_while_the_sheet_is_written(world: Opinions) -> None:
    it = await world.meeting()
    await it.begin()
    await world.do(it.doctor, sheets.trace_off_standard, it.case_id, "Âge de la patiente")
    async with world.tenant.database.transaction() as connection:
        row = (await connection.execute(select(board_case).where(board_case.c.case_id == it.case_id))).one()
    assert (row.off_standard, row.off_standard_because) == (True, "Âge de la patiente")


async def test_a_patient_who_withdraws_his_case_takes_its_sheet_away(world: Opinions) -> None:
    it = await world.meeting()
    await it.begin()
    await world.do(it.person, cases.withdraw, it.case_id)
    with pytest.raises(Refused):
        await it.write(it.doctor, 1, complete=True)
