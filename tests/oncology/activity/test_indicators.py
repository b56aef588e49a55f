"""What a network is told of its boards: true counts and delays of a whole period, and nothing of a few."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert

from passerelle.audit.transactions import transaction
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.oncology import indicators
from passerelle.oncology.indicators import Activity, Days, Level, Line
from passerelle.oncology.tables import board_case, board_sheet, recourse_referral
from tests.builders import network, operator, professional
from tests.conftest import Cloned
from tests.oncology.cases.meetings import Board, Meetings
from tests.oncology.sessions.region import NETWORK

SUMMER, AUTUMN = date(2026, 7, 1), date(2026, 10, 1)
DURING = datetime(2026, 7, 14, 16, tzinfo=UTC)


@pytest.fixture
def world(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Meetings:
    premises = tmp_path_factory.mktemp("premises")
    return Meetings(tenant=network(tenant_database.database, premises), clock=SetClock(DURING))


async def _heard(
    world: Meetings, board_: Board, *, cases: int, off: int = 0, alone: int = 0, referred: int = 0, sheets: int = 0
) -> UUID:
    """A session held on the day, of which so many cases."""
    now = world.clock.now()
    session_id = await board_.session(after=timedelta(0))
    await board_.becomes("held", session_id=session_id, held_at=now)
    rows, referrals, written = [], [], []
    for at in range(cases):
        key = {"patient_id": uuid4(), "case_id": uuid4()}
        rows.append(
            {
                **key,
                "session_id": session_id,
                "requester": "professional:1",
                "presenter": "professional:1",
                "question": "Traitement ?",
                "informed_at": now - timedelta(days=at + 1),
                "informed_how": "interview",
                "agreed": True,
                "discussion": "registered" if at < alone else "discussed",
                "state": "heard",
                "off_standard": at < off,
                "registered_at": now - timedelta(days=at),
            }
        )
        if at < referred:
            sent = {"to_network": "ailleurs", "to_board": uuid4(), "state": "sent", "sent_at": now, "sent_by": "x:1"}
            referrals.append({**key, "referral_id": uuid4(), **sent})
        if at < sheets:
            state = {"version": 1, "state": "approved", "content": {}, "written_by": "x:1", "written_at": now}
            approved = {"approved_by": "x:1", "approved_at": now + timedelta(days=at), "fingerprint": "0"}
            written.append({**key, **state, **approved, "document_id": uuid4()})
    for table, said in ((board_case, rows), (recourse_referral, referrals), (board_sheet, written)):
        if said:
            await world.run(insert(table).values(said))
    return session_id


async def _activity(world: Meetings, since: date = SUMMER) -> Activity:
    async with transaction(world.context(NETWORK)) as act:
        return await indicators.activity(act, since)


def _of(found: Activity, board_: Board) -> Line:
    return next(each for each in found.lines if each.board_id == board_.board_id)


def _at(found: Activity, level: Level, kind: str | None = None) -> Line:
    return next(each for each in found.lines if each.level is level and kind in (None, each.kind))


async def test_counts_and_delays_by_board_kind_and_network(world: Meetings) -> None:
    one, two, rare = await world.board(), await world.board(), await world.board("rare_cancers")
    await _heard(world, one, cases=20, off=0, sheets=20)
    await _heard(world, two, cases=40, alone=15, off=12, referred=12)
    await _heard(world, rare, cases=12)
    without = await rare.session(after=timedelta(hours=4))
    await rare.becomes("held_without_quorum", session_id=without, held_at=DURING)
    await two.session(after=timedelta(hours=4), state="cancelled")
    await one.session(after=timedelta(days=100))
    world.clock.set(datetime(2026, 10, 2, tzinfo=UTC))

    found = await _activity(world)
    assert (found.since, found.until, found.least) == (SUMMER, AUTUMN, 11)
    first, second = _of(found, one), _of(found, two)
    assert (first.cases, first.discussed, first.registered_only, first.off_standard) == (20, 20, 0, 0)
    assert (first.to_session, first.to_sheet) == (Days(p50=9, p90=17), Days(p50=9, p90=17))
    assert (second.cases, second.discussed, second.registered_only) == (40, 25, 15)
    assert (second.off_standard, second.referred, second.sheets, second.to_sheet) == (12, 12, 0, None)
    whole, standard = _at(found, Level.NETWORK), _at(found, Level.KIND, "standard")
    assert (standard.cases, whole.cases, whole.off_standard, whole.discussed) == (60, 72, 12, 57)
    assert whole.to_session == Days(p50=11, p90=32)
    assert (whole.sessions_held, whole.sessions_in_quorum, whole.sessions_cancelled) == (4, 3, 1)
    assert found.lines[0].level is Level.NETWORK


async def test_few_are_not_told_nor_worked_out(world: Meetings) -> None:
    world.clock.set(datetime(2026, 4, 1, 16, tzinfo=UTC))
    few, more, most = [await world.board("recourse") for _ in range(3)]
    await _heard(world, few, cases=4, off=2, sheets=4)
    await _heard(world, more, cases=20, off=3)
    await _heard(world, most, cases=40, off=20)
    world.clock.set(datetime(2026, 7, 2, tzinfo=UTC))
    found = await _activity(world, date(2026, 4, 1))

    assert _of(found, few) == replace(_of(found, few), cases=None, discussed=None, off_standard=None, to_session=None)
    assert (_of(found, more).cases, _of(found, most).cases) == (None, 40)
    assert _at(found, Level.NETWORK).cases == 64


async def test_only_whole_periods_that_are_over(world: Meetings) -> None:
    world.clock.set(datetime(2026, 9, 30, 21, 59, tzinfo=UTC))
    with pytest.raises(Conflict, match="ACTIVITY_PERIOD_NOT_OVER"):
        await _activity(world)
    for odd in (date(2026, 7, 2), date(2026, 8, 1), date(9999, 10, 1)):
        with pytest.raises(InvalidInput, match="ACTIVITY_PERIOD_INVALID"):
            await _activity(world, odd)
    world.clock.set(datetime(2026, 9, 30, 22, tzinfo=UTC))
    assert (await _activity(world, date(2020, 1, 1))).lines[0].cases == 0


async def test_the_network_and_the_operator_alone_and_the_journal_says_so(world: Meetings) -> None:
    world.clock.set(datetime(2026, 10, 2, tzinfo=UTC))
    before = len(await world.lines())
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        async with transaction(world.context(professional())) as act:
            await indicators.activity(act, SUMMER)
    for actor, exported in ((NETWORK, False), (operator(), True)):
        async with transaction(world.context(actor)) as act:
            await indicators.activity(act, SUMMER, exported=exported)
    lines = (await world.lines())[before:]
    assert [(each.kind, each.action, each.outcome, each.facts.get("reason")) for each in lines] == [
        ("board_activity", "read", "refused", "2026-07-01/2026-10-01"),
        ("board_activity", "read", "allowed", "2026-07-01/2026-10-01"),
        ("board_activity", "export", "allowed", "2026-07-01/2026-10-01"),
    ]
