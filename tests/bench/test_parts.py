"""What a measure stands on: its client, its clocks, its comparison with a stranger."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time

import pytest

from passerelle.kernel.errors import Conflict
from passerelle_ops.bench._http import Answer, connected, request
from passerelle_ops.bench._peer import share_of, values_in
from passerelle_ops.bench._process_trees import processor_seconds, resident_megabytes
from passerelle_ops.bench._rounds import Busy, Plan, Side, measure

_SPINS = "import subprocess, sys, time\n"
_SPINS += "subprocess.run([sys.executable, '-c', 'import time\\nwhile time.process_time() < 0.3: pass'])\n"
_SPINS += "print('spun', flush=True)\ntime.sleep(60)"


async def answered(*octets: bytes) -> Answer:
    """What the client makes of a server that sends these pieces."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for each in octets:
            writer.write(each)
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with connected(url) as connection:
            return await asyncio.wait_for(connection.ask(request("GET", url, {})), 5)


@pytest.mark.parametrize(
    "octets",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",),
        (b"HTTP/1.1 200 OK\r\nContent-", b"Length: 4\r\n\r\nbo", b"dy"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbod\r\n", b"1\r\ny\r\n0\r", b"\n\r\n"),
    ],
)
async def test_a_body_is_read_whole_however_it_comes(octets: tuple[bytes, ...]) -> None:
    assert await answered(*octets) == Answer(200, b"body")


async def test_a_503_says_when_to_come_again() -> None:
    found = await answered(b"HTTP/1.1 503 X\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n")
    assert (found.status, found.retry_after) == (503, "2")


async def test_a_connection_that_was_closed_is_an_error_and_no_wait() -> None:
    with pytest.raises(ConnectionError):
        await answered(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo")


async def test_what_the_server_closed_between_two_requests_is_opened_anew() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with connected(url) as connection:
            for _ in range(2):
                assert await asyncio.wait_for(connection.ask(request("GET", url, {})), 5) == Answer(200, b"body")
                await asyncio.sleep(0.05)


def test_the_time_of_a_process_holds_that_of_a_child_that_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", _SPINS], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"spun\n"
        assert (processor_seconds([child.pid]) or 0) >= 0.3
        assert (resident_megabytes([child.pid, os.getpid()]) or 0) > (resident_megabytes([child.pid]) or 0) > 1
    finally:
        child.kill()
        child.communicate()
    assert processor_seconds([]) is None


async def test_a_side_that_says_come_again_is_asked_again_and_told_of() -> None:
    from contextlib import asynccontextmanager

    asked: list[int] = []

    @asynccontextmanager
    async def client():  # type: ignore[no-untyped-def]
        async def ask(turn: int) -> None:
            asked.append(turn)
            await asyncio.sleep(0.001)
            if len(asked) % 2:
                raise Busy(503)

        yield ask

    began = time.perf_counter()
    rounds = await measure([Side("one", "", client)], Plan(connections=(1,), rounds=1, seconds=0.1))
    assert time.perf_counter() - began < 5
    assert rounds.rate("one", 1) > 0
    assert "503" in str([column.header for column in rounds.table("", [Side("one", "un", client)]).columns])


OURS = {
    "data": {
        "dossier": {
            "state": "OPEN",
            "documents": {"edges": [{"node": {"title": "Bilan", "actAt": "2026-01-02T03:04:05.600Z", "size": 12}}]},
        }
    }
}


def test_a_stranger_answers_alike_whatever_it_wraps_its_answer_in() -> None:
    theirs = {
        "data": {
            "dossier": {
                "state": "open",
                "documents": {"nodes": [{"title": "Bilan", "actAt": "2026-01-02T04:04:05.6+01:00", "size": "12"}]},
            }
        }
    }
    assert share_of(values_in(json.dumps(OURS).encode()), values_in(json.dumps(theirs).encode()), 0) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [({"title": "Autre"}, "PEER_DIFFERS"), ({"title": None, "size": None, "actAt": None}, "PEER_SHOWS_LESS")],
)
def test_a_stranger_that_shows_something_else_is_not_measured(change: dict[str, str | None], code: str) -> None:
    node = {"title": "Bilan", "actAt": "2026-01-02T03:04:05.600Z", "size": 12} | change
    kept = {name: value for name, value in node.items() if value is not None}
    theirs = {"data": {"dossier": {"documents": {"nodes": [kept]}}}}
    with pytest.raises(Conflict, match=code):
        share_of(values_in(json.dumps(OURS).encode()), values_in(json.dumps(theirs).encode()), 3)
