"""What is counted is told once and whole; spans go where they belong; a network says how far it is behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from passerelle.audit.behind import behind
from passerelle.audit.sealing import seal
from passerelle.audit.tallies import DECISIONS
from passerelle.kernel import tracing
from passerelle.kernel.clock import SetClock
from passerelle.kernel.tallies import COUNTS, TIMES, Count, Times
from passerelle_ops.settings import Settings
from passerelle_ops.watching import traces
from passerelle_ops.watching.counted import Counted
from passerelle_ops.watching.sharing import Shared
from tests import builders
from tests.conftest import Cloned

CAME = f"00-{'a' * 32}-{'b' * 16}-00"


@pytest.fixture
def counted() -> Iterator[tuple[Count, Times]]:
    """Figures of a test's own."""
    yield Count("test_done", "Done.", "network"), Times("test_seconds", "Seconds.", "task")
    del COUNTS["test_done"], TIMES["test_seconds"]


@pytest.fixture(autouse=True)
def _untraced() -> Iterator[None]:
    yield
    traces.stop()


def test_servers_of_one_gateway_are_told_in_sum(counted: tuple[Count, Times], tmp_path: Path) -> None:
    done, seconds = counted
    done.add("oncomip", by=3)
    for each in (0.0005, 0.3, 99.0):
        seconds.add(each, "relay")
    Shared(tmp_path).write()  # as another server of the same gateway
    done.add("oncomip")
    registry = CollectorRegistry()
    registry.register(Counted("gateway", Shared(tmp_path).all()))
    told = generate_latest(registry).decode().splitlines()
    assert 'test_done_total{network="oncomip"} 7.0' in told
    for bound, number in (("0.001", 2.0), ("0.25", 2.0), ("0.5", 4.0), ("15.0", 4.0), ("+Inf", 6.0)):
        assert f'test_seconds_bucket{{le="{bound}",task="relay"}} {number}' in told
    assert 'test_seconds_count{task="relay"} 6.0' in told
    assert 'test_seconds_sum{task="relay"} 198.601' in told


def _spans(bodies: list[bytes]) -> list[dict[str, Any]]:
    return [
        span
        for body in bodies
        for resource in json.loads(body)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_a_span_is_below_the_one_it_came_from_and_quotes_no_error() -> None:
    bodies: list[bytes] = []
    traces.trace(Settings(), "test", bodies.append)
    with tracing.as_request("f" * 32), tracing.span("http", "server", came=CAME):
        sent = tracing.sent_on()
        with suppress(ValueError), tracing.sql_span("sql.statement", "select $1"):
            raise ValueError("DUPONT")
    traces.stop()
    inner, outer = _spans(bodies)
    assert (outer["traceId"], outer["parentSpanId"]) == ("a" * 32, "b" * 16)
    assert (inner["traceId"], inner["parentSpanId"]) == ("a" * 32, outer["spanId"])
    assert sent == {"passerelle_request": "f" * 32, "traceparent": f"00-{'a' * 32}-{outer['spanId']}-01"}
    assert inner["status"] == {"code": 2}
    assert "ValueError" in str(inner)
    assert "DUPONT" not in str(bodies)


@pytest.mark.parametrize("came", [None, "DUPONT", f"00-{'0' * 32}-{'b' * 16}-01", f"{CAME}-DUPONT"])
def test_what_is_no_traceparent_begins_a_trace(came: str | None) -> None:
    bodies: list[bytes] = []
    traces.trace(Settings(), "test", bodies.append)
    with tracing.span("http", "server", came=came):
        pass
    traces.stop()
    (span,) = _spans(bodies)
    assert "parentSpanId" not in span
    assert span["traceId"] not in ("a" * 32, "0" * 32)


def test_a_share_is_kept_and_what_no_collector_takes_is_counted() -> None:
    def away(_: bytes) -> None:
        raise OSError("DUPONT")

    traces.trace(Settings(traces_share=0.0), "test", away)
    with tracing.span("http"):
        assert tracing.sent_on()["traceparent"].endswith("-00")
    traces.stop()
    before = traces.LOST.counted.get((), 0)
    traces.trace(Settings(), "test", away)
    with tracing.span("http"):
        pass
    traces.stop()
    assert traces.LOST.counted[()] == before + 1


async def test_a_network_says_how_far_it_is_behind(tenant_database: Cloned, clock: SetClock, tmp_path: Path) -> None:
    world = builders.World(builders.network(tenant_database.database, tmp_path), clock)
    began = clock.now()
    await world.patient()
    found = await behind(world.tenant)
    assert (found.unsealed_since, found.waiting_since, found.failing) == (began, began, 0)
    assert found.waiting > 0
    before = sum(DECISIONS.counted.values())
    sealed = await seal(world.tenant, clock)
    assert (await behind(world.tenant)).unsealed_since is None
    assert sum(DECISIONS.counted.values()) == before + sealed.lines

    # Restored from another server's, whose numbers mean nothing here: what came since is still found.
    with psycopg.connect(tenant_database.owner_url) as owner:
        owner.execute("update journal_seal set cluster = 'another', low_water = 1000000000000")
    clock.advance(timedelta(minutes=1))
    await world.patient()
    assert (await behind(world.tenant)).unsealed_since == clock.now()
