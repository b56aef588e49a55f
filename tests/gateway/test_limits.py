"""What one request may ask: depth, aliases, fields, tokens, cost, body and address."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import httpx2
import pytest
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st

from passerelle.kernel.errors import LimitExceeded
from passerelle_graphql import limits
from passerelle_graphql.committed import committed
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation, RequestErrors
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import schema
from tests.gateway.audit_rules import JSON, RESPONSE
from tests.gateway.serving import GRAPHQL, Serving, listening

TIGHT = Limits(
    depth=4, fields=20, aliases=3, directives=2, roots=3, tokens=200, cost=500, fragments=2, document_chars=1_500
)


@cache
def _preparation(given_limits: Limits) -> Preparation:
    return Preparation(schema, given_limits, introspection=True)


def _refused(query: str, given_limits: Limits = TIGHT, **variables: Any) -> str | None:
    """The code under which a query is refused; None when it is prepared."""
    try:
        _preparation(given_limits).prepare(Parameters(query=query, variables=variables))
    except RequestErrors as wrong:
        return str(wrong.shown[0]["extensions"]["code"])
    return None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ me { network { id } } }", None),
        ('{ dossier(patientId: "x") { ... on Dossier { documents { nodes { type { code } } } } } }', "QUERY_TOO_DEEP"),
        ("{ a: me { name } b: me { name } c: me { name } }", None),
        ("{ a: me { name } b: me { name } c: me { name } d: me { name } }", "TOO_MANY_ROOTS"),
        ("{ me { a: name b: name c: name d: name } }", "TOO_MANY_ALIASES"),
        ("{ me { " + "name " * 20 + "} }", "TOO_MANY_FIELDS"),
        ("{ me { " + "name " * 200 + "} }", "TOO_MANY_TOKENS"),
        ("{ me { name @skip(if: true) kind @skip(if: true) rpps @skip(if: true) } }", "TOO_MANY_DIRECTIVES"),
        ("{ ...A } fragment A on Query { me { ...B } } fragment B on Me { a: name b: name c: name d: name }",
         "TOO_MANY_ALIASES"),
        ("{ me { ...B ...B } } fragment B on Me { a: name b: name }", "TOO_MANY_ALIASES"),
        ("{ me { ...A ...B ...C } } " + "".join(f"fragment {n} on Me {{ name }} " for n in "ABC"),
         "TOO_MANY_FRAGMENTS"),
        ('{ me { name } } # ' + "x" * 2_000, "QUERY_TOO_LONG"),
        ("{ me { name }", "GRAPHQL_SYNTAX"),
        ("{ me { nothing } }", "GRAPHQL_INVALID"),
        ("{ ...A } fragment A on Query { ...A }", "GRAPHQL_INVALID"),
        ("{ ...Nowhere }", "GRAPHQL_INVALID"),
        ("subscription { me { name } }", "GRAPHQL_INVALID"),
    ],
)  # fmt: skip
def test_what_is_over_a_limit_is_refused_by_its_name(query: str, code: str | None) -> None:
    assert _refused(query) == code


def test_fragments_that_double_each_time_are_measured_in_no_time() -> None:
    chain = "".join(f"fragment F{n} on Me {{ ...F{n + 1} ...F{n + 1} }} " for n in range(60))
    query = f"{{ me {{ ...F0 }} }} {chain} fragment F60 on Me {{ name }}"
    began = time.perf_counter()

    assert _refused(query, Limits(fragments=100)) == "TOO_MANY_FIELDS"

    assert time.perf_counter() - began < 1


_OPEN = """query ($n: Int) {
  dossier(patientId: "x") { ... on Dossier { documents(first: $n) { nodes { type { code } } } } }
}"""


def test_a_page_costs_what_it_asks_for() -> None:
    deep = Limits(cost=100)

    assert _refused(_OPEN, deep, n=10) is None
    assert _refused(_OPEN, deep, n=90) == "COST_EXCEEDED"
    assert _refused(_OPEN, deep) == "COST_EXCEEDED", "without a size, the default page counts"
    assert _refused(_OPEN.replace("$n)", "90)").replace("query ($n: Int) ", ""), deep) == "COST_EXCEEDED"


def test_the_cost_follows_fragments_and_aliases() -> None:
    nodes = "nodes { type { code } }"
    once = f'{{ dossier(patientId: "x") {{ ... on Dossier {{ documents(first: 50) {{ {nodes} }} }} }} }}'
    by_fragment = (
        '{ dossier(patientId: "x") { ...D } } fragment D on Dossier { documents(first: 50) { ...P } } '
        f"fragment P on DocumentConnection {{ {nodes} }}"
    )
    twice = once.replace(nodes, f"{nodes} edges {{ node {{ type {{ code }} }} }}")

    assert _cost(once) == _cost(by_fragment)
    assert _cost(twice) > _cost(once)


def _cost(query: str, **variables: Any) -> int:
    return _preparation(Limits()).prepare(Parameters(query=query, variables=variables)).cost


@given(st.integers(1, 100), st.integers(1, 100))
def test_a_larger_page_never_costs_less(few: int, many: int) -> None:
    few, many = sorted((few, many))
    assert _cost(_OPEN, n=few) <= _cost(_OPEN, n=many)


@pytest.mark.parametrize("name", committed())
def test_a_committed_operation_stays_under_half_of_each_limit(name: str) -> None:
    """Room for what clients will add, and a warning before an operation of ours meets a wall."""
    half = Limits(tokens=1_250, depth=10, fields=300, fragments=20, aliases=15, directives=25, roots=5, cost=10_000)
    document = Preparation(schema, half, introspection=False).document(committed()[name])
    assert name in document.operations


def _nest(inner: list[str]) -> str:
    return "b { " + " ".join(inner) + " }"


def _written_out(selection: str) -> tuple[int, int]:
    depth = deepest = 1
    for each in selection.split():
        depth += (each == "{") - (each == "}")
        deepest = max(deepest, depth)
    return deepest, sum(each in "ab" for each in selection.split())


_SELECTIONS = st.recursive(
    st.just("a"), lambda inner: st.lists(inner, min_size=1, max_size=3).map(_nest), max_leaves=40
)


@given(_SELECTIONS)
def test_the_measure_is_that_of_the_written_out_query(selection: str) -> None:
    document = parse(f"{{ {selection} }}")

    code = None
    try:
        limits.check(document, Limits(depth=6, fields=30, aliases=0))
    except LimitExceeded as over:
        code = over.code

    depth, fields = _written_out(selection)
    assert (code == "QUERY_TOO_DEEP") == (depth > 6)
    assert (code is None) == (depth <= 6 and fields <= 30)


async def test_a_refusal_by_a_limit_is_a_request_error(doctor: httpx2.AsyncClient) -> None:
    deep = "{ me " + "{ network " * 30 + "{ id }" + " }" * 30 + " }"
    for accept, status in ((RESPONSE, 400), (JSON, 200)):
        response = await doctor.post(GRAPHQL, json={"query": deep}, headers={"accept": accept})
        assert response.status_code == status
        assert response.json()["errors"][0]["extensions"]["code"] == "QUERY_TOO_DEEP"
        assert "data" not in response.json()


async def test_a_body_too_large_is_413_before_it_is_read(doctor: httpx2.AsyncClient) -> None:
    declared = await doctor.post(GRAPHQL, content=b"{}", headers={"content-type": JSON, "content-length": str(10**12)})
    assert declared.status_code == 413
    assert declared.json()["errors"][0]["extensions"]["code"] == "BODY_TOO_LARGE"

    async def endless() -> Any:
        while True:
            yield b" " * 1_000_000

    streamed = await doctor.post(GRAPHQL, content=endless(), headers={"content-type": JSON})
    assert streamed.status_code == 413


async def test_an_address_too_long_is_414(doctor: httpx2.AsyncClient) -> None:
    response = await doctor.get(GRAPHQL, params={"query": "{ __typename }" + " " * 20_000})

    assert response.status_code == 414


async def test_a_fifth_large_body_at_once_is_told_to_come_back(serving: Serving, doctor_token: str) -> None:
    four_are_in, may_go_on = asyncio.Event(), asyncio.Event()
    begun = 0

    async def slowly() -> AsyncIterator[bytes]:
        nonlocal begun
        begun += 1
        if begun == Limits().large_bodies_at_once:
            four_are_in.set()
        yield b'{"query": "{ me { kind } }", '
        await may_go_on.wait()
        yield b'"variables": {}}'

    async with listening(serving.app) as url, httpx2.AsyncClient(base_url=url, timeout=30) as client:
        headers = {"authorization": f"Bearer {doctor_token}", "content-type": "application/json"}

        async def large() -> httpx2.Response:
            return await client.post(GRAPHQL, content=slowly(), headers=headers)

        held = [asyncio.create_task(large()) for _ in range(Limits().large_bodies_at_once)]
        await four_are_in.wait()
        await asyncio.sleep(0.2)
        padded = json.dumps({"query": "{ me { kind } }", "extensions": {"pad": "x" * 2**20}})
        one_more = await client.post(GRAPHQL, content=padded, headers=headers)
        small = await client.post(GRAPHQL, json={"query": "{ me { kind } }"}, headers=headers)
        may_go_on.set()
        answers = await asyncio.gather(*held)
    assert (one_more.status_code, one_more.headers["retry-after"]) == (503, "2")
    assert one_more.json()["errors"][0]["extensions"]["code"] == "TOO_MANY_LARGE_BODIES"
    assert [each.status_code for each in (small, *answers)] == [200] * 5
