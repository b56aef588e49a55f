"""GraphQL over Server-Sent Events at `/{tenant}/graphql` (graphql-sse, PROTOCOL.md, distinct connections mode).

    event: next                 event: complete
    data: {"data": …}           data:

For a GET or a POST that takes `text/event-stream` before JSON. What is wrong with the document or its variables comes
as a `next` with `errors`, since a browser shows its script nothing of a 400; who is not let in has his 401 or 403 as
`application/problem+json`. A comment goes out at fixed instants, whatever happens, so that nobody takes the connection
for dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from functools import lru_cache
from typing import Final

from starlette.types import Receive, Scope, Send

from passerelle.kernel.errors import InvalidInput, PasserelleError
from passerelle_graphql import errors, problem_details, standing
from passerelle_graphql.authentication import REQUEST_ID, new_request_id
from passerelle_graphql.bodies import as_json
from passerelle_graphql.following import Visit
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.heading import Heading
from passerelle_graphql.preparation import RequestErrors
from passerelle_graphql.requests import Parameters
from passerelle_graphql.subscriptions.answers import answers

MEDIA_TYPE: Final = "text/event-stream"
_COMPLETE: Final = b"event: complete\ndata:\n\n"
_COMMENT: Final = b":\n\n"


@lru_cache(maxsize=256)
def wants_events(accept: str | None) -> bool:
    """Whether a client asks for an event stream by name, before any JSON (RFC 9110 §12.5.1)."""
    if accept is None or MEDIA_TYPE not in accept.lower():
        return False
    events = json = (0.0, 0)
    for place, each in enumerate(accept.lower().split(",")):
        essence, *parameters = (part.strip() for part in each.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        with suppress(ValueError):
            rank = (float(quality), -place)
            if essence == MEDIA_TYPE:
                events = max(events, rank) if events[0] else rank
            elif essence in ("application/json", "application/graphql-response+json"):
                json = max(json, rank) if json[0] else rank
    return events[0] > 0 and (not json[0] or events > json)


class EventStreams:
    """Answers as event streams; `read` takes the parameters out of a request."""

    def __init__(self, gateway: Gateway, read: Callable[[Scope, Receive, Heading], Awaitable[Parameters]]) -> None:
        self._gateway, self._read = gateway, read

    async def answer(self, scope: Scope, receive: Receive, send: Send, head: Heading) -> None:
        """Answer one request whole, until its stream ends or its client goes away."""
        try:
            if scope["method"] not in ("GET", "POST"):
                raise InvalidInput("METHOD_NOT_ALLOWED", methods="GET et à POST")
            visit = await Visit.begin(self._gateway, scope["path_params"]["tenant"], head)
            parameters = await self._read(scope, receive, head)
        except PasserelleError as error:
            await problem_details.expected(error, new_request_id())(scope, receive, send)
            return
        except Exception as unexpected:  # noqa: BLE001 - the last wall: what is masked here is logged there
            await problem_details.unexpected(unexpected, new_request_id())(scope, receive, send)
            return
        await _Stream(self._gateway, visit, send).run(parameters, receive)


class _Stream:
    """One stream."""

    def __init__(self, gateway: Gateway, visit: Visit, send: Send) -> None:
        self._gateway, self._visit, self._send = gateway, visit, send
        self._limits = gateway.streams.limits
        self._turn = asyncio.Lock()

    async def run(self, parameters: Parameters, receive: Receive) -> None:
        context = self._visit.context
        headers = {
            "content-type": MEDIA_TYPE,
            "cache-control": "private, no-store",
            "vary": "Accept, Authorization",
            "x-accel-buffering": "no",
            "x-content-type-options": "nosniff",
            REQUEST_ID.lower(): context.request_id,
            **{name.lower(): value for name, value in standing.headers(context).items()},
        }
        fields = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": fields})
        await self._say(_COMMENT)
        doing = [asyncio.create_task(each) for each in (self._tell(parameters), self._keep_alive(), _gone(receive))]
        try:
            # Whatever ends first ends it: nothing more to tell, a client that does not read, or that left.
            await asyncio.wait(doing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in doing:
                each.cancel()
            ended = await asyncio.gather(*doing, return_exceptions=True)
        if not any(isinstance(each, TimeoutError) for each in ended):
            with suppress(TimeoutError, OSError):
                await self._say(b"", more=False)

    async def _tell(self, parameters: Parameters) -> None:
        try:
            async with aclosing(answers(self._gateway, self._visit, parameters)) as told:
                async for body in told:
                    await self._next(body)
        except RequestErrors as wrong:
            await self._next(as_json({"errors": wrong.shown}))
        except PasserelleError as error:
            await self._next(as_json({"errors": [errors.formatted(error)]}))
        except (OSError, TimeoutError):
            raise
        except Exception as unexpected:  # noqa: BLE001 - the last wall: what is masked here is logged there
            await self._next(as_json({"errors": [errors.internal(unexpected, self._visit.context.request_id)]}))
        await self._say(_COMPLETE)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._limits.keep_alive_seconds)
            await self._say(_COMMENT)

    async def _next(self, body: bytes) -> None:
        await self._say(b"event: next\ndata: " + body + b"\n\n")  # JSON holds no line break of its own

    async def _say(self, piece: bytes, *, more: bool = True) -> None:
        """Raises TimeoutError when the client does not take it."""
        async with asyncio.timeout(self._limits.send_seconds), self._turn:
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
