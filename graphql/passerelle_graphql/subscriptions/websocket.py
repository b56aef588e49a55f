"""`graphql-transport-ws` at `/{tenant}/graphql` (graphql-ws, PROTOCOL.md).

    → {"type": "connection_init", "payload": {"Authorization": "Bearer …", "Passerelle-Mode": "normal"}}
    ← {"type": "connection_ack"}
    → {"id": "1", "type": "subscribe", "payload": {"query": "…"}}
    ← {"id": "1", "type": "next", "payload": {"data": …}}

A browser cannot send header fields with a WebSocket: those of `authentication` come in the first message instead, and
nothing that a browser adds by itself lets anyone in. The codes with which a connection is closed:

    1001  the server stops                  4401  something was asked before `connection_ack`
    1009  a message is too long             4403  not let in, or the token expired or was revoked
    1013  too many connections              4406  another subprotocol
    4400  not a message of the protocol     4408  `connection_init` did not come in time, or nobody reads
    4409  an id that is in use              4429  `connection_init` twice
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final

import structlog
from graphql import GraphQLFormattedError
from starlette.types import Receive, Scope, Send

from passerelle.dossier import access
from passerelle.kernel.errors import PasserelleError, TryLater
from passerelle_graphql import errors, requests
from passerelle_graphql.bodies import as_json
from passerelle_graphql.following import Visit, fields_of
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.preparation import RequestErrors
from passerelle_graphql.subscriptions.answers import answers

SUBPROTOCOL: Final = "graphql-transport-ws"
GOING_AWAY: Final = 1001
_GONE: Final = 1006
_ID_LIMIT: Final = 100
_log = structlog.get_logger("passerelle.graphql")


class Closed(Exception):
    """The connection is closed with this code; `by_client` when nobody is there any more."""

    def __init__(self, code: int, reason: str = "", *, by_client: bool = False) -> None:
        super().__init__(code)
        self.code, self.reason, self.by_client = code, reason, by_client


class WebSocketEndpoint:
    """The endpoint of all tenants, as an ASGI application of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, streams = time.monotonic(), self._gateway.streams
        connection = _Connection(self._gateway, scope["path_params"]["tenant"], receive, send)
        streams.connections += 1
        try:
            code = await connection.run(scope.get("subprotocols", ()))
        finally:
            streams.connections -= 1
        _log.info("socket", code=code, seconds=round(time.monotonic() - began, 1), operations=connection.operations)


