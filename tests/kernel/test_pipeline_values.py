"""Bind values by hand: what PostgreSQL reads is what psycopg would have told it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.kernel.database import Database
from passerelle.kernel.pipeline_values import Written, array, written
from passerelle_policies.vocabulary import Kind
from tests.kernel.statements import Sent

SPAN = datetime(2, 1, 1), datetime(9998, 1, 1)  # noqa: DTZ001
letters = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
values = (
    st.tuples(st.just("text"), letters)
    | st.tuples(st.just("bool"), st.booleans())
    | st.tuples(st.just("bigint"), st.integers(-(2**63), 2**63 - 1))
    | st.tuples(st.just("timestamptz"), st.datetimes(*SPAN, timezones=zones))
    | st.tuples(st.just("date"), st.dates())
    | st.tuples(st.just("uuid"), st.uuids())
    | st.tuples(st.just("bytea"), st.binary())
    | st.tuples(st.just("text[]"), st.lists(letters | st.none()))
    | st.tuples(st.just("bool[]"), st.lists(st.booleans()))
    | st.tuples(st.just("uuid[]"), st.lists(st.uuids()))
    | st.tuples(st.just("text[]"), st.none())
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_value=values)
async def test_what_is_written_is_what_psycopg_would_have_sent(
    admin: psycopg.AsyncConnection[Any], given_value: tuple[str, Any]
) -> None:
    kind, value = given_value
    (octets,) = written([value])
    query = f"select %s::{kind} is not distinct from %s::{kind}"
    cursor = await admin.execute(query.encode(), [value, None if octets is None else octets.decode()])
    assert await cursor.fetchone() == (True,)


async def test_an_array_is_written_once_for_whoever_sends_it(admin: psycopg.AsyncConnection[Any]) -> None:
    truths = array([True, False])
    assert written([truths, ["e\\f"]]) == [b"{t,f}", b'{"e\\\\f"}']
    cursor = await admin.execute(b"select %s::bool[], %s::text[]", [truths, array(['a"b', "c,d", "e\\f"])])
    assert await cursor.fetchone() == ([True, False], ['a"b', "c,d", "e\\f"])


def test_an_enumeration_is_its_value_and_a_tuple_is_an_array() -> None:
    assert written([Kind.DOCUMENT, (Kind.DOCUMENT, None), [], Written(b"{t,f}"), True, 1]) == [
        Kind.DOCUMENT.encode(),
        b'{"%s",null}' % Kind.DOCUMENT.encode(),
        b"{}",
        b"{t,f}",
        b"t",
        b"1",
    ]


@pytest.mark.parametrize("value", [1.5, Decimal(1), {"a": 1}, object(), datetime(2026, 1, 1), {1}, timedelta(1)])  # noqa: DTZ001
def test_another_type_is_a_mistake(value: object) -> None:
    with pytest.raises(TypeError):
        written([value])
    with pytest.raises(TypeError):
        written([[value]])


@pytest.mark.parametrize("value", ["a\0b", ["a\0"]])
def test_text_that_postgresql_cannot_hold_is_refused_and_not_cut(value: object) -> None:
    with pytest.raises(psycopg.DataError):
        written([value])


async def test_a_value_that_is_refused_harms_no_line(opened: Callable[..., Database]) -> None:
    database = opened(pool_size=1)
    told = Sent(b"select $1::date")
    for value, error in (("not a day", psycopg.DataError), (1.5, TypeError), ("\0", psycopg.DataError)):
        with pytest.raises(error):
            await database.fetch_raw(told, [value])
    with pytest.raises(psycopg.errors.ProtocolViolation):
        await database.fetch_raw(told, [])
    assert await database.fetch_raw(told, [date(2026, 11, 16)]) == (b"2026-11-16",)
    assert await database.fetch_raw(Sent(b"select $1::timestamptz"), [datetime(2026, 1, 1, tzinfo=UTC)])
