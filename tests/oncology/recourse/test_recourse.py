"""A case lent to experts of another network, whatever the way between does: read for a session, answered, forgotten."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from passerelle.dossier import lifecycle, relations, visibility, withholding
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.oncology import cases, lent_cases, recourse, sessions
from passerelle.oncology.lent_cases import LentState
from passerelle.oncology.recourse import ReferralState
from passerelle.oncology.recourse_words import DeclinedBecause, Word
from passerelle.oncology.tables import case_attachment
from passerelle_ops.relay import relay
from tests.builders import document, professional
from tests.oncology.recourse.two_networks import Between
from tests.oncology.sheet_life.opinions import WRITTEN, Opinion


async def _given(between: Between, there: Opinion, *, revision: int = 0) -> None:
    """The experts meet and give their opinion upon the case lent for their session."""
    (lent,) = await between.lent(there, there.coordinator)
    await there.held()
    do = between.there.do
    written = await do(there.coordinator, lent_cases.write, lent.referral_id, revision, WRITTEN)
    await do(there.coordinator, lent_cases.give, lent.referral_id, written.revision)


async def _attached(between: Between, it: Opinion, title: str, content: bytes, **more: Any) -> UUID:
    """A document of the record that is attached to the case, whoever may read it."""
    paper = document(type_code="11526-1", title=title, content=content or None, **more)
    document_id = await between.home.publish(it.patient_id, paper)
    key = {"patient_id": it.patient_id, "case_id": it.case_id, "document_id": document_id}
    said = {"attached_by": "essai", "attached_at": between.home.clock.now()}
    await between.home.run(case_attachment.insert().values(**key, **said))
    return document_id


def _nothing_stays(row: object, state: LentState) -> None:
    kept = (row.state, row.sealed, row.wrapped_key, row.opinion)  # type: ignore[attr-defined]
    assert kept == (state.value, None, None, None)


_WAYS: dict[str, Callable[[Between], None]] = {
    "twice each": lambda between: setattr(between.way, "times", 2),
    "acknowledgements lost": lambda between: setattr(between.way, "fails", 2),
}


@pytest.mark.parametrize("way", list(_WAYS))
async def test_the_opinion_of_experts_is_the_sheet_at_home(between: Between, way: str) -> None:
    _WAYS[way](between)
    home, there = await between.home.meeting(), await between.there.meeting("recourse")
    paper = await _attached(between, home, "Biopsie", b"vu")
    hidden = await _attached(between, home, "Tue", b"tu", masked=True)
    sent = await between.refer(home, there)
    with pytest.raises(Conflict, match="RECOURSE_RUNNING"):
        await between.refer(home, there)
    await between.travel()
    assert (await between.referral(home)).state is ReferralState.RECEIVED

    # Those of the session read that case; the secretary, no more than whose it is; others nothing.
    (lent,) = await between.lent(there, there.members[0])
    assert (lent.patient["family_name"], lent.question) == ("ESSAI", home.case.question)
    assert [(each.title, each.is_lent) for each in lent.documents] == [("Biopsie", True)]
    assert (lent.requester or {})["rpps"] == home.doctor.id
    assert lent.sheet is not None
    assert lent.sheet.header.patient.ids == ()
    (known,) = await between.lent(there, there.board.secretary)
    assert (known.patient["family_name"], known.question, known.sheet, known.documents) == ("ESSAI", None, None, ())
    assert await between.lent(there, professional()) == []
    assert await between.lent(there, home.doctor) == []

    # So do the octets of what is attached; a range that continues a reading is no other reading.
    opened = await between.opened(there.members[0], sent, paper)
    assert ([each async for each in opened.read()], opened.size) == ([b"vu"], 2)
    assert await between.opened(there.members[0], sent, paper, continues=True)
    for who, asked in ((there.board.secretary, paper), (professional(), paper), (there.members[0], hidden)):
        with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
            await between.opened(who, sent, asked)

    await _given(between, there)
    await between.travel(turns=4)
    _nothing_stays(await between.row(sent.referral_id), LentState.RETURNED)
    assert await between.lent(there, there.coordinator) == []
    with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
        await between.opened(there.members[0], sent, paper)
    assert (await between.referral(home)).state is ReferralState.ANSWERED
    (version,) = await home.versions()
    assert (version.state, version.approved_by) == ("approved", there.coordinator.subject)
    assert version.document_id is not None
    said = str(version.content)
    assert all(each.id in said for each in (there.coordinator, *there.members))

    # The patient reads at home who of elsewhere opened his case and what of it, once for each opening.
    read = [each for each in await between.home.lines() if each.actor_id == there.members[0].id]
    assert sorted((each.patient_id, each.kind, each.document_id) for each in read) == [
        (home.patient_id, "board_case", None),
        (home.patient_id, "document", paper),
    ]

    assert await between.on_the_way() == []

    # Whatever was said, said again from the last to the first: nothing moves.
    before = await between.home.kept_of_all(), str(await between.row(sent.referral_id))
    for message in reversed(between.way.sent):
        other = between.there if message.to_network == between.there.tenant.id else between.home
        await between.receive(other.tenant, message)
    assert (await between.home.kept_of_all(), str(await between.row(sent.referral_id))) == before
    assert len(await home.versions()) == 1


async def test_whom_the_patient_keeps_out_knows_of_nothing_and_counts_for_nothing(between: Between) -> None:
    home, there = await between.home.meeting(), await between.there.meeting("recourse")
    surgeon, radiotherapist = there.members
    await between.home.do(home.person, relations.block_professional, home.patient_id, surgeon.id)
    paper = await _attached(between, home, "Biopsie", b"vu")
    kept = await _attached(between, home, "Psychologie", b"tu")
    await between.home.do(home.person, withholding.withhold, kept, radiotherapist.id)
    await between.refer(home, there)
    await between.travel()
    assert await between.lent(there, surgeon) == []
    (lent,) = await between.lent(there, radiotherapist)
    assert [each.title for each in lent.documents] == ["Biopsie"]
    await between.home.do(home.person, visibility.mask, paper)
    await between.travel()
    (lent,) = await between.lent(there, radiotherapist)
    assert lent.documents == ()
    with pytest.raises(Conflict, match="SHEET_WITHOUT_QUORUM"):
        await _given(between, there)

    await between.home.do(home.person, relations.unblock_professional, home.patient_id, surgeon.id)
    await between.home.do(home.person, relations.block_professional, home.patient_id, radiotherapist.id)
    await between.travel()
    assert len(await between.lent(there, surgeon)) == 1
    assert await between.lent(there, radiotherapist) == []


async def test_without_a_quorum_there_is_no_opinion(between: Between) -> None:
    home, there = await between.home.meeting(), await between.there.meeting("recourse", specialties=["surgeon"])
    sent = await between.refer(home, there)
    await between.travel()
    with pytest.raises(Conflict, match="SHEET_WITHOUT_QUORUM"):
        await _given(between, there)
    await between.there.do(there.coordinator, sessions.close, there.board.session_id)
    assert await between.lent(there, there.coordinator) == []
    await between.travel()
    _nothing_stays(await between.row(sent.referral_id), LentState.DECLINED)
    declined = await between.referral(home)
    assert (declined.state, declined.declined_because) == (ReferralState.DECLINED, "session_over")
    assert await home.versions() == []
    assert (await between.refer(home, there)).state is ReferralState.SENT


async def test_declined_by_the_coordinator_alone(between: Between) -> None:
    home, there = await between.home.meeting(), await between.there.meeting("recourse")
    sent = await between.refer(home, there)
    await between.travel()
    decline = lent_cases.decline, sent.referral_id, DeclinedBecause.NOT_COMPETENT
    for who, code in ((there.members[0], "CASE_ACTION_REFUSED"), (professional(), "CASE_UNKNOWN")):
        with pytest.raises(Refused, match=code):
            await between.there.do(who, *decline)
    assert (await between.row(sent.referral_id)).state == "received"
    await between.there.do(there.coordinator, *decline)
    await between.travel()
    _nothing_stays(await between.row(sent.referral_id), LentState.DECLINED)
    assert (await between.referral(home)).declined_because == "not_competent"


async def test_taken_back_before_or_after_it_arrived(between: Between) -> None:
    there = await between.there.meeting("recourse")
    for arrived, closed in ((True, False), (False, False), (True, True)):
        home = await between.home.meeting()
        sent = await between.refer(home, there)
        between.way.keeps = not arrived
        await between.travel()
        between.way.keeps = False
        assert len(await between.lent(there, there.coordinator)) == arrived
        if closed:
            await between.home.do(home.person, partial(lifecycle.close, reason="choix"), home.patient_id)
        else:
            await between.home.do(home.doctor, cases.withdraw, home.case_id)
        await between.travel()
        _nothing_stays(await between.row(sent.referral_id), LentState.WITHDRAWN)
        assert await between.lent(there, there.coordinator) == []
        with pytest.raises(Refused, match="CASE_UNKNOWN"):
            await between.there.do(there.coordinator, lent_cases.give, sent.referral_id, 0)
        # The case itself, on its way all the while, comes to nothing.
        on_their_way = [each for each in between.way.sent if each.word is Word.CASE]
        assert on_their_way
        for message in on_their_way:
            await between.receive(between.there.tenant, message)
        _nothing_stays(await between.row(sent.referral_id), LentState.WITHDRAWN)
        between.way.sent.clear()


async def test_nowhere_to_be_heard(between: Between) -> None:
    home, there = await between.home.meeting(), await between.there.meeting("recourse")
    with pytest.raises(InvalidInput, match="RECOURSE_AT_HOME"):
        await between.home.do(home.doctor, recourse.refer, home.case_id, "essai", there.board.board_id)
    with pytest.raises(Refused, match="CASE_UNKNOWN"):
        await between.home.do(professional(), recourse.refer, home.case_id, "ailleurs", there.board.board_id)
    refused = [
        ("nulle-part", there.board.board_id, "network_unknown"),
        ("ailleurs", home.board.board_id, "board_unknown"),
    ]
    for network, board_id, because in refused:
        await between.home.do(home.doctor, recourse.refer, home.case_id, network, board_id)
        await between.travel()
        assert (await between.referral(home)).declined_because == because
    await between.there.do(there.coordinator, sessions.cancel, there.board.session_id, "essai")
    await between.refer(home, there)
    await between.travel()
    assert (await between.referral(home)).declined_because == "no_session"


async def test_what_was_approved_meanwhile_stays_and_the_opinion_awaits_its_approval(between: Between) -> None:
    home, there = await between.home.meeting(), await between.there.meeting("recourse")
    await between.refer(home, there)
    await between.travel()
    (lent,) = await between.lent(there, there.coordinator)
    approved = await home.approved()
    with pytest.raises(Conflict, match="SHEET_APPROVED"):
        await between.refer(home, there)
    await there.held()
    do = between.there.do
    written = await do(there.coordinator, lent_cases.write, lent.referral_id, 0, {**WRITTEN, "board_comment": "Avis"})
    await do(there.coordinator, lent_cases.give, lent.referral_id, written.revision)
    await between.travel()
    first, second = await home.versions()
    assert (first.state, first.document_id) == ("approved", approved.document_id)
    assert (second.state, second.document_id, "Avis" in str(second.content)) == ("done", None, True)
    assert (await between.referral(home)).state is ReferralState.ANSWERED
    _nothing_stays(await between.row(lent.referral_id), LentState.RETURNED)


async def test_a_word_that_waits_to_be_sent_is_sealed(between: Between) -> None:
    home, there = await between.home.meeting(), await between.there.meeting("recourse")
    await between.refer(home, there)
    await relay(between.home.tenant, between.subscribers, between.home.clock)
    (kept,) = await between.on_the_way()
    assert "case" in kept
    assert not [each for each in ("ESSAI", home.case.question) if each in kept]
    await between.travel()
    assert await between.on_the_way() == []
    assert len(await between.lent(there, there.coordinator)) == 1
