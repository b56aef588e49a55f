"""What bounds the connections of one database and of all: refused at once, given up, never stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from passerelle.kernel.ceiling import Ceiling
from passerelle.kernel.database import Database
from passerelle.kernel.errors import TryLater
from tests.kernel.statements import ME, SLEEP, TELL

Open = Callable[..., Database]
Admin = psycopg.AsyncConnection[Any]


def _codes(answers: list[Any]) -> list[str]:
    assert all(isinstance(each, TryLater | tuple | None) for each in answers), answers
    return [each.code for each in answers if isinstance(each, TryLater)]


async def test_a_full_house_is_told_at_once_and_the_others_are_served(opened: Open) -> None:
    database = opened(pool_size=2, depth=2)  # 4 in flight, 8 wait
    await asyncio.gather(*(database.fetch_raw(SLEEP, ["open", 10]) for _ in range(4)))
    refusals: list[float] = []

    async def ask(number: int) -> tuple[bytes | None, ...]:
        began = time.perf_counter()
        try:
            return await database.fetch_raw(SLEEP, [str(number), 200])
        except TryLater:
            refusals.append(time.perf_counter() - began)
            raise

    answers = await asyncio.gather(*(ask(n) for n in range(40)), return_exceptions=True)
    assert _codes(answers) == ["DATABASE_BUSY"] * 28
    assert max(refusals) < 0.1
    assert [each[0] for each in answers if isinstance(each, tuple)] == [b"%d" % n for n in range(12)]
    assert await database.fetch_raw(TELL, ["after"]) == (b"after",)


async def test_who_waits_too_long_is_told(opened: Open) -> None:
    database = opened(pool_size=1, depth=1, timeout=0.8)
    await database.fetch_raw(TELL, ["open"])
    first = asyncio.create_task(database.fetch_raw(SLEEP, ["first", 1500]))
    await asyncio.sleep(0)
    with pytest.raises(TryLater, match="DATABASE_BUSY"):
        await database.fetch_raw(TELL, ["second"])
    assert await first == (b"first",)


async def test_who_leaves_the_waiting_room_leaves_a_place(opened: Open) -> None:
    database = opened(pool_size=1, depth=1)
    await database.fetch_raw(TELL, ["open"])
    tasks = [asyncio.create_task(database.fetch_raw(SLEEP, [str(n), 100])) for n in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(TryLater, match="DATABASE_BUSY"):
        await database.fetch_raw(TELL, ["too many"])
    tasks[1].cancel()
    await asyncio.sleep(0)
    assert await database.fetch_raw(TELL, ["in its place"]) == (b"in its place",)
    assert await tasks[2] == (b"2",)


async def test_a_database_that_is_not_there_is_away_for_all_who_wait() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nowhere", pool_size=2)
    answers = await asyncio.gather(*(database.fetch_raw(TELL, ["x"]) for _ in range(6)), return_exceptions=True)
    assert _codes(answers) == ["DATABASE_AWAY"] * 6
    await database.close()


async def test_closing_waits_for_what_is_in_flight_and_refuses_what_is_new(opened: Open) -> None:
    database = opened(pool_size=1, depth=1)
    await database.fetch_raw(TELL, ["open"])
    tasks = [asyncio.create_task(database.fetch_raw(SLEEP, [str(n), 50])) for n in range(3)]
    await asyncio.sleep(0.02)
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    with pytest.raises(TryLater, match="DATABASE_AWAY"):
        await database.fetch_raw(TELL, ["late"])
    await closing
    assert [await task for task in tasks] == [(b"0",), (b"1",), (b"2",)]


async def _connections(admin: Admin) -> int:
    rows = await admin.execute("select count(*) from pg_stat_activity where backend_type = 'client backend'")
    row = await rows.fetchone()
    assert row is not None
    return int(row[0]) - 1


@pytest.mark.parametrize("limit", [1, 3])
async def test_all_databases_stay_under_one_ceiling_and_each_is_served(opened: Open, admin: Admin, limit: int) -> None:
    """Five networks that are busy all at once, and fewer connections for their statements."""
    before = await _connections(admin)
    ceiling = Ceiling(2 * limit)
    databases = [opened(pool_size=4, ceiling=ceiling, timeout=20.0) for _ in range(5)]
    most = 0
    is_over = asyncio.Event()

    async def watch() -> None:
        nonlocal most
        while not is_over.is_set():
            assert ceiling.statements.taken <= limit
            most = max(most, await _connections(admin) - before)
            await asyncio.sleep(0.005)

    async def ask(number: int) -> None:
        for turn in range(3):
            asked = [databases[number].fetch_raw(SLEEP, [f"{number}.{turn}.{n}", 5]) for n in range(5)]
            assert await asyncio.gather(*asked) == [(f"{number}.{turn}.{n}".encode(),) for n in range(5)]

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(ask(number) for number in range(5)))
    is_over.set()
    await watching
    assert limit <= most <= limit + 2  # a backend takes a moment to go


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_network_that_never_rests_lets_another_in(opened: Open, is_open: bool) -> None:
    """Also while its only connection, which is all there are, is still being made."""
    ceiling = Ceiling(2)
    restless, late = opened(pool_size=1, depth=2, ceiling=ceiling), opened(ceiling=ceiling)
    is_over = asyncio.Event()

    async def ask() -> None:
        while not is_over.is_set():
            await restless.fetch_raw(SLEEP, ["again", 10])

    if is_open:
        await restless.fetch_raw(TELL, ["open"])
    asking = [asyncio.create_task(ask()) for _ in range(3)]
    await asyncio.sleep(0)
    try:
        assert await late.fetch_raw(TELL, ["in"]) == (b"in",)
    finally:
        is_over.set()
        await asyncio.gather(*asking)


async def test_a_quiet_network_gives_up_to_a_busy_one(opened: Open) -> None:
    ceiling = Ceiling(8)
    quiet, busy = (opened(pool_size=4, ceiling=ceiling) for _ in range(2))

    async def at_work(database: Database) -> int:
        """How many connections serve it when it has much to do."""
        answers = await asyncio.gather(*(database.fetch_raw(SLEEP, ["x", 50]) for _ in range(8)))
        assert len(answers) == 8
        return database._pipelines.held

    assert await at_work(quiet) == 4
    assert await at_work(busy) == 1  # whoever has none is served at once
    await asyncio.sleep(1.1)
    assert [await at_work(busy) for _ in range(3)][-1] > 1
    assert ceiling.statements.taken == 4
    assert await quiet.fetch_raw(TELL, ["still served"]) == (b"still served",)


async def test_transactions_wait_in_a_bounded_room_too(opened: Open) -> None:
    database = opened(pool_size=1, timeout=0.3)  # 1 at work, 4 wait

    async def act(number: int) -> tuple[int]:
        async with database.transaction() as connection:
            await connection.execute(text("select pg_sleep(0.02)"))
            return (number,)

    answers = await asyncio.gather(*(act(n) for n in range(8)), return_exceptions=True)
    assert _codes(list(answers)) == ["DATABASE_BUSY"] * 3
    assert answers[:5] == [(0,), (1,), (2,), (3,), (4,)]
    async with database.transaction():
        with pytest.raises(TryLater, match="DATABASE_BUSY"):  # in time, though nothing ever comes free
            await act(9)
    assert await act(10) == (10,)


async def test_a_transaction_finds_a_connection_that_died_while_it_was_idle(opened: Open) -> None:
    database, other = opened(pool_size=1), opened(pool_size=1)
    own = text("select pg_backend_pid()")
    async with database.transaction() as connection:
        died = await connection.scalar(own)
    async with other.transaction() as connection:
        assert await connection.scalar(text("select pg_terminate_backend(:pid, 5000)"), {"pid": died})
    async with database.transaction() as connection:
        assert await connection.scalar(own) != died


async def test_transactions_of_all_databases_stay_under_their_half(opened: Open) -> None:
    ceiling = Ceiling(4)
    databases = [opened(pool_size=3, ceiling=ceiling, timeout=20.0) for _ in range(5)]

    async def act(number: int) -> int:
        async with databases[number % 5].transaction() as connection:
            assert ceiling.transactions.taken <= 2
            await connection.execute(text("select pg_sleep(0.01)"))
            return number

    assert await asyncio.gather(*(act(n) for n in range(40))) == list(range(40))
    assert ceiling.transactions.taken <= 2


async def test_a_transaction_may_ask_for_a_statement_under_the_lowest_ceiling(opened: Open) -> None:
    ceiling = Ceiling(2)
    databases = [opened(pool_size=2, ceiling=ceiling, timeout=20.0) for _ in range(3)]

    async def act(number: int) -> int:
        async with databases[number % 3].transaction() as connection:
            await connection.execute(text("select 1"))
            assert await databases[(number + 1) % 3].fetch_raw(ME, [])
            return number

    assert await asyncio.gather(*(act(n) for n in range(9))) == list(range(9))


async def test_a_cancelled_transaction_leaves_its_place(opened: Open) -> None:
    database = opened(pool_size=1)

    async def act() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("select pg_sleep(0.05)"))

    for _ in range(3):
        tasks = [asyncio.create_task(act()) for _ in range(4)]
        await asyncio.sleep(0.01)
        for task in tasks[:3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await act()


async def test_who_leaves_just_as_his_turn_comes_leaves_it_to_the_next(opened: Open) -> None:
    database = opened(pool_size=1)

    async def act(then: Callable[[], object]) -> None:
        async with database.transaction() as connection:
            await connection.execute(text("select pg_sleep(0.01)"))
        then()

    first = asyncio.create_task(act(lambda: second.cancel()))
    second, third = (asyncio.create_task(act(lambda: None)) for _ in range(2))
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    await third


async def test_who_leaves_just_as_his_turn_comes_leaves_it_to_a_network_that_has_none(opened: Open) -> None:
    ceiling = Ceiling(2)
    restless, late = (opened(pool_size=1, ceiling=ceiling, timeout=2.0) for _ in range(2))
    has_left = asyncio.Event()

    async def act(database: Database, then: Callable[[], object] = lambda: None) -> None:
        async with database.transaction() as connection:
            await connection.execute(text("select 1"))
        then()

    async def act_late() -> None:
        while not has_left.is_set():  # noqa: ASYNC110 - asks before the second hears that it is his turn
            await asyncio.sleep(0)
        await act(late)

    def leave() -> None:
        second.cancel()
        has_left.set()

    first = asyncio.create_task(act(restless, leave))
    second, third = (asyncio.create_task(act(restless)) for _ in range(2))
    other = asyncio.create_task(act_late())
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    await asyncio.gather(other, third)
    await act(restless)
