"""Each way to search a whole network's journals has an index that gives its page, whatever lies around it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Integer, bindparam
from sqlalchemy.dialects import postgresql

from passerelle.audit.oversight import Search, bound, everything, found, newest_of, page_statement
from passerelle.audit.tables import journal
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import PLANNER, Statement
from passerelle_graphql.ids import place_cursor, read_place_cursor
from tests.conftest import Cloned

DIALECT: Any = postgresql.dialect  # its constructor has no types
START = datetime(2026, 1, 1, tzinfo=UTC)
MANY = b"""
insert into journal (patient_id, at, actor_kind, actor_id, actor_name, actor_establishment, action, kind, outcome,
                     rule, pack, mode, purpose, request_id)
select ('00000000-0000-0000-0000-' || lpad((n % 997)::text, 12, '0'))::uuid, '2026-01-01Z'::timestamptz + n / 2 *
       interval '1 minute', 'professional', (n % 499)::text, 'Alix', '31000' || (n % 97)::text, 'read', 'dossier',
       case when n % 50 = 0 then 'refused' else 'allowed' end, 'r', 'p',
       case when n % 5000 = 0 then 'break_glass' else 'normal' end, 'care', n::text
from generate_series(1, 40000) as n
"""
WAYS: dict[str, tuple[Search, str]] = {
    "period": (Search(since=START, until=START + timedelta(days=9)), "ix_journal_at"),
    "refusals": (Search(refused_only=True), "ix_journal_at"),
    "structure": (Search(structure="3100013"), "ix_journal_establishment"),
    "emergencies": (Search(emergencies_only=True), "ix_journal_emergency"),
    "professional": (Search(rpps="123"), "ix_journal_actor"),
    "patient": (Search(patient_id=UUID(int=7)), "pk_journal"),
}


@pytest.fixture
def many(tenant: Tenant, tenant_database: Cloned) -> Tenant:
    with psycopg.connect(tenant_database.owner_url, autocommit=True) as owner:
        if owner.execute(b"select 1 from journal limit 1").fetchone() is None:
            owner.execute(MANY)
            owner.execute(b"analyze journal")
    return tenant


@pytest.mark.parametrize("way", WAYS)
async def test_a_page_comes_by_an_index(way: str, many: Tenant, tenant_database: Cloned) -> None:
    search, index = WAYS[way]
    page = page_statement(search, first=20, before=(START + timedelta(days=10), 30_000))
    asked: Any = page.compile(dialect=DIALECT(), compile_kwargs={"literal_binds": True})
    with psycopg.connect(tenant_database.url) as connection:
        plan = "\n".join(row[0] for row in connection.execute(f"explain {asked}".encode()).fetchall())

    assert index in plan, plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("way", WAYS)
async def test_so_does_one_whose_values_the_planner_is_not_told(
    way: str, many: Tenant, tenant_database: Cloned
) -> None:
    search, index = WAYS[way]
    page = newest_of(journal, bound(search.bounds()), bindparam("page_size", type_=Integer()))
    with psycopg.connect(tenant_database.url) as connection:
        connection.execute(PLANNER.encode())
        asked = b"explain (generic_plan) " + Statement(page).sql
        plan = "\n".join(row[0] for row in connection.execute(asked).fetchall())

    assert index in plan, plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("way", WAYS)
async def test_pages_give_every_line_once_newest_first(way: str, many: Tenant) -> None:
    search = WAYS[way][0]
    async with many.database.transaction() as connection:
        whole = [each async for batch in everything(connection, search) for each in batch][-70:]
        pages, before = [], None
        for _ in range(3):
            page = await found(connection, search, first=20, before=before)
            pages += page
            before = page[-1].place if page else before

    assert pages == whole[::-1][: len(pages)]
    assert len(pages) == min(60, len(whole))


@given(microseconds=st.integers(-(2**60), 2**57), line=st.integers(0, 2**63 - 1))
def test_a_cursor_comes_back_as_it_went(microseconds: int, line: int) -> None:
    at = START + timedelta(microseconds=microseconds // 32)
    assert read_place_cursor(place_cursor(at, line)) == (at, line)
