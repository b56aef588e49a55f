"""Whoever follows hears each thing once, in whatever order transactions end and whatever happens to connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from passerelle.audit import feed
from passerelle.audit.feed import EVENTS, LINES, Feed, Feeds, Following
from passerelle.kernel.errors import TryLater
from tests.conftest import Cloned

_EVENT = "insert into outbox (event_id, name, patient_id, payload, at) values (%s, 'essai', %s, %s, now())"
_LINE = """insert into journal (patient_id, at, actor_kind, actor_id, actor_name, action, kind, outcome, rule, pack,
 mode, purpose, request_id) values (%s, now(), 'person', 'x', 'x', 'read', 'dossier', 'allowed', 'x', 'x', 'normal',
 'care', 'x') returning line_id"""


@pytest.fixture
async def feeds() -> AsyncIterator[Feeds]:
    feeds = Feeds(seconds=0.02)
    yield feeds
    await feeds.close()


async def event(connection: AsyncConnection[Any], patient_id: UUID, number: int, **more: str) -> None:
    await connection.execute(_EVENT, (uuid4(), patient_id, Jsonb({"number": number, **more})))


async def heard(following: Following, count: int) -> list[int]:
    """The numbers of the next `count` events, at least, and of none for three rounds more."""
    numbers: list[int] = []
    async with asyncio.timeout(10):
        while len(numbers) < count:
            numbers += [each.payload["number"] for each in await following.next()]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.06):
            numbers += [each.payload["number"] for each in await following.next()]
    return numbers


@settings(max_examples=8)
@given(
    writes=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    ends=st.permutations(range(4)),
    aborted=st.sets(st.integers(0, 3), max_size=2),
    join=st.booleans(),
)
async def test_each_event_is_heard_once_in_whatever_order_transactions_end(
    tenant_database: Cloned, writes: list[int], ends: list[int], aborted: set[int], join: bool
) -> None:
    """Four transactions write at once and end one after the other, with rounds of the feed in between."""
    feeds, patient = Feeds(seconds=0.005), uuid4()
    async with AsyncExitStack() as stack:
        writers = [
            await stack.enter_async_context(await AsyncConnection.connect(tenant_database.url)) for _ in range(4)
        ]
        follow = feeds.of(tenant_database.database, EVENTS).follow
        early = await stack.enter_async_context(follow(patient))
        for number, writer in enumerate(writes):
            await event(writers[writer], patient, number)
            await event(writers[writer], uuid4(), -1)
        late: Following | None = None
        expected: list[int] = []
        for place, writer in enumerate(ends):
            if place == 2 and join:
                late = await stack.enter_async_context(follow(patient))
                already = list(expected)
            await (writers[writer].rollback() if writer in aborted else writers[writer].commit())
            expected += [number for number, by in enumerate(writes) if by == writer and writer not in aborted]
            await asyncio.sleep(0.01)
        assert sorted(await heard(early, len(expected))) == sorted(expected)
        if late is not None:
            assert sorted(await heard(late, len(expected) - len(already))) == sorted(set(expected) - set(already))
    await feeds.close()


async def test_a_document_that_is_moved_is_heard_by_both_its_patients(tenant_database: Cloned, feeds: Feeds) -> None:
    source, target = uuid4(), uuid4()
    following = feeds.of(tenant_database.database, EVENTS).follow
    async with following(source) as one, following(target) as other, following(uuid4()) as third:
        async with await AsyncConnection.connect(tenant_database.url) as connection:
            await event(connection, source, 1, to_patient_id=str(target))
        assert await heard(one, 1) == await heard(other, 1) == [1]
        assert await heard(third, 0) == []


async def test_lines_of_the_journal_are_heard_by_their_id(tenant_database: Cloned, feeds: Feeds) -> None:
    patient = uuid4()
    async with feeds.of(tenant_database.database, LINES).follow(patient) as following:
        async with await AsyncConnection.connect(tenant_database.url) as connection:
            cursor = await connection.execute(_LINE, (patient,))
            line = (await cursor.fetchone() or [None])[0]
            await connection.execute(_LINE, (uuid4(),))
        (fresh,) = await following.next()
    assert (fresh.name, fresh.payload) == (feed.LINE, {"line_id": line})


async def test_what_is_committed_while_the_feed_is_cut_off_is_heard_afterwards(
    tenant_database: Cloned, feeds: Feeds, postgres: Any
) -> None:
    """Every connection of the serving role is killed, again and again, while events are written."""
    patient = uuid4()
    async with feeds.of(tenant_database.database, EVENTS).follow(patient) as following:
        async with await AsyncConnection.connect(postgres.url(tenant_database.name), autocommit=True) as admin:
            for number in range(20):
                if number % 4 == 0:
                    await admin.execute(
                        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s",
                        (f"serving_{tenant_database.name}",),
                    )
                await event(admin, patient, number)
                await asyncio.sleep(0.01)
        assert sorted(await heard(following, 20)) == list(range(20))


async def test_nobody_asks_when_nobody_follows(tenant_database: Cloned, feeds: Feeds) -> None:
    of_all = feeds.of(tenant_database.database, EVENTS)
    async with of_all.follow(uuid4()):
        assert of_all.followers == 1
        assert of_all.is_asking
    async with asyncio.timeout(5):
        while of_all.is_asking:  # noqa: ASYNC110 - one more round, and no more
            await asyncio.sleep(0.01)
    async with of_all.follow(patient := uuid4()) as again:
        async with await AsyncConnection.connect(tenant_database.url) as connection:
            await event(connection, patient, 1)
        assert await heard(again, 1) == [1]


async def test_who_lets_too_much_wait_is_let_go(
    tenant_database: Cloned, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "WAITING_MAX", 5)
    patient = uuid4()
    follow = feeds.of(tenant_database.database, EVENTS).follow
    async with follow(patient) as slow, follow(other := uuid4()) as other_one:
        async with await AsyncConnection.connect(tenant_database.url) as connection:
            for number in range(6):
                await event(connection, patient, number)
            await event(connection, other, 7)
        assert await heard(other_one, 1) == [7]
        with pytest.raises(TryLater) as told:
            await slow.next()
    assert told.value.code == "SUBSCRIPTION_TOO_SLOW"


async def test_a_server_that_counts_from_elsewhere_ends_what_follows(tenant_database: Cloned) -> None:
    """As after a restoration: transaction numbers that were seen come again."""
    one = Feed(tenant_database.database, EVENTS, seconds=0.01)
    async with one.follow(uuid4()) as following:
        one._seen = feed._Snapshot(2**60, [])
        with pytest.raises(TryLater) as told:
            async with asyncio.timeout(5):
                await following.next()
    assert told.value.code == "SUBSCRIPTION_RESTARTED"
    await one.close()


async def test_closing_ends_what_follows(tenant_database: Cloned) -> None:
    feeds = Feeds(seconds=5)
    async with feeds.of(tenant_database.database, EVENTS).follow(uuid4()) as following:
        async with asyncio.timeout(2):
            await feeds.close()
        with pytest.raises(TryLater) as told:
            await following.next()
    assert told.value.code == "SERVER_STOPPING"
    assert feeds.followers == 0
