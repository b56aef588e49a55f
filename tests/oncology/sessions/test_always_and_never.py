"""Whatever is done in whatever order: no session is held with a quorum that too few signed for, and no signature goes.

The rule is told here anew, from what lies in the tables, and not by the code that judges.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import PasserelleError
from passerelle.oncology import boards, members, seats, sessions
from passerelle.oncology.boards import BoardKind
from passerelle.oncology.seats import SeatAnswer
from passerelle.oncology.sessions import Session
from passerelle.oncology.tables import board_seat
from tests import builders
from tests.oncology.sessions.region import (
    DIGESTIVE,
    NETWORK,
    ONCOLOGIST,
    PATHOLOGIST,
    PHARMACIST,
    RADIOTHERAPIST,
    SURGEON,
    Place,
    Region,
)

WHO = st.integers(0, 6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["sign", "sign", "sign", "excuse", "come", "leave", "invite"]), WHO),
        st.tuples(st.sampled_from(["hold", "open", "begin", "cancel", "close", "suspend", "resume"]), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([1, 24 * 8])),
    ),
    min_size=6,
    max_size=18,
)
_REQUIRED = {"standard": {"surgeon", "medical_oncologist", "radiotherapist"}, "recourse": set[str]()}
_COUNTED = {"surgeon", "medical_oncologist", "radiotherapist", "pathologist"}


@pytest.fixture(scope="module")
async def places(region: Region) -> list[Place]:
    return [
        await region.board(SURGEON, RADIOTHERAPIST, PATHOLOGIST, kind=kind, organ=DIGESTIVE)
        for kind in (BoardKind.STANDARD, BoardKind.RECOURSE)
    ]


@settings(max_examples=25)
@given(steps=STEPS, which=st.sampled_from([0, 1]), begun=st.booleans())
async def test_no_quorum_without_the_signatures_that_the_rules_ask_for(
    region: Region, places: list[Place], steps: list[tuple[str, int]], which: int, begun: bool
) -> None:
    place = places[which]
    with suppress(PasserelleError):
        async with region.act(NETWORK) as act:
            await boards.resume(act, place.board_id)
    people = await _people(region, place)
    session = await region.session(place, open_=begun)
    if begun:
        await region.at(session)
    signed: dict[str, str] = {}
    # Whatever was done before, what can be held is held in the end, and judged.
    for step in [*steps, ("resume", 0), ("open", 0), ("begin", 0), ("hold", 0)]:
        with suppress(PasserelleError):
            await _do(region, place, session, people, step)
        now_signed = await _signatures(region, session)
        assert signed.items() <= now_signed.items()
        signed = now_signed
    await _judged_rightly(region, place, session)


async def _people(region: Region, place: Place) -> list[Actor]:
    """Seven who try: those of the board, some of whom may have left, a pharmacist, a stranger, its secretary."""
    if not any(each.specialty == "pharmacist" for each in place.people.values()):
        for each in (builders.professional(PHARMACIST), region.doctor(ONCOLOGIST)):
            await region.appoint(place, each)
    known = builders.DIRECTORY.professionals
    its_own = [
        replace(place.coordinator, id=rpps, profession=known[rpps].profession, specialty=known[rpps].specialty)
        for rpps in list(place.people)
        if rpps != place.secretary.id
    ]
    return [place.coordinator, *its_own[:5], place.secretary]


async def _do(region: Region, place: Place, session: Session, people: list[Actor], step: tuple[str, int]) -> None:
    what, number = step
    who, id_ = people[number % len(people)], session.session_id
    match what:
        case "sign":
            await region.sign(who, session)
        case "begin":
            await region.at(session)
        case "wait":
            region.world.clock.advance(timedelta(hours=number))
            await region.turn()
        case "leave":
            member = place.people.get(who.id)
            if member is not None and who.id != place.secretary.id:
                async with region.act(place.secretary) as act:
                    await members.end(act, place.board_id, member.member_id)
                await region.appoint(place, who)
        case "invite":
            async with region.act(place.secretary) as act:
                await seats.invite(act, id_, region.doctor(PATHOLOGIST).id)
        case "suspend" | "resume":
            async with region.act(NETWORK) as act:
                await (boards.suspend if what == "suspend" else boards.resume)(act, place.board_id)
        case "excuse" | "come":
            async with region.act(who) as act:
                await seats.answer(act, id_, SeatAnswer.EXCUSED if what == "excuse" else SeatAnswer.EXPECTED)
        case "cancel":
            async with region.act(place.secretary) as act:
                await sessions.cancel(act, id_, "essai")
        case _:
            do = {"hold": sessions.hold, "open": sessions.open_, "close": sessions.close}[what]
            async with region.act(place.coordinator) as act:
                await do(act, id_)


async def _signatures(region: Region, session: Session) -> dict[str, str]:
    signed = select(board_seat).where(
        board_seat.c.session_id == session.session_id, board_seat.c.signature.is_not(None)
    )
    async with region.world.tenant.database.transaction() as connection:
        return {each.subject: each.signature for each in await connection.execute(signed)}


async def _judged_rightly(region: Region, place: Place, session: Session) -> None:
    tables = await region.rows()
    (row,) = [each for each in tables["board_session"] if each.session_id == session.session_id]
    there = {
        each.specialty
        for each in tables["board_seat"]
        if each.session_id == session.session_id and each.signed_at is not None
    } & _COUNTED
    needed = _REQUIRED[place.board.kind.value]
    suffices = needed <= there and len(there) >= 3
    if row.state == "held":
        assert suffices
        assert row.quorum["state"] == "ORG-126"
    if row.state == "held_without_quorum":
        assert not suffices
        assert row.quorum["state"] == "ORG-133"
        assert set(row.quorum["missing"]) == needed - there
    assert (row.quorum is None) == (row.held_at is None)
    assert row.closed_at is None or row.held_at is not None
