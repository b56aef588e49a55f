"""Those who do not read, those who come too many, and a process that stops: nobody else notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket as sockets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
import uvicorn
from psycopg import AsyncConnection
from starlette.applications import Starlette

from passerelle_graphql.following import StreamLimits, Streams
from passerelle_graphql.routes import routes
from tests import builders
from tests.gateway.records import Record
from tests.gateway.serving import Serving
from tests.subscriptions.another_process import VARIABLE
from tests.subscriptions.followers import Streaming, request, token_of, told

if TYPE_CHECKING:
    from passerelle_ops.stack.postgres import Postgres
    from tests.conftest import Cloned

BOTH = pytest.mark.parametrize("protocol", ["socket", "events"])


@asynccontextmanager
async def served(serving: Serving, limits: StreamLimits) -> AsyncIterator[Streaming]:
    """A gateway with ceilings of its own, behind a server that keeps next to nothing for who does not read."""
    gateway = replace(serving.gateway, streams=Streams(limits))
    listener = sockets.create_server(("127.0.0.1", 0))
    listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096)
    app = Starlette(routes=routes(gateway))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws_per_message_deflate=False))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn gives a flag, not an event
        await asyncio.sleep(0.01)
    yield Streaming(serving=serving, gateway=gateway, url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    await gateway.streams.close()
    server.should_exit = True
    await task


WIDE = "subscription ($p: ID!) { documentArrived(patientId: $p) { __typename ... on ArrivedDocument { document { "
WIDE += " ".join(f"a{number}: title" for number in range(29)) + " } } } }"


async def _raw(
    url: str, path: str, lines: list[str], body: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that takes as little as it can before it is read."""
    host, _, port = url.removeprefix("http://").partition(":")
    raw = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM)
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    head = "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {host}", *lines, f"Content-Length: {len(body)}", "", ""])
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


async def test_who_does_not_read_is_let_go_and_the_others_go_on(serving: Serving, record: Record) -> None:
    limits = StreamLimits(poll_seconds=0.02, send_seconds=0.4, keep_alive_seconds=60)
    world, title = serving.world, "x" * 900
    async with served(serving, limits) as streaming:
        body = json.dumps({"query": WIDE, "variables": {"p": record.id}}).encode()
        fields = ["Accept: text/event-stream", "Content-Type: application/json"]
        fields.append(f"Authorization: Bearer {token_of(record.doctor)}")
        _, writer = await _raw(streaming.url, "/oncomip/graphql", fields, body)
        async with streaming.follow("socket", token_of(record.doctor), "DocumentArrived", record.id) as other:
            streams = streaming.gateway.streams
            while streams.subscriptions < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            async with asyncio.timeout(30):
                while streams.subscriptions > 1:
                    await world.publish(record.patient_id, builders.document(title=title))
                    assert (await told(other))["document"]["title"] == title
            await world.publish(record.patient_id, builders.document(title="après"))
            assert (await told(other))["document"]["title"] == "après"
        writer.close()


@BOTH
async def test_only_so_many_subscriptions_of_one_person(serving: Serving, record: Record, protocol: str) -> None:
    limits = StreamLimits(poll_seconds=0.02, subscriptions_of_actor=1)
    async with served(serving, limits) as streaming:
        token = token_of(record.doctor)
        async with streaming.follow("socket", token, "DocumentArrived", record.id):
            payload = request("DocumentArrived", patientId=record.id)
            if protocol == "socket":
                async with streaming.socket() as socket:
                    await socket.begin(token)
                    shown = await (await socket.subscribe(payload)).error()
            else:
                async with streaming.events(payload, token) as events:
                    shown = (await events.next())["errors"]
                    await events.end()
            assert shown[0]["extensions"]["code"] == "TOO_MANY_SUBSCRIPTIONS"
            async with streaming.follow(protocol, token_of(record.patient), "DocumentArrived", record.id):
                assert streaming.gateway.streams.subscriptions == 2


async def test_only_so_many_connections(serving: Serving, record: Record) -> None:
    async with served(serving, StreamLimits(connections=1)) as streaming, streaming.socket() as socket:
        await socket.begin(token_of(record.doctor))
        async with streaming.socket() as too_many:
            assert await too_many.closed() == (1013, "TOO_MANY_CONNECTIONS")
        assert (await told(await socket.subscribe({"query": "{ me { kind } }"})))["kind"] == "PROFESSIONAL"


async def test_rights_are_asked_again_after_the_database_was_away(
    serving: Serving, record: Record, postgres: Postgres, tenant_database: Cloned
) -> None:
    """Every connection of the serving role dies, while a document arrives and another, after a block."""
    world = serving.world
    limits = StreamLimits(poll_seconds=0.02, retry_seconds=0.02)
    async with (
        served(serving, limits) as streaming,
        await AsyncConnection.connect(postgres.url(tenant_database.name), autocommit=True) as admin,
        streaming.follow("socket", token_of(record.doctor), "DocumentArrived", record.id) as doctor,
    ):
        for number in range(5):
            await world.publish(record.patient_id, builders.document(title=f"n° {number}"))
            await admin.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s",
                (f"serving_{tenant_database.name}",),
            )
        assert [(await told(doctor))["document"]["title"] for _ in range(5)] == [f"n° {each}" for each in range(5)]


async def test_a_process_that_stops_has_a_last_word(
    serving: Serving, record: Record, tenant_database: Cloned, directory_database: Cloned, folder: Path
) -> None:
    """Two web processes: what is filed elsewhere is told by both; the one that stops tells those who follow there."""
    told_to_it = {
        "tenant": tenant_database.url,
        "directory": directory_database.url,
        "folder": str(folder),
        "now": serving.world.clock.now().isoformat(),
        "issuer": serving.issuer.url,
    }
    port, token = _free_port(), token_of(record.doctor)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "--factory", "tests.subscriptions.another_process:create_app"),
        *("--port", str(port), "--log-level", "error", "--no-access-log"),
        env={**os.environ, VARIABLE: json.dumps(told_to_it)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        there = Streaming(serving=serving, gateway=serving.gateway, url=f"http://127.0.0.1:{port}")
        await _answers(there.url)
        async with (
            served(serving, StreamLimits(poll_seconds=0.02)) as here,
            here.follow("events", token, "DocumentArrived", record.id) as elsewhere,
            there.follow("events", token, "DocumentArrived", record.id) as events,
            there.socket() as socket,
        ):
            await socket.begin(token)
            follower = await socket.subscribe(request("DocumentArrived", patientId=record.id))
            await told(follower)
            await serving.world.publish(record.patient_id, builders.document(title="partout"))
            for each in (elsewhere, events, follower):
                assert (await told(each))["document"]["title"] == "partout"
            process.send_signal(signal.SIGTERM)
            for each in (events, follower):
                last = await told(each)
                assert (last["__typename"], last["code"]) == ("SubscriptionEnd", "SERVER_STOPPING")
                await each.end()
            assert await socket.closed() == (1001, "SERVER_STOPPING")
            async with asyncio.timeout(10):
                assert await process.wait() in (0, -signal.SIGTERM)
            await serving.world.publish(record.patient_id, builders.document(title="encore"))
            assert (await told(elsewhere))["document"]["title"] == "encore"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def _answers(url: str) -> None:
    async with asyncio.timeout(30), httpx2.AsyncClient(trust_env=False) as client:
        while True:
            try:
                await client.get(f"{url}/health/live")
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