class _Connection:
    """One connection: what reads it, and a task for each operation."""

    def __init__(self, gateway: Gateway, tenant_id: str, receive: Receive, send: Send) -> None:
        self._gateway, self._tenant_id, self._receive, self._send = gateway, tenant_id, receive, send
        self._streams, self._limits = gateway.streams, gateway.streams.limits
        self._visit: Visit | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self._closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self.operations = 0

    async def run(self, subprotocols: Sequence[str]) -> int:
        """Until it is closed; gives the code."""
        await self._receive()  # websocket.connect
        spoken = SUBPROTOCOL if SUBPROTOCOL in subprotocols else None
        await self._send({"type": "websocket.accept", "subprotocol": spoken})
        minding = [asyncio.create_task(self._mind(each)) for each in (self._read(spoken), self._stop())]
        try:
            closed = await self._closed
        finally:
            tasks = [*minding, *self._running.values()]
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not closed.by_client:
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(self._limits.send_seconds):
                    await self._send({"type": "websocket.close", "code": closed.code, "reason": closed.reason})
        return closed.code

    async def _mind(self, work: Coroutine[Any, Any, None]) -> None:
        """Do a part of the work; the connection closes when that says so, or fails."""
        try:
            await work
        except Closed as closed:
            self._close(closed)
        except TimeoutError:
            self._close(Closed(4408, "Nobody reads"))
        except OSError:
            self._close(Closed(_GONE, by_client=True))
        except Exception as unexpected:  # noqa: BLE001 - the last wall: what is masked here is logged there
            errors.internal(unexpected, self._visit.context.request_id if self._visit else "")
            self._close(Closed(1011, "INTERNAL"))

    def _close(self, closed: Closed) -> None:
        if not self._closed.done():
            self._closed.set_result(closed)

    async def _stop(self) -> None:
        await self._streams.stopping.wait()
        if self._running:  # those that follow have a last word
            await asyncio.wait(list(self._running.values()), timeout=self._limits.stop_seconds / 2)
        raise Closed(GOING_AWAY, "SERVER_STOPPING")

    async def _watch(self, visit: Visit) -> None:
        """Close once the bearer of the token would no longer be let in; what he follows ends by itself before."""
        every = access.number(visit.context, "subscriptions.check_seconds")
        while True:
            await asyncio.sleep(every)
            try:
                await visit.renew()
            except TryLater:
                continue
            except PasserelleError as refused:
                await asyncio.sleep(every)
                raise Closed(4403, refused.code) from refused

    async def _read(self, spoken: str | None) -> None:
        if spoken is None:
            raise Closed(4406, "Subprotocol not acceptable")
        if self._streams.connections > self._limits.connections:
            raise Closed(1013, "TOO_MANY_CONNECTIONS")
        try:
            async with asyncio.timeout(self._limits.init_seconds):
                head = fields_of(await self._init())
        except TimeoutError as late:
            raise Closed(4408, "Connection initialisation timeout") from late
        try:
            visit = await Visit.begin(self._gateway, self._tenant_id, head)
        except TryLater as later:
            raise Closed(1013, later.code) from later
        except PasserelleError as refused:
            raise Closed(4403, refused.code) from refused
        self._visit = visit
        await self._say({"type": "connection_ack"})
        watching = asyncio.create_task(self._mind(self._watch(visit)))
        try:
            while True:
                await self._take(visit, await self._message())
        finally:
            watching.cancel()

    async def _init(self) -> object:
        """What `connection_init` brings, which comes first but for pings."""
        while True:
            message = await self._message()
            match message["type"]:
                case "ping":
                    await self._say({"type": "pong"})
                case "pong":
                    pass
                case "connection_init":
                    return message.get("payload")
                case "subscribe":
                    raise Closed(4401, "Unauthorized")
                case _:
                    raise Closed(4400, "Unknown type of message")

    async def _take(self, visit: Visit, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ping":
                await self._say({"type": "pong"})
            case "pong":
                pass
            case "connection_init":
                raise Closed(4429, "Too many initialisation requests")
            case "subscribe":
                await self._begin(visit, _id(message), message.get("payload"))
            case "complete":
                if (task := self._running.pop(_id(message), None)) is not None:
                    task.cancel()
            case _:
                raise Closed(4400, "Unknown type of message")

    async def _begin(self, visit: Visit, id_: str, payload: object) -> None:
        if not isinstance(payload, dict):
            raise Closed(4400, "A payload is an object")
        if id_ in self._running:
            raise Closed(4409, f"Subscriber for {id_} already exists")
        if len(self._running) >= self._limits.subscriptions_of_connection:
            await self._refuse(id_, [errors.formatted(TryLater("TOO_MANY_SUBSCRIPTIONS", retry_after=10))])
            return
        self.operations += 1
        self._running[id_] = asyncio.create_task(self._mind(self._operate(visit, id_, payload)))

    async def _operate(self, visit: Visit, id_: str, payload: dict[str, Any]) -> None:
        prefix = b'{"id":' + json.dumps(id_).encode() + b',"type":"next","payload":'
        try:
            own = await visit.again()
            # Escaped, so that what no database stores is found where it is for a body.
            parameters = requests.from_body(json.dumps(payload).encode())
            async with aclosing(answers(self._gateway, own, parameters)) as told:
                async for body in told:
                    await self._utter(prefix + body + b"}")
            await self._say({"id": id_, "type": "complete"})
        except RequestErrors as wrong:
            await self._refuse(id_, wrong.shown)
        except PasserelleError as error:
            await self._refuse(id_, [errors.formatted(error)])
        finally:
            if self._running.get(id_) is asyncio.current_task():
                del self._running[id_]

    async def _refuse(self, id_: str, shown: Sequence[GraphQLFormattedError]) -> None:
        await self._say({"id": id_, "type": "error", "payload": list(shown)})

    async def _message(self) -> dict[str, Any]:
        """The next message, of which only the type is sure."""
        received = await self._receive()
        if received["type"] == "websocket.disconnect":
            raise Closed(received.get("code", _GONE), by_client=True)
        text = received.get("text")
        if text is None:
            raise Closed(4400, "A message is a text")
        if len(text) > self._limits.message_bytes:
            raise Closed(1009, "MESSAGE_TOO_LONG")
        try:
            message = json.loads(text)
        except (ValueError, RecursionError) as broken:
            raise Closed(4400, "A message is JSON") from broken
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Closed(4400, "A message has a type")
        return message

    async def _say(self, message: dict[str, Any]) -> None:
        await self._utter(as_json(message))

    async def _utter(self, octets: bytes) -> None:
        """Raises TimeoutError when the client does not take it."""
        async with asyncio.timeout(self._limits.send_seconds), self._turn:
            await self._send({"type": "websocket.send", "text": octets.decode("utf-8")})


def _id(message: dict[str, Any]) -> str:
    given = message.get("id")
    if not isinstance(given, str) or not 0 < len(given) <= _ID_LIMIT or not given.isprintable():
        raise Closed(4400, f"An id is a text of {_ID_LIMIT} characters at most")
    return given
