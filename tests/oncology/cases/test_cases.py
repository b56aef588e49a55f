"""Cases are registered, withdrawn and carried over by whom the rules let, and on a refusal nothing changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from passerelle.audit import journal
from passerelle.dossier import relations
from passerelle.dossier.tables import dossier
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, PasserelleError, Refused
from passerelle.notices.kinds import NoticeKind
from passerelle.oncology import attachments, cases, deferral, turns
from passerelle.oncology.cases import CaseDiscussion, CaseState
from passerelle.oncology.tables import board, board_case, board_sheet
from passerelle_ops.schedule import beat_context
from passerelle_policies.vocabulary import ActorKind
from tests.builders import document, operator, professional
from tests.oncology.cases.meetings import WEEK, Meetings, registration


async def refused(world: Meetings, code: str, lines: int, *asked: Any, **named: Any) -> PasserelleError:
    """The failure of a use case, after asserting that it changed nothing but the journal."""
    before, written = await world.kept(), len(await world.lines())
    with pytest.raises(PasserelleError) as failure:
        await world.do(*asked, **named)
    assert failure.value.code == code
    assert await world.kept() == before
    assert len(await world.lines()) == written + lines
    return failure.value


async def test_a_physician_of_the_patient_registers_his_case_and_the_patient_is_told(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case(question="  Chirurgie \n d'emblée ? ")

    assert (it.case.state, it.case.discussion) == (CaseState.REGISTERED, CaseDiscussion.DISCUSSED)
    assert it.case.question == "Chirurgie d'emblée ?"
    assert it.case.requester == it.case.presenter == it.doctor.subject
    assert (await world.notices(it.person))[0] == NoticeKind.BOARD_CASE_REGISTERED
    line = (await world.lines())[-1]
    assert (line.kind, line.action, line.outcome, line.patient_id) == (
        "board_case",
        "register",
        "allowed",
        it.patient_id,
    )


async def test_who_presents_is_named_and_known(world: Meetings) -> None:
    board_, presenter = await world.board(), professional()
    it = await board_.case(presenter=presenter.id)

    assert it.case.presenter == presenter.subject
    patient_id, person = await world.patient()
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    for wrong, code in (("99900999999", "RPPS_UNKNOWN"), ("12", "RPPS_INVALID")):
        said = registration(world, presenter=wrong)
        await refused(world, code, 0, doctor, cases.register, patient_id, board_.session_id, said)


async def test_what_lacks_is_asked_for_before_anything_is_decided(world: Meetings) -> None:
    board_ = await world.board()
    patient_id, _ = await world.patient()
    for lacking, code in (
        ({"question": " \n "}, "CASE_QUESTION_MISSING"),
        ({"agreed": False}, "CASE_AGREEMENT_MISSING"),
        ({"informed_at": world.clock.now() + timedelta(minutes=1)}, "CASE_INFORMED_LATER"),
        ({"question": "é" * 1001}, "VALUE_TOO_LONG"),
    ):
        said = registration(world, **lacking)
        failure = await refused(world, code, 0, professional(), cases.register, patient_id, board_.session_id, said)
        assert isinstance(failure, InvalidInput)


async def test_a_stranger_registers_nobody_known_or_not(world: Meetings) -> None:
    board_ = await world.board()
    patient_id, _ = await world.patient()
    for asked in (patient_id, journal.NOBODY):
        said = registration(world)
        failure = await refused(
            world, "ACCESS_REFUSED", 1, professional(), cases.register, asked, board_.session_id, said
        )
        assert isinstance(failure, Refused)


async def test_a_session_takes_cases_until_it_is_held(world: Meetings) -> None:
    board_ = await world.board()
    patient_id, person = await world.patient()
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    now = world.clock.now()
    for state, closed_at in (("held", None), ("held_without_quorum", None), ("cancelled", None), ("open", now)):
        await board_.becomes(state, closed_at=closed_at)
        asked = (doctor, cases.register, patient_id, board_.session_id, registration(world))
        await refused(world, "CASE_SESSION_TAKES_NONE", 0, *asked)
    await board_.becomes("planned", closed_at=None)
    await world.do(*asked)
    await refused(world, "CASE_ALREADY_REGISTERED", 0, *asked)
    unknown = (doctor, cases.register, patient_id, patient_id, registration(world))
    await refused(world, "CASE_SESSION_UNKNOWN", 0, *unknown)


async def test_a_board_that_is_not_validated_takes_no_case(world: Meetings) -> None:
    board_ = await world.board()
    patient_id, person = await world.patient()
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    for state in ("declared", "suspended"):
        await world.run(update(board).where(board.c.board_id == board_.board_id).values(state=state))
        asked = (doctor, cases.register, patient_id, board_.session_id, registration(world))
        await refused(world, "CASE_BOARD_NOT_VALIDATED", 0, *asked)


async def test_a_child_is_never_registered_without_being_discussed(world: Meetings) -> None:
    paediatric, adult = await world.board("paediatric"), await world.board()
    patient_id, person = await world.patient()
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    said = registration(world, discussion=CaseDiscussion.REGISTERED)

    await refused(
        world, "CASE_PAEDIATRIC_NOT_DISCUSSED", 0, doctor, cases.register, patient_id, paediatric.session_id, said
    )
    assert (await world.do(doctor, cases.register, patient_id, adult.session_id, said)).discussion == "registered"
    await world.do(doctor, cases.register, patient_id, paediatric.session_id, registration(world))


async def test_a_session_is_full_one_day(world: Meetings) -> None:
    board_ = await world.board()
    world.tenant.parameters["oncology.session_cases_max"] = 2  # type: ignore[index]
    await board_.case()
    await board_.case()
    with pytest.raises(LimitExceeded, match="CASE_SESSION_FULL"):
        await board_.case()


async def test_a_case_is_withdrawn_by_its_requester_its_coordinator_or_its_patient(world: Meetings) -> None:
    board_ = await world.board()
    member = await board_.member()
    for who in ("doctor", "person", "coordinator"):
        it = await board_.case()
        by = board_.coordinator if who == "coordinator" else getattr(it, who)
        await refused(world, "CASE_ACTION_REFUSED", 1, board_.secretary, cases.withdraw, it.id)
        await refused(world, "CASE_ACTION_REFUSED", 1, member, cases.withdraw, it.id)
        done = await world.do(by, cases.withdraw, it.id, because="Autre établissement")
        assert done.state is CaseState.WITHDRAWN
        assert (await world.lines())[-1].facts["reason"] == "Autre établissement"
        told = await world.notices(it.person)
        assert (NoticeKind.BOARD_CASE_WITHDRAWN in told) == (who != "person")
        await refused(world, "CASE_UNKNOWN", 1, it.doctor, cases.withdraw, it.id)  # who asked has nothing left of it
        await refused(world, "CASE_ENDED", 0, it.person, cases.withdraw, it.id)
        await world.do(it.doctor, cases.register, it.patient_id, board_.session_id, registration(world))


async def test_a_case_of_others_is_as_one_that_is_not_there(world: Meetings) -> None:
    board_, other = await world.board(), await world.board()
    it = await board_.case()
    for stranger in (
        professional(),
        other.coordinator,
        other.secretary,
        (await world.patient())[1],
        await other.member(),
    ):
        for case_id in (it.id, it.patient_id):
            for asked in ((cases.withdraw, case_id), (deferral.defer, case_id, other.session_id)):
                await refused(world, "CASE_UNKNOWN", 1, stranger, *asked)
    await world.do(it.person, relations.block_professional, it.patient_id, board_.coordinator.id)
    await refused(world, "CASE_UNKNOWN", 1, board_.coordinator, cases.withdraw, it.id)


async def test_a_case_goes_to_a_later_session_with_what_it_had(world: Meetings) -> None:
    board_, other = await world.board(), await world.board()
    it = await board_.case()
    paper = await world.publish(it.patient_id, document(type_code="11526-1"))
    gone = await world.publish(it.patient_id, document(type_code="11502-2"))
    for each in (paper, gone):
        await world.do(it.doctor, attachments.attach, it.id, each)
    await world.do(it.doctor, attachments.detach, it.id, gone)
    await world.run(
        board_sheet.insert().values(
            patient_id=it.patient_id,
            case_id=it.id,
            version=1,
            state="done",
            content={"kept": True},
            missing=["nature"],
            written_by=it.doctor.subject,
            written_at=world.clock.now(),
        )
    )
    later, sooner = await board_.session(after=2 * WEEK), await board_.session(after=WEEK / 2)
    secretary = board_.secretary
    await refused(world, "CASE_OF_ANOTHER_BOARD", 0, secretary, deferral.defer, it.id, other.session_id)
    await refused(world, "CASE_SESSION_NOT_LATER", 0, secretary, deferral.defer, it.id, sooner)
    await refused(world, "CASE_ACTION_REFUSED", 1, it.doctor, deferral.defer, it.id, later)
    carried = await world.do(secretary, deferral.defer, it.id, later)

    assert (carried.session_id, carried.deferred_from, carried.state) == (later, it.id, CaseState.REGISTERED)
    assert carried.registered_at == it.case.registered_at
    async with world.tenant.database.transaction() as connection:
        left = (await connection.execute(select(board_case).where(board_case.c.case_id == it.id))).one()
        sheet = (await connection.execute(select(board_sheet).where(board_sheet.c.case_id == carried.case_id))).one()
    assert left.state == CaseState.DEFERRED
    assert (sheet.content, sheet.state, sheet.version, sheet.missing) == ({"kept": True}, "in_progress", 1, ["nature"])
    opened = await board_.agenda(board_.coordinator, later)
    assert [each["document_id"] for each in opened.attached[str(carried.case_id)]] == [str(paper)]
    assert (await board_.agenda(board_.coordinator)).cases == []
    assert NoticeKind.BOARD_CASE_DEFERRED in await world.notices(it.person)


async def test_a_case_upon_which_an_opinion_was_given_is_not_deferred(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    later = await board_.session(after=2 * WEEK)
    await world.run(
        board_sheet.insert().values(
            patient_id=it.patient_id,
            case_id=it.id,
            version=1,
            state="approved",
            content={},
            written_by=it.doctor.subject,
            written_at=world.clock.now(),
            approved_by=board_.coordinator.subject,
            approved_at=world.clock.now(),
            fingerprint="0",
            document_id=it.id,
        )
    )
    await refused(world, "CASE_SHEET_APPROVED", 0, board_.coordinator, deferral.defer, it.id, later)
    being_corrected = {"patient_id": it.patient_id, "case_id": it.id, "version": 2, "state": "in_progress"}
    written = {"content": {}, "written_by": it.doctor.subject, "written_at": world.clock.now()}
    await world.run(board_sheet.insert().values(**being_corrected, **written))
    await refused(world, "CASE_SHEET_APPROVED", 0, board_.coordinator, deferral.defer, it.id, later)


async def test_the_cases_of_a_cancelled_session_are_carried_over_by_its_organiser(world: Meetings) -> None:
    board_, other = await world.board(), await world.board()
    some = [await board_.case() for _ in range(3)]
    withdrawn = await board_.case()
    await world.do(withdrawn.doctor, cases.withdraw, withdrawn.id)
    kept_out = some[0]
    await world.do(kept_out.person, relations.block_professional, kept_out.patient_id, board_.secretary.id)
    later = await board_.session(after=2 * WEEK)
    asked = (deferral.carry_over, board_.session_id, later)
    await refused(world, "CASE_SESSION_NOT_CANCELLED", 0, board_.secretary, *asked)
    await board_.becomes("cancelled")
    await refused(world, "ACCESS_REFUSED", 1, other.secretary, *asked)
    await refused(world, "ACCESS_REFUSED", 1, some[0].doctor, *asked)

    carried = await world.do(board_.secretary, *asked)
    assert {each.patient_id for each in carried} == {each.patient_id for each in some[1:]}
    assert [each.patient_id for each in await world.do(board_.coordinator, *asked)] == [kept_out.patient_id]
    assert await world.do(board_.secretary, *asked) == []


async def test_the_cases_of_a_cancelled_session_go_by_themselves_to_the_next(world: Meetings) -> None:
    board_, elsewhere = await world.board(), await world.board()
    it, closed = await board_.case(), await board_.case()
    member = await board_.member()
    await world.run(update(dossier).where(dossier.c.patient_id == closed.patient_id).values(state="suspended"))
    await board_.becomes("cancelled")
    await elsewhere.session(after=2 * WEEK)
    context = beat_context(world.tenant, world.clock)

    async def seen(by: Actor) -> list[str]:
        return [each["case_id"] for each in (await board_.agenda(by)).cases]

    # Nothing is lost: who organises, and who asked for it, find it where it waits.
    assert (await turns.turn(context)).carried == 0
    for who in (board_.secretary, board_.coordinator, it.doctor):
        assert await seen(who) == [str(it.id)]
    for who in (member, elsewhere.coordinator, elsewhere.secretary):
        assert await seen(who) == []
    full = await board_.session(after=2 * WEEK)
    there = await board_.session(after=3 * WEEK)
    await board_.session(after=4 * WEEK)
    world.tenant.parameters["oncology.session_cases_max"] = 1  # type: ignore[index]
    await board_.case(session_id=full)
    assert (await turns.turn(context)).carried == 1
    assert (await turns.turn(context)).carried == 0
    async with world.tenant.database.transaction() as connection:
        rows = (await connection.execute(select(board_case).where(board_case.c.patient_id == it.patient_id))).all()
        left = (await connection.execute(select(board_case).where(board_case.c.case_id == closed.id))).one()
    assert {(row.session_id, row.state, row.deferred_from) for row in rows} == {
        (board_.session_id, "deferred", None),
        (there, "registered", it.id),
    }
    assert (left.session_id, left.state) == (board_.session_id, "registered")
    assert NoticeKind.BOARD_CASE_DEFERRED in await world.notices(it.person)
    assert await seen(board_.secretary) == []


async def test_a_case_whose_session_was_held_stays_unless_there_was_no_quorum(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    await board_.becomes("held")
    await refused(world, "CASE_ENDED", 0, it.doctor, cases.withdraw, it.id)
    await refused(world, "CASE_ENDED", 0, it.person, cases.withdraw, it.id)
    await board_.becomes("held_without_quorum")
    assert (await world.do(it.person, cases.withdraw, it.id)).state is CaseState.WITHDRAWN


async def test_what_departs_from_the_standard_is_traced(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    for because, expected in (("Âge et comorbidités", (True, "Âge et comorbidités")), (None, (False, None))):
        await world.do(operator(), cases.trace_off_standard, it.patient_id, it.id, because)
        async with world.tenant.database.transaction() as connection:
            row = (await connection.execute(select(board_case).where(board_case.c.case_id == it.id))).one()
        assert (row.off_standard, row.off_standard_because) == expected


async def test_a_person_does_nothing_but_withdraw(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    assert it.person.kind is ActorKind.PERSON
    said = registration(world)
    await refused(world, "ACCESS_REFUSED", 1, it.person, cases.register, it.patient_id, board_.session_id, said)
    await refused(world, "CASE_ACTION_REFUSED", 1, it.person, attachments.attach, it.id, it.id)
    with pytest.raises(Refused):
        await board_.agenda(it.person)
    with pytest.raises(Conflict, match="CASE_SESSION_UNKNOWN"):
        await board_.agenda(board_.coordinator, it.id)
