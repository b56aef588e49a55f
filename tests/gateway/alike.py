"""Asking both executors the same, and comparing what each wrote into the journal."""

from __future__ import annotations

import json
from typing import Any

import httpx2
from sqlalchemy import select

from passerelle.audit.tables import journal
from passerelle_graphql.execution import Executor
from tests.gateway.serving import Serving
from tests.gateway.test_compiled import asked, both

#: What two readings of the same differ in.
_OWN = frozenset({"line_id", "request_id", "transaction_id"})

WHY = """fragment Why on Problem {
  __typename code message ... on Refusal { howToGetAccess } ... on TryLater { retryAfter }
}"""


async def alike(serving: Serving, client: httpx2.AsyncClient, query: str, /, *, lines: int = 1, **given: Any) -> bytes:
    """The answer, after asserting that Strawberry gives the same and that each wrote the same `lines`."""
    before = await _lines(serving)
    answer = await both(serving, client, query, **given)
    _must_be_alike((await _lines(serving))[len(before) :], lines)
    return answer


async def left_to_strawberry(
    serving: Serving, client: httpx2.AsyncClient, query: str, /, *, because: str, lines: int = 1, **given: Any
) -> str:
    """The same for a request that no statement answers, whatever its operation: the gateway says so to developers."""
    before = await _lines(serving)
    told = await asked(serving, client, query, Executor.COMPILED, **given)
    reference = await asked(serving, client, query, Executor.STRAWBERRY, **given)
    assert told == {**reference, "extensions": {"notCompiled": because}}
    _must_be_alike((await _lines(serving))[len(before) :], lines)
    return json.dumps(reference)


def _must_be_alike(written: list[dict[str, Any]], lines: int) -> None:
    assert len(written) == 2 * lines, written
    for compiled, reference in zip(written[:lines], written[lines:], strict=True):
        assert compiled == reference, {name: (compiled[name], reference[name]) for name in compiled}


async def _lines(serving: Serving) -> list[dict[str, Any]]:
    async with serving.world.tenant.database.transaction() as connection:
        rows = (await connection.execute(select(journal).order_by(journal.c.line_id))).mappings().all()
    return [_compared(dict(each)) for each in rows]


def _compared(line: dict[str, Any]) -> dict[str, Any]:
    # Relations are a set: the statement gathers them in no order.
    facts = {**line["facts"], "relations": sorted(set(line["facts"].get("relations", ())))}
    return {**{name: value for name, value in line.items() if name not in _OWN}, "facts": facts}
