"""A session is planned, opened, signed, held or cancelled, and closed: by whom, when, and never otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from passerelle.audit.tables import outbox
from passerelle.audit.transactions import transaction
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.oncology import attendance, members, seats, sessions
from passerelle.oncology.boards import suspend
from passerelle.oncology.members import Duty
from passerelle.oncology.seats import SeatAnswer, SeatDuty
from passerelle.oncology.sessions import SessionState
from passerelle_policies.vocabulary import ActorKind
from tests import builders
from tests.oncology.sessions.region import (
    NETWORK,
    NURSE,
    ONCOLOGIST,
    PATHOLOGIST,
    RADIOTHERAPIST,
    SURGEON,
    Region,
)


async def test_from_planned_to_closed(region: Region) -> None:
    place = await region.board(SURGEON, RADIOTHERAPIST)
    surgeon, radiotherapist = (region_id for region_id in list(place.people)[1:])
    session = await region.session(place, days=3)
    assert session.state is SessionState.PLANNED
    assert session.ends_at - session.starts_at == timedelta(minutes=90)
    assert set(await region.seats(session)) == {place.coordinator.id, surgeon, radiotherapist}

    opened = await region.open(place, session)
    assert opened.opened_at == region.now
    await region.at(session)
    by_id = {each.id: each for each in (place.coordinator, *(_actor(each) for each in (surgeon, radiotherapist)))}
    for who in by_id.values():
        signed = await region.sign(who, session)
        assert await region.sign(who, session) == signed  # once, and it stays
    held = await region.hold(place, session)
    assert held.state is SessionState.HELD
    assert held.quorum is not None
    assert held.quorum.missing == ()
    async with region.unchanged():
        with pytest.raises(Conflict, match="SESSION_NOT_OPEN"):
            await region.hold(place, session)
        with pytest.raises(Conflict, match="SESSION_NOT_TO_COME"):
            async with region.act(place.secretary) as act:
                await sessions.cancel(act, session.session_id, "trop tard")
    async with region.act(place.secretary) as act:
        closed = await sessions.close(act, session.session_id)
    assert (closed.state, closed.closed_at) == (SessionState.HELD, region.now)
    # Nobody is anything to a session that is closed.
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with region.act(place.secretary) as act:
                await sessions.close(act, session.session_id)
    assert await _told(region, session.session_id) == ["planned", "open", "held", "closed"]


def _actor(rpps: str) -> Actor:
    known = builders.DIRECTORY.professionals[rpps]
    return Actor(kind=ActorKind.PROFESSIONAL, id=rpps, name=known.name, profession=known.profession)


async def _told(region: Region, session_id: object) -> list[str]:
    asked = select(outbox.c.payload).where(outbox.c.name == "oncology.session_changed").order_by(outbox.c.at)
    async with region.world.tenant.database.transaction() as connection:
        found = await connection.scalars(asked)
        return [each["state"] for each in found if each["session_id"] == str(session_id)]


async def test_what_cannot_be_planned(region: Region) -> None:
    place = await region.board()
    session = await region.session(place, days=5)
    for at, code in (
        (session.starts_at, "SESSION_EXISTS"),
        (region.now, "SESSION_IN_THE_PAST"),
        (region.now + timedelta(days=500), "SESSION_TOO_FAR"),
    ):
        async with region.unchanged():
            with pytest.raises((Conflict, InvalidInput), match=code):
                async with region.act(place.secretary) as act:
                    await sessions.plan(act, place.board_id, at)
    async with region.act(place.secretary) as act:
        await sessions.cancel(act, session.session_id, "grève")
    async with region.act(place.secretary) as act:  # its hour is free again
        await sessions.plan(act, place.board_id, session.starts_at)


async def test_a_series_keeps_its_hour_through_both_changes_of_the_clock(region: Region) -> None:
    place = await region.board(recurrence="FREQ=WEEKLY;BYDAY=TU")
    first = datetime(2027, 3, 2, 18, tzinfo=PARIS)
    planned = []
    async with region.act(place.secretary) as act:
        planned = await sessions.plan_series(act, place.board_id, first, datetime(2027, 11, 30, 18, tzinfo=PARIS))
    local = [each.starts_at.astimezone(PARIS) for each in planned]
    assert len(planned) == 40
    assert {(each.weekday(), each.hour, each.minute) for each in local} == {(1, 18, 0)}
    assert {each.starts_at.astimezone(UTC).hour for each in planned} == {16, 17}
    apart = {after.starts_at - before.starts_at for before, after in pairwise(planned)}
    assert apart == {timedelta(days=7), timedelta(days=7, hours=1), timedelta(days=7, hours=-1)}
    async with region.act(place.secretary) as act:  # again: what is there stays
        assert await sessions.plan_series(act, place.board_id, first, planned[5].starts_at) == []
    for until, code in (
        (first - timedelta(days=1), "RECURRENCE_EMPTY"),
        (region.now + timedelta(days=401), "SESSION_TOO_FAR"),
    ):
        async with region.unchanged():
            with pytest.raises(InvalidInput, match=code):
                async with region.act(place.secretary) as act:
                    await sessions.plan_series(act, place.board_id, first, until)
    daily, bare = await region.board(recurrence="FREQ=DAILY"), await region.board(recurrence=None)
    for each, code in ((daily, "SESSIONS_TOO_MANY"), (bare, "RECURRENCE_MISSING")):
        async with region.unchanged():
            with pytest.raises((Conflict, InvalidInput), match=code):
                async with region.act(each.secretary) as act:
                    await sessions.plan_series(act, each.board_id, first, first + timedelta(days=90))


async def test_a_session_moves_while_it_is_planned(region: Region) -> None:
    place = await region.board()
    session, other = await region.session(place), await region.session(place)
    to = session.starts_at + timedelta(days=2)
    async with region.act(place.secretary) as act:
        moved = await sessions.move(act, session.session_id, to, place="Salle 3")
    assert (moved.starts_at, moved.ends_at - to, moved.place) == (to, timedelta(minutes=90), "Salle 3")
    async with region.unchanged():
        with pytest.raises(Conflict, match="SESSION_EXISTS"):
            async with region.act(place.secretary) as act:
                await sessions.move(act, session.session_id, other.starts_at)
    await region.open(place, session)
    async with region.unchanged():
        with pytest.raises(Conflict, match="SESSION_NOT_PLANNED"):
            async with region.act(place.secretary) as act:
                await sessions.move(act, session.session_id, to + timedelta(days=1))
        with pytest.raises(Conflict, match="SESSION_NOT_PLANNED"):
            await region.open(place, session)


async def test_each_signs_for_himself_near_its_start_and_only_while_it_is_open(region: Region) -> None:
    place = await region.board(SURGEON, videoconference=False)
    surgeon = _actor(list(place.people)[1])
    session = await region.session(place, days=2)
    for who in (surgeon, place.secretary, NETWORK, region.doctor(SURGEON)):
        async with region.unchanged(refused=True):
            with pytest.raises(Refused, match="ACCESS_REFUSED"):
                await region.sign(who, session)
    await region.open(place, session)
    async with region.unchanged():
        with pytest.raises(Conflict, match="ATTENDANCE_NOT_NOW"):
            await region.sign(surgeon, session)
        with pytest.raises(Conflict, match="SESSION_NOT_STARTED"):
            await region.hold(place, session)
    await region.at(session)
    async with region.unchanged():
        with pytest.raises(Conflict, match="BOARD_WITHOUT_VIDEOCONFERENCE"):
            await region.sign(surgeon, session, is_remote=True)
    for who in (place.secretary, region.doctor(SURGEON)):
        async with region.unchanged(refused=True):
            with pytest.raises(Refused, match="ACCESS_REFUSED"):
                await region.sign(who, session)
    for who in (place.secretary, surgeon):
        async with region.unchanged(refused=True):
            with pytest.raises(Refused, match="ACCESS_REFUSED"):
                async with region.act(who) as act:
                    await sessions.hold(act, session.session_id)
    await region.sign(surgeon, session)
    seated = [each for each in (await region.rows())["board_seat"] if each.session_id == session.session_id]
    (seat,) = [each for each in seated if each.signed_at is not None]
    assert attendance.is_genuine(seat)
    assert not attendance.is_genuine(SimpleNamespace(**{**seat._mapping, "specialty": "radiotherapist"}))
    async with region.unchanged():
        with pytest.raises(Conflict, match="SEAT_SIGNED"):
            async with region.act(surgeon) as act:
                await seats.answer(act, session.session_id, SeatAnswer.EXCUSED)
    region.world.clock.advance(timedelta(hours=7))
    async with region.unchanged():
        with pytest.raises(Conflict, match="ATTENDANCE_NOT_NOW"):
            await region.sign(place.coordinator, session)
    held = await region.hold(place, session)
    assert held.state is SessionState.HELD_WITHOUT_QUORUM


async def test_excuses_deputies_and_guests(region: Region) -> None:
    place = await region.board(SURGEON, RADIOTHERAPIST)
    surgeon = _actor(list(place.people)[1])
    deputy = region.doctor("SM05")
    await region.appoint(place, deputy, duty=Duty.DEPUTY, deputy_of=place.people[surgeon.id].member_id)
    session = await region.session(place)
    async with region.unchanged():
        with pytest.raises(Conflict, match="SEAT_NOT_EXCUSED"):
            async with region.act(deputy) as act:
                await seats.seat_deputy(act, session.session_id)
        with pytest.raises(Conflict, match="SEAT_NONE"):
            async with region.act(deputy) as act:
                await seats.answer(act, session.session_id, SeatAnswer.EXPECTED)
    async with region.act(surgeon) as act:
        await seats.answer(act, session.session_id, SeatAnswer.EXCUSED)
    async with region.act(deputy) as act:
        seat = await seats.seat_deputy(act, session.session_id)
    assert (seat.duty, seat.sits_for) == (SeatDuty.DEPUTY, surgeon.subject)
    guest = region.doctor(PATHOLOGIST)
    async with region.act(place.secretary) as act:
        assert (await seats.invite(act, session.session_id, guest.id)).duty is SeatDuty.GUEST
    for rpps, code in ((guest.id, "SEAT_TAKEN"), (place.coordinator.id, "SEAT_TAKEN"), ("1", "RPPS_INVALID")):
        async with region.unchanged():
            with pytest.raises((Conflict, InvalidInput), match=code):
                async with region.act(place.secretary) as act:
                    await seats.invite(act, session.session_id, rpps)
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with region.act(surgeon) as act:
                await seats.invite(act, session.session_id, region.doctor(PATHOLOGIST).id)
    await region.open(place, session)
    found = await region.seats(session)
    assert found[surgeon.id].answer is SeatAnswer.EXCUSED
    assert (found[deputy.id].duty, found[guest.id].duty) == (SeatDuty.DEPUTY, SeatDuty.GUEST)
    # Who is excused has no seat to sign at; he comes after all, and has.
    await region.at(session)
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await region.sign(surgeon, session)
    async with region.act(surgeon) as act:
        await seats.answer(act, session.session_id, SeatAnswer.EXPECTED)
    for who in (surgeon, deputy, guest):
        await region.sign(who, session)
    # A member who leaves is excused from what is to come, but not from what he signed.
    (last,) = [each for each in place.people.values() if each.specialty == "radiotherapist"]
    async with region.act(place.secretary) as act:
        await members.end(act, place.board_id, last.member_id)
    async with region.act(place.secretary) as act:
        await members.end(act, place.board_id, place.people[surgeon.id].member_id)
    found = await region.seats(session)
    assert found[last.subject.partition(":")[2]].answer is SeatAnswer.EXCUSED
    assert found[surgeon.id].answer is SeatAnswer.EXPECTED


async def test_the_secretary_excuses_whom_a_member_cannot(region: Region) -> None:
    place = await region.board(SURGEON)
    surgeon = list(place.people)[1]
    session = await region.session(place)
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with region.act(_actor(surgeon)) as act:
                await seats.excuse(act, session.session_id, place.coordinator.id)
    async with region.act(place.secretary) as act:
        assert (await seats.excuse(act, session.session_id, surgeon)).answer is SeatAnswer.EXCUSED
    for rpps, code in ((region.doctor().id, "SEAT_UNKNOWN"), (place.secretary.id, "SEAT_UNKNOWN")):
        async with region.unchanged():
            with pytest.raises(Conflict, match=code):
                async with region.act(place.secretary) as act:
                    await seats.excuse(act, session.session_id, rpps)


async def test_who_is_appointed_later_has_a_seat_and_a_new_coordinator_holds(region: Region) -> None:
    place = await region.board()
    session = await region.session(place, open_=True)
    nurse = builders.professional(NURSE)
    await region.appoint(place, nurse)
    successor = region.doctor(ONCOLOGIST)
    await region.appoint(place, successor, duty=Duty.COORDINATOR)
    found = await region.seats(session)
    assert {each: found[each].duty.value for each in (nurse.id, successor.id, place.coordinator.id)} == {
        nurse.id: "member",
        successor.id: "coordinator",
        place.coordinator.id: "member",
    }
    await region.at(session)
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await region.hold(place, session)
    async with region.act(successor) as act:
        held = await sessions.hold(act, session.session_id)
    assert held.state is SessionState.HELD_WITHOUT_QUORUM


async def test_sessions_turn_by_themselves(region: Region) -> None:
    await region.turn()
    place, later = await region.board(), await region.board()
    near, far = await region.session(place, days=6), await region.session(place, days=9)
    stopped = await region.session(later, days=5)
    async with region.act(NETWORK) as act:
        await suspend(act, later.board_id)
    ours = (near.session_id, far.session_id, stopped.session_id)
    assert (await region.turn()).opened >= 1
    assert (await region.turn()).opened == 0
    assert await _states(region, *ours) == ["open", "planned", "planned"]
    await region.at(near)
    await region.hold(place, near)
    region.world.clock.advance(timedelta(days=29))
    await region.turn()
    assert await _closed(region, near.session_id) is None
    region.world.clock.advance(timedelta(days=12))
    done = await region.turn()
    assert done.closed >= 1
    assert done.cancelled >= 2
    assert await _closed(region, near.session_id) == region.now
    assert await _states(region, *ours) == ["held_without_quorum", "cancelled", "cancelled"]
    async with region.unchanged():
        await region.turn()


async def _states(region: Region, *ids: UUID) -> list[str]:
    found = {each.session_id: each.state for each in (await region.rows())["board_session"]}
    return [found[each] for each in ids]


async def _closed(region: Region, session_id: UUID) -> datetime | None:
    closed: dict[UUID, datetime | None] = {
        each.session_id: each.closed_at for each in (await region.rows())["board_session"]
    }
    return closed[session_id]


async def test_a_suspended_board_holds_nothing_and_no_session_is_cancelled_without_a_reason(region: Region) -> None:
    place = await region.board(SURGEON)
    session, planned = await region.session(place, open_=True), await region.session(place)
    async with region.act(NETWORK) as act:
        await suspend(act, place.board_id)
    await region.at(planned)
    async with region.unchanged():
        with pytest.raises(Conflict, match="BOARD_NOT_VALIDATED"):
            await region.hold(place, session)
        with pytest.raises(Conflict, match="BOARD_NOT_VALIDATED"):
            await region.open(place, planned)
        with pytest.raises(InvalidInput, match="SESSION_REASON_MISSING"):
            async with transaction(region.world.context(place.secretary)) as act:
                await sessions.cancel(act, session.session_id, " ")
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with region.act(place.secretary) as act:
                await sessions.cancel(act, uuid4(), "inconnue")
