"""A line of libpq's pipelines: each caller has its own answer, whatever happens to the others."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Integer, bindparam, func, literal, select

from passerelle.kernel import pipeline_pool
from passerelle.kernel.database import Database, Statement
from passerelle.kernel.errors import TryLater
from passerelle.kernel.pipeline import KEPT_STATEMENTS
from tests.kernel.statements import DIE, DIVIDE, ME, PLACE, SLEEP, TELL, Sent

Open = Callable[..., Database]
Admin = psycopg.AsyncConnection[Any]
OTHER = "pipeline_other"


@pytest.fixture
async def other(admin: Admin) -> AsyncIterator[str]:
    await admin.execute(f"create database {OTHER}".encode())
    yield OTHER
    await admin.execute(f"drop database {OTHER} with (force)".encode())


async def test_a_row_comes_as_octets_and_rows_as_objects(opened: Open) -> None:
    database = opened()
    sent = Sent(b"select $1::text, null, $2::int + 1, json_build_object('a', $3::uuid is null)")
    assert await database.fetch_raw(sent, ["é\n", 41, None]) == ("é\n".encode(), None, b"42", b'{"a" : true}')
    numbers = Statement(select(func.generate_series(1, bindparam("last", type_=Integer)).label("n")))
    assert await database.fetch(numbers, {"last": 3}) == [(1,), (2,), (3,)]
    with pytest.raises(LookupError):
        await database.fetch_raw(Sent(b"select generate_series(1, 2)"), [])
    with pytest.raises(LookupError):
        await database.fetch_raw(Sent(b"select 1 where false"), [])


async def test_an_error_is_its_own_caller_s_and_undoes_its_own_statement_only(opened: Open, admin: Admin) -> None:
    await admin.execute(b"create table said (word text primary key)")
    try:
        database = opened(pool_size=1, depth=8)
        write = Sent(b"insert into said values ($1), ($2) returning word")
        await database.fetch_raw(TELL, ["open"])
        answers = await asyncio.gather(
            *(database.fetch_raw(Sent(b"insert into said values ($1) returning word"), [word]) for word in "ab"),
            database.fetch_raw(write, ["c", "a"]),  # "a" is there: both go
            database.fetch_raw(DIVIDE, ["d", 0]),
            database.fetch_raw(Sent(b"select nothing from nowhere"), []),
            database.fetch_raw(TELL, ["e"]),
            return_exceptions=True,
        )
        assert answers[:2] == [(b"a",), (b"b",)]
        assert [type(each) for each in answers[2:5]] == [
            psycopg.errors.UniqueViolation,
            psycopg.errors.DivisionByZero,
            psycopg.errors.UndefinedTable,
        ]
        assert answers[5] == (b"e",)
        rows = await (await admin.execute(b"select word from said order by word")).fetchall()
        assert rows == [("a",), ("b",)]
    finally:
        await admin.execute(b"drop table said")


acts = st.lists(
    st.tuples(st.sampled_from(("ok", "rows", "error", "unknown", "slow", "cancelled", "dying")), st.booleans()),
    min_size=1,
    max_size=24,
)


async def _given_up(asked: Coroutine[Any, Any, Any], *, after: int) -> None:
    task = asyncio.create_task(asked)
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(acts=acts, pauses=st.lists(st.integers(0, 3), min_size=24, max_size=24))
async def test_answers_never_cross(opened: Open, other: str, acts: list[tuple[str, bool]], pauses: list[int]) -> None:
    """Whatever is right, wrong, slow, given up or killed meanwhile, over two connections of two networks."""
    homes = [opened(name, pool_size=2, depth=3) for name in ("postgres", other)]

    async def act(number: int, kind: str, is_other: bool) -> None:
        home, name, word = homes[is_other], ("postgres", other)[is_other], f"{kind}{number}"
        if kind == "rows":
            many = Statement(select(literal(word), func.generate_series(1, bindparam("last", type_=Integer))))
            assert await home.fetch(many, {"last": number}) == [(word, n + 1) for n in range(number)]
        elif kind == "error":
            with pytest.raises(psycopg.errors.DivisionByZero):
                await home.fetch_raw(DIVIDE, [word, 0])
        elif kind == "unknown":
            with pytest.raises(psycopg.errors.UndefinedColumn, match=word):
                await home.fetch_raw(Sent(f"select {word}".encode()), [])
        elif kind == "cancelled":
            await _given_up(home.fetch_raw(PLACE, [word, 10]), after=pauses[number])
        elif kind == "dying":
            with pytest.raises(TryLater, match="DATABASE_AWAY"):  # twice: the second line dies of it too
                await home.fetch_raw(DIE, [])
        else:
            answer = await home.fetch_raw(PLACE, [word, 10 if kind == "slow" else 0])
            assert answer[:2] == (name.encode(), word.encode())

    async def staggered(number: int, kind: str, is_other: bool) -> None:
        for _ in range(pauses[number] * number):
            await asyncio.sleep(0)
        try:
            await act(number, kind, is_other)
        except TryLater as later:  # its line died twice under a neighbour: it says so, and gives nobody else's answer
            if later.code != "DATABASE_AWAY" or ("dying", is_other) not in acts:
                raise

    await asyncio.gather(*(staggered(number, *each) for number, each in enumerate(acts)))
    for home, name in zip(homes, ("postgres", other), strict=True):
        assert (await home.fetch_raw(PLACE, ["after", 0]))[:2] == (name.encode(), b"after")
        await home.close()


async def test_a_killed_connection_is_replaced_and_its_statements_run_again(opened: Open, admin: Admin) -> None:
    database = opened(pool_size=1, depth=8)
    (me,) = await database.fetch_raw(ME, [])
    waiting = [asyncio.create_task(database.fetch_raw(PLACE, [str(n), 50])) for n in range(5)]
    await asyncio.sleep(0.07)
    await admin.execute("select pg_terminate_backend(%s)", [int(me or 0)])
    answers = await asyncio.gather(*waiting)
    assert [each[1] for each in answers] == [b"0", b"1", b"2", b"3", b"4"]
    assert answers[0][2] == me
    assert {each[2] for each in answers[2:]}.isdisjoint({me})


async def test_a_connection_that_died_idle_is_noticed_before_it_is_used(opened: Open, admin: Admin) -> None:
    database = opened(pool_size=2)
    (me,) = await database.fetch_raw(ME, [])
    await admin.execute("select pg_terminate_backend(%s)", [int(me or 0)])
    assert await database.fetch_raw(ME, []) != (me,)


async def test_a_statement_past_its_time_is_told_so_and_stops(opened: Open, admin: Admin) -> None:
    database = opened(pool_size=1, statement_seconds=0.1)
    slow, quick = await asyncio.gather(
        database.fetch_raw(SLEEP, ["slow", 60000]), database.fetch_raw(TELL, ["quick"]), return_exceptions=True
    )
    assert isinstance(slow, TryLater)
    assert slow.code == "OPERATION_TOO_SLOW"
    assert quick == (b"quick",)


async def test_a_server_that_falls_silent_is_not_waited_for(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """What neither answers nor closes its end, as behind a cable that was pulled."""
    monkeypatch.setattr(pipeline_pool, "SILENCE_SECONDS", 0.2)
    database = opened(pool_size=1, statement_seconds=0.1)
    (me,) = await database.fetch_raw(ME, [])
    os.kill(int(me or 0), signal.SIGSTOP)
    try:
        with pytest.raises(TryLater, match="OPERATION_TOO_SLOW"):
            await database.fetch_raw(TELL, ["unheard"])
        assert await database.fetch_raw(TELL, ["by another"]) == (b"by another",)
    finally:
        os.kill(int(me or 0), signal.SIGCONT)


async def test_who_leaves_keeps_his_place_in_the_order(opened: Open) -> None:
    database = opened(pool_size=1, depth=8)
    (me,) = await database.fetch_raw(ME, [])
    tasks = [asyncio.create_task(database.fetch_raw(PLACE, [str(n), 200])) for n in range(6)]
    await asyncio.sleep(0.01)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each[1:] for each in answers if isinstance(each, tuple)] == [(b"1", me), (b"3", me), (b"5", me)]


async def test_prepared_statements_are_bounded_and_the_oldest_goes_first(opened: Open) -> None:
    database = opened(pool_size=1)
    prepared = Sent(
        b"select count(*), count(*) filter (where statement like '% as number_7') from pg_prepared_statements"
    )
    for n in range(KEPT_STATEMENTS + 40):
        assert await database.fetch_raw(Sent(f"select $1::int as number_{n}".encode()), [n]) == (b"%d" % n,)
    assert await database.fetch_raw(prepared, []) == (b"%d" % KEPT_STATEMENTS, b"0")
    assert await database.fetch_raw(Sent(b"select $1::int as number_7"), [7]) == (b"7",)
    assert await database.fetch_raw(prepared, []) == (b"%d" % KEPT_STATEMENTS, b"1")


async def test_a_statement_that_always_fails_is_not_prepared_again_and_again(opened: Open) -> None:
    database = opened(pool_size=1)
    prepared = Sent(b"select count(*) from pg_prepared_statements")
    (before,) = await database.fetch_raw(prepared, [])
    for _ in range(5):
        for sent in (DIVIDE, Sent(b"select nowhere")):
            with pytest.raises(psycopg.Error):
                await database.fetch_raw(sent, ["x", 0] if sent is DIVIDE else [])
    assert await database.fetch_raw(prepared, []) == (b"%d" % (int(before or 0) + 1),)


async def test_a_table_that_changed_is_planned_anew(opened: Open, admin: Admin) -> None:
    await admin.execute(b"create table changing (a int); insert into changing values (1)")
    try:
        database = opened(pool_size=1)
        everything = Sent(b"select * from changing")
        assert await database.fetch_raw(everything, []) == (b"1",)
        await admin.execute(b"alter table changing add column b text default 'x'")
        assert await database.fetch_raw(everything, []) == (b"1", b"x")
    finally:
        await admin.execute(b"drop table changing")


async def test_large_values_go_out_and_large_rows_come_back(opened: Open) -> None:
    """More than the socket takes at once, in both directions at the same time."""
    database = opened(pool_size=1, depth=8)
    texts = [str(n) * 3_000_000 for n in range(6)]
    answers = await asyncio.gather(*(database.fetch_raw(TELL, [text]) for text in texts))
    assert [each[0] for each in answers] == [text.encode() for text in texts]
