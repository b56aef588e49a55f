"""Those who follow, by either protocol, as a browser or a piece of software would: over a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from passerelle_graphql.committed import committed
from passerelle_graphql.gateway import Gateway
from tests.gateway.serving import GRAPHQL, Serving

SECONDS = 8.0
SUBPROTOCOL = "graphql-transport-ws"


def request(operation: str, **variables: Any) -> dict[str, Any]:
    """A committed operation as it is sent."""
    return {"query": committed()[operation], "operationName": operation, "variables": variables}


def token_of(client: httpx2.AsyncClient) -> str:
    return client.headers["authorization"].removeprefix("Bearer ")


class Follower(Protocol):
    """One subscription, whatever carries it."""

    async def next(self) -> dict[str, Any]:
        """The next answer whole; AssertionError when the stream ends instead, or nothing comes."""
        ...

    async def end(self) -> None:
        """Wait for the end of the stream; AssertionError when an answer comes instead."""
        ...


async def told(follower: Follower) -> dict[str, Any]:
    """The one root field of the next answer, which has no errors."""
    shown = await follower.next()
    assert "errors" not in shown, shown
    (answer,) = shown["data"].values()
    result: dict[str, Any] = answer
    return result


@dataclass(slots=True)
class Socket:
    """A connection of `graphql-transport-ws`."""

    connection: ClientConnection
    numbers: Any = field(default_factory=lambda: count(1))
    waiting: list[dict[str, Any]] = field(default_factory=list)

    async def say(self, message: object) -> None:
        await self.connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def begin(self, token: str, **fields: str) -> None:
        await self.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}", **fields}})
        assert await self.hear() == {"type": "connection_ack"}

    async def subscribe(self, payload: object, id_: str | None = None) -> SocketFollower:
        id_ = id_ or str(next(self.numbers))
        await self.say({"id": id_, "type": "subscribe", "payload": payload})
        return SocketFollower(self, id_)

    async def about(self, id_: str) -> dict[str, Any]:
        """The next message about one subscription; those about others wait."""
        while True:
            for each in self.waiting:
                if each.get("id") == id_:
                    self.waiting.remove(each)
                    return each
            self.waiting.append(await self.hear())

    async def closed(self) -> tuple[int | None, str | None]:
        """The code and the reason with which the server closes."""
        async with asyncio.timeout(SECONDS):
            try:
                while True:
                    self.waiting.append(json.loads(await self.connection.recv()))
            except ConnectionClosed as closed:
                return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, None)


@dataclass(slots=True)
class SocketFollower:
    socket: Socket
    id: str

    async def next(self) -> dict[str, Any]:
        message = await self.socket.about(self.id)
        assert message["type"] == "next", message
        payload: dict[str, Any] = message["payload"]
        return payload

    async def end(self) -> None:
        assert await self.socket.about(self.id) == {"id": self.id, "type": "complete"}

    async def error(self) -> list[dict[str, Any]]:
        message = await self.socket.about(self.id)
        assert message["type"] == "error", message
        shown: list[dict[str, Any]] = message["payload"]
        return shown


@dataclass(slots=True)
class Events:
    """An event stream. `comments` counts what keeps it alive."""

    response: httpx2.Response
    lines: AsyncIterator[str]
    comments: int = 0

    async def event(self) -> tuple[str, str]:
        """The next event: its name and its data."""
        name, data = "", ""
        async with asyncio.timeout(SECONDS):
            async for line in self.lines:
                field, _, value = line.partition(":")
                if line.startswith(":"):
                    self.comments += 1
                elif field == "event":
                    name = value.strip()
                elif field == "data":
                    data += value.strip()
                elif not line and name:
                    return name, data
        return "", ""

    async def next(self) -> dict[str, Any]:
        name, data = await self.event()
        assert name == "next", (name, data)
        shown: dict[str, Any] = json.loads(data)
        return shown

    async def end(self) -> None:
        assert await self.event() == ("complete", "")
        assert await self.event() == ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """A gateway behind a server: what is followed there."""

    serving: Serving
    gateway: Gateway
    url: str

    @asynccontextmanager
    async def socket(self, *subprotocols: str, **options: Any) -> AsyncIterator[Socket]:
        """A connection that has not said who it is."""
        address = f"ws{self.url.removeprefix('http')}{GRAPHQL}"
        async with connect(address, subprotocols=subprotocols or (SUBPROTOCOL,), proxy=None, **options) as connection:  # type: ignore[arg-type]
            yield Socket(connection)

    @asynccontextmanager
    async def events(
        self, payload: object, token: str | None, method: str = "POST", **fields: str
    ) -> AsyncIterator[Events]:
        """An event stream, whatever its status."""
        headers = {"accept": "text/event-stream", **fields}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        sent: dict[str, Any] = {"json": payload} if method == "POST" else {"params": payload}
        async with (
            httpx2.AsyncClient(base_url=self.url, timeout=SECONDS, trust_env=False) as client,
            client.stream(method, GRAPHQL, headers=headers, **sent) as response,
        ):
            yield Events(response, response.aiter_lines())

    @asynccontextmanager
    async def follow(
        self, protocol: str, token: str, operation: str, patient_id: str, **fields: str
    ) -> AsyncIterator[Follower]:
        """A committed subscription that listens, by "socket" or "events"."""
        payload = request(operation, patientId=patient_id)
        if protocol == "socket":
            async with self.socket() as socket:
                await socket.begin(token, **fields)
                follower: Follower = await socket.subscribe(payload)
                assert (await told(follower))["__typename"] == "Listening"
                yield follower
        else:
            async with self.events(payload, token, **fields) as follower:
                assert (await told(follower))["__typename"] == "Listening"
                yield follower
