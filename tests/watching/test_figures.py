"""What is counted is told once and whole; spans go where they belong; a network says how far it is behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from prometheus_client import CollectorRegistry, generate_latest

from passerelle.audit import narrowings
from passerelle.audit.behind import behind
from passerelle.audit.sealing import seal
from passerelle.audit.tallies import DECISIONS
from passerelle.kernel import tracing
from passerelle.kernel.clock import SetClock
from passerelle.kernel.tallies import COUNTS, TIMES, Count, Times
from passerelle_ops.settings import Settings
from passerelle_ops.watching import sharing, traces
from passerelle_ops.watching.counted import Counted
from passerelle_ops.watching.networks import Network, Networks
from passerelle_ops.watching.sharing import Shared
from tests import builders
from tests.conftest import Cloned
from tests.watching.collector import Collector

CAME = f"00-{'a' * 32}-{'b' * 16}-00"
#: More than there is room for.
ENDED = 2_700


@pytest.fixture
def counted() -> Iterator[tuple[Count, Times]]:
    """Figures of a test's own."""
    yield Count("test_done", "Done.", "network"), Times("test_seconds", "Seconds.", "task")
    del COUNTS["test_done"], TIMES["test_seconds"]


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


async def test_what_the_folder_did_not_take_is_written_once_it_does(
    counted: tuple[Count, Times], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_EVERY", 0.01)
    done, _ = counted
    done.add("oncomip")
    away, folder = tmp_path / "away", tmp_path / "folder"
    away.touch()
    folder.symlink_to(away)
    writing = asyncio.create_task(Shared(folder).keep_writing())
    await asyncio.sleep(0.1)
    assert not writing.done()
    away.unlink()
    away.mkdir()
    while not list(folder.glob("*.json")):
        assert not writing.done()
        await asyncio.sleep(0.01)
    writing.cancel()


def test_a_span_is_below_the_one_it_came_from_and_quotes_no_error(collector: Collector) -> None:
    traces.trace(Settings(traces_url=collector.url), "test")
    with tracing.as_request("f" * 32), tracing.span("http", "server", came=CAME):
        sent = tracing.sent_on()
        with suppress(ValueError), tracing.sql_span("sql.statement", "select $1"):
            raise ValueError("DUPONT")
    traces.stop()
    inner, outer = collector.spans()
    assert (outer.trace_id.hex(), outer.parent_span_id.hex()) == ("a" * 32, "b" * 16)
    assert (inner.trace_id.hex(), inner.parent_span_id) == ("a" * 32, outer.span_id)
    assert sent == {"passerelle_request": "f" * 32, "traceparent": f"00-{'a' * 32}-{outer.span_id.hex()}-01"}
    assert (outer.kind, inner.kind) == (outer.SPAN_KIND_SERVER, outer.SPAN_KIND_CLIENT)
    assert (outer.status.code, inner.status.code) == (Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR)
    assert {each.key: each.value.string_value for each in inner.attributes} == {
        "db.system.name": "postgresql",
        "db.query.text": "select $1",
        "passerelle.request_id": "f" * 32,
        "error.type": "ValueError",
    }
    assert "passerelle-test" in str(collector.messages)
    assert "DUPONT" not in str(collector.messages)


@pytest.mark.parametrize("came", [None, "DUPONT", f"00-{'0' * 32}-{'b' * 16}-01", f"{CAME}-DUPONT"])
def test_what_is_no_traceparent_begins_a_trace(came: str | None, collector: Collector) -> None:
    traces.trace(Settings(traces_url=collector.url), "test")
    with tracing.span("http", "server", came=came):
        pass
    traces.stop()
    (span,) = collector.spans()
    assert not span.parent_span_id
    assert span.trace_id.hex() not in ("a" * 32, "0" * 32)


def test_a_share_is_kept_and_what_no_collector_takes_is_counted(collector: Collector) -> None:
    collector.status = 400
    traces.trace(Settings(traces_url=collector.url, traces_share=0.0), "test")
    with tracing.span("http", came=f"{CAME[:-1]}1"):
        assert tracing.parent()["traceparent"].endswith("-00")
    traces.stop()
    assert not traces.LOST.counted
    traces.trace(Settings(traces_url=collector.url), "test")
    with tracing.span("http"):
        pass
    traces.stop()
    assert traces.LOST.counted == {(): 1}


def test_what_finds_no_room_while_a_collector_is_slow_is_counted(collector: Collector) -> None:
    collector.answers.clear()
    traces.trace(Settings(traces_url=collector.url), "test")
    for _ in range(ENDED):
        with tracing.span("http"):
            pass
    lost = traces.LOST.counted[()]
    collector.answers.set()
    traces.stop()
    assert traces.LOST.counted == {(): lost}
    assert len(collector.spans()) == ENDED - lost


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

    # As the worker's turn of the ledger: what waits is told with its age, and no more once it is kept.
    narrowed = clock.now() - timedelta(minutes=3)
    with psycopg.connect(tenant_database.owner_url) as owner:
        owner.execute("update narrowing set kept_at = now() where kept_at is null")
        owner.execute("insert into narrowing (what, said, at) values ('document', '{}', %s)", (narrowed,))
    late = await behind(world.tenant)
    shown = CollectorRegistry()
    shown.register(Networks([Network(id="essai", pairs=[], behind=late)], clock.now()))
    assert late.unkept_since == narrowed
    assert 'passerelle_ledger_unkept_seconds{network="essai"} 180.0' in generate_latest(shown).decode()
    async with world.tenant.database.transaction() as connection:
        await narrowings.kept(connection, await narrowings.take(connection, 10))
    assert (await behind(world.tenant)).unkept_since is None

    # Restored from another server's, whose numbers mean nothing here: what came since is still found.
    with psycopg.connect(tenant_database.owner_url) as owner:
        owner.execute("update journal_seal set cluster = 'another', low_water = 1000000000000")
    clock.advance(timedelta(minutes=1))
    await world.patient()
    assert (await behind(world.tenant)).unsealed_since == clock.now()
