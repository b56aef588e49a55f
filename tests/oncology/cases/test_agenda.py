"""A session as its members open it: what each is shown, what the journal keeps of it, and what nobody is shown."""

from __future__ import annotations

from datetime import timedelta

import pytest

from passerelle.dossier import lifecycle, relations
from passerelle.kernel.errors import Refused
from passerelle.oncology import attachments, cases
from passerelle.oncology.agenda import OpenedSession
from passerelle.oncology.tables import board_sheet
from tests.builders import document, professional
from tests.oncology.cases.meetings import Heard, Meetings


async def test_a_member_reads_every_case_with_what_is_attached_and_each_patient_reads_of_it(world: Meetings) -> None:
    board_ = await world.board()
    some = [await board_.case(question=f"Question {number}") for number in range(3)]
    paper = await world.publish(some[1].patient_id, document(type_code="11526-1", title="Biopsie"))
    await world.do(some[1].doctor, attachments.attach, some[1].id, paper)
    await world.run(
        board_sheet.insert().values(
            patient_id=some[1].patient_id,
            case_id=some[1].id,
            version=1,
            state="in_progress",
            content={},
            missing=["nature", "screening"],
            written_by=some[1].doctor.subject,
            written_at=world.clock.now(),
        )
    )
    member = await board_.member()
    before = len(await world.lines())
    opened = await board_.agenda(member)

    assert opened.session["session_id"] == str(board_.session_id)
    assert sorted(each["question"] for each in opened.cases) == ["Question 0", "Question 1", "Question 2"]
    assert [each["number"] for each in opened.cases] == [1, 2, 3]
    by_id = {each["case_id"]: each for each in opened.cases}
    one = by_id[str(some[1].id)]
    assert (one["sheet_state"], one["sheet_missing"]) == ("in_progress", ["nature", "screening"])
    assert by_id[str(some[0].id)]["sheet_state"] is None
    assert one["family_name"].startswith("ESSAI")
    assert [each["title"] for each in opened.attached[str(some[1].id)]] == ["Biopsie"]
    lines = (await world.lines())[before:]
    assert [(each.kind, each.action, each.rule) for each in lines] == [
        ("board_session", "read", "session-read"),
        *[("board_case", "read", "case-read")] * 3,
    ]
    assert [each.patient_id for each in lines[1:]] == [
        next(it.patient_id for it in some if str(it.id) == each["case_id"]) for each in opened.cases
    ]
    assert lines[1].facts["relations"] == ["board_member"]


async def test_the_secretary_knows_who_is_registered_and_nothing_that_he_suffers_from(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    paper = await world.publish(it.patient_id, document(type_code="11526-1"))
    await world.do(it.doctor, attachments.attach, it.id, paper)
    opened = await board_.agenda(board_.secretary)

    (one,) = opened.cases
    assert one["family_name"].startswith("ESSAI")
    assert (one["case_state"], one["is_read"]) == ("registered", False)
    assert (one["question"], one["sheet_state"], one["sheet_missing"], opened.attached) == (None, None, None, {})


async def test_who_asked_for_a_case_reads_that_one_and_a_passer_by_none(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    await board_.case()
    assert [each["case_id"] for each in (await board_.agenda(it.doctor)).cases] == [str(it.id)]
    before = len(await world.lines())
    assert (await board_.agenda(professional())).cases == []
    assert len(await world.lines()) == before + 1
    with pytest.raises(Refused):
        await board_.agenda(it.person)


async def test_a_block_takes_the_case_away_and_lowers_what_is_expected(world: Meetings) -> None:
    board_ = await world.board()
    blocking, other = await board_.case(), await board_.case()
    surgeon, radiotherapist = await board_.member(), await board_.member(specialty="radiotherapist")
    await world.do(blocking.person, relations.block_professional, blocking.patient_id, surgeon.id)

    assert _ids(await board_.agenda(surgeon)) == {str(other.id)}
    expected = {each["case_id"]: each["expected"] for each in (await board_.agenda(radiotherapist)).cases}
    radiotherapist_, surgeon_ = ["radiotherapist", False], ["surgeon", False]
    assert expected == {str(blocking.id): [radiotherapist_], str(other.id): [radiotherapist_, surgeon_]}
    await world.do(blocking.person, relations.unblock_professional, blocking.patient_id, surgeon.id)
    assert len((await board_.agenda(surgeon)).cases) == 2


async def test_a_closed_record_and_a_case_that_left_are_not_there(world: Meetings) -> None:
    board_ = await world.board()
    closed, left, stays = [await board_.case() for _ in range(3)]
    await world.do(closed.person, lifecycle.close, closed.patient_id, reason="choix")
    await world.do(left.doctor, cases.withdraw, left.id)
    assert _ids(await board_.agenda(board_.coordinator)) == {str(stays.id)}


def _ids(opened: OpenedSession) -> set[str]:
    return {each["case_id"] for each in opened.cases}


async def test_a_member_reads_from_the_opening_to_the_closing_and_not_an_instant_beside(world: Meetings) -> None:
    board_ = await world.board()
    it = await board_.case()
    member, now = await board_.member(), world.clock.now()
    await board_.becomes("open", opened_at=now + timedelta(hours=1), closed_at=now + timedelta(hours=2))
    shown = []
    for minutes in (0, 59, 60, 119, 120, 180):
        world.clock.set(now + timedelta(minutes=minutes))
        shown.append(
            (minutes, _reads(it, await board_.agenda(member)), _reads(it, await board_.agenda(board_.secretary)))
        )
    assert shown == [
        (0, False, True),
        (59, False, True),
        (60, True, True),
        (119, True, True),
        (120, False, False),
        (180, False, False),
    ]


def _reads(it: Heard, opened: OpenedSession) -> bool:
    return str(it.id) in _ids(opened)
