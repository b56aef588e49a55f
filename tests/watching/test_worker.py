"""A worker tells what waits at the broker, and what it counted, over HTTP."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import httpx2
from celery import Celery

from passerelle_ops.watching.worked import TURNS
from passerelle_ops.watching.worker import exposed

if TYPE_CHECKING:
    from passerelle_ops.stack.valkey import Valkey


async def test_a_worker_tells_its_queues_and_its_turns(valkey: Valkey) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = Celery("watched", broker=valkey.url(), set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "watched:"}
    TURNS.add("watched", "relay", "done")

    def work() -> str:
        for _ in range(2):
            app.send_task("turns.one", ("relay", "watched"), queue="watched:turns")
        with exposed("127.0.0.1", port, app, {("watched", "turns"): "watched:turns"}):
            return httpx2.get(f"http://127.0.0.1:{port}/metrics").text

    told = await asyncio.to_thread(work)
    app.close()
    assert 'passerelle_queue_length{network="watched",queue="turns"} 2.0' in told
    assert 'passerelle_turns_total{network="watched",outcome="done",task="relay"} 1.0' in told
    assert 'passerelle_info{program="worker"} 1.0' in told
