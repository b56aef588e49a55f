"""GraphQL over HTTP at `/{tenant}/graphql` (GraphQL over HTTP, draft; audit suite of the npm package graphql-http).

GET for queries, POST in JSON for everything; `application/graphql-response+json` when asked for, else
`application/json`. With the first, a request that cannot be executed is 400; with the second 200, as the draft has
it for old clients. What is not a GraphQL request at all is 4xx with both.

This is what every request pays, so it speaks ASGI itself and reads each header field once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final

from graphql import GraphQLFormattedError, OperationType
from starlette.types import Receive, Scope, Send

from passerelle.kernel import tracing
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput, LimitExceeded, PasserelleError, TryLater
from passerelle_graphql import errors, metrics, requests, standing
from passerelle_graphql.authentication import REQUEST_ID, admit, new_request_id
from passerelle_graphql.bodies import read_body, with_more
from passerelle_graphql.compression import LEAST_BYTES, gzipped, takes_gzip
from passerelle_graphql.context import Asked
from passerelle_graphql.execution import answer
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.heading import Heading, heading, said
from passerelle_graphql.negotiation import MediaType, answer_type, is_json
from passerelle_graphql.preparation import Prepared, RequestErrors
from passerelle_graphql.requests import Parameters
from passerelle_graphql.subscriptions.event_stream import EventStreams, wants_events

ALLOWED = "GET, POST"
_THREAD_BYTES: Final = 256 * 1024
_PACKED_IN_A_THREAD: Final = 128 * 1024
_LARGE_BYTES: Final = 1024 * 1024
_REQUEST_ID: Final = REQUEST_ID.lower().encode("ascii")
_ALWAYS: Final = {
    media_type: (
        (b"content-type", media_type.header.encode("ascii")),
        (b"cache-control", b"private, no-store"),
        (b"vary", b"Accept, Accept-Encoding, Authorization"),
        (b"x-content-type-options", b"nosniff"),
    )
    for media_type in MediaType
}


@dataclass(frozen=True, slots=True)
class Response:
    """What goes out, but for what each answer has."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    outcome: str


@dataclass(slots=True)
class _Run:
    """What is known of a request so far. The name of an operation that is not registered is its client's: not told."""

    context: Context | None = None
    operation: str = metrics.OTHER

    @property
    def network(self) -> str:
        return "" if self.context is None else self.context.tenant.id


class GraphQLEndpoint:
    """The endpoint of all tenants, as an ASGI application of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._large = asyncio.Semaphore(gateway.limits.large_bodies_at_once)
        self._under_way = 0
        self._streams = EventStreams(gateway, self._parameters)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_request_id()
        head = heading(scope["headers"])
        accepts = said(head, b"accept")
        if wants_events(accepts):
            await self._streams.answer(scope, receive, send, head)
            return
        media_type = answer_type(accepts)
        shown_as = media_type or MediaType.JSON
        response = await self._answered(scope, receive, head, media_type, request_id)
        body = response.body
        headers = [*_ALWAYS[shown_as], (_REQUEST_ID, request_id.encode("ascii"))]
        if len(body) >= LEAST_BYTES and takes_gzip(said(head, b"accept-encoding") or ""):
            body = gzipped(body) if len(body) < _PACKED_IN_A_THREAD else await asyncio.to_thread(gzipped, body)
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", b"%d" % len(body)))
        for name, value in response.headers.items():
            headers.append((name.lower().encode("ascii"), value.encode("latin-1")))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answered(
        self, scope: Scope, receive: Receive, head: Heading, media_type: MediaType | None, request_id: str
    ) -> Response:
        """The answer to one request, counted; never raises."""
        began = perf_counter()
        run = _Run()
        response = await self._answer(scope, receive, head, media_type, request_id, run)
        metrics.REQUESTS.add(run.network, run.operation, response.outcome)
        metrics.SECONDS.add(perf_counter() - began, run.operation)
        return response

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        head: Heading,
        media_type: MediaType | None,
        request_id: str,
        run: _Run,
    ) -> Response:
        try:
            if scope["method"] not in ("GET", "POST"):
                refused = errors.formatted(InvalidInput("METHOD_NOT_ALLOWED", methods="GET et à POST"))
                return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, [refused], run.context, "invalid", {"Allow": ALLOWED})
            self._refuse_when_full()
            run.context = context = await admit(self._gateway, scope["path_params"]["tenant"], head, request_id)
            if media_type is None:
                raise InvalidInput("NOT_ACCEPTABLE")
            parameters = await self._parameters(scope, receive, head)
            prepared = self._gateway.preparation.prepare(parameters, (context.tenant.id, context.actor.id))
            if prepared.name is not None and prepared.document.text in self._gateway.registered.texts:
                run.operation = prepared.name
            if tracing.tracer is None:
                return await self._executed(prepared, context)
            with tracing.span(run.operation, **{"passerelle.network": context.tenant.id}):
                return await self._executed(prepared, context)
        except RequestErrors as wrong:
            status = HTTPStatus.BAD_REQUEST if media_type is MediaType.RESPONSE else HTTPStatus.OK
            return _refusal(status, wrong.shown, run.context, "invalid")
        except PasserelleError as error:
            status, headers = errors.status_of(error), errors.headers_of(error)
            return _refusal(status, [errors.formatted(error)], run.context, metrics.noted(error, run.network), headers)
        except Exception as unexpected:  # noqa: BLE001 - the last wall: what is masked here is logged there
            shown = errors.internal(unexpected, request_id)
            outcome = metrics.noted(unexpected, run.network)
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, [shown], run.context, outcome)

    async def _executed(self, prepared: Prepared, context: Context) -> Response:
        gateway = self._gateway
        if prepared.operation.operation is OperationType.SUBSCRIPTION:
            raise InvalidInput("SUBSCRIPTION_NEEDS_STREAM")
        asked = Asked(context, prepared, gateway.path_of(context.tenant.id))
        self._refuse_when_full()
        self._under_way += 1
        try:
            answered = await answer(gateway.schema, gateway.plans, asked, gateway.deadlines)
        finally:
            self._under_way -= 1
        more = standing.extensions(context, asked.emergencies)
        if gateway.introspection and answered.why_not_compiled is not None:
            more = {"extensions": {**more.get("extensions", {}), "notCompiled": answered.why_not_compiled}}
        return Response(HTTPStatus.OK.value, with_more(answered.body, more), standing.headers(context), asked.outcome)

    def _refuse_when_full(self) -> None:
        """Raises GATEWAY_BUSY (TryLater) at once: whoever waits does it in his own memory."""
        if self._under_way >= self._gateway.limits.operations_at_once:
            raise TryLater("GATEWAY_BUSY", retry_after=1)

    async def _parameters(self, scope: Scope, receive: Receive, head: Heading) -> Parameters:
        limits = self._gateway.limits
        if scope["method"] == "GET":
            query = scope["query_string"]
            if len(query) > limits.url_bytes:
                raise LimitExceeded("URL_TOO_LONG", limit=limits.url_bytes)
            return requests.from_url(query)
        length = head.get(b"content-length", b"")
        declared = int(length) if length.isdigit() else None
        if declared is not None and declared <= _LARGE_BYTES:
            return await self._read(receive, head, declared)
        if self._large.locked():  # a place among those that take much memory, or none at once
            raise TryLater("TOO_MANY_LARGE_BODIES", retry_after=2)
        async with self._large:
            return await self._read(receive, head, declared)

    async def _read(self, receive: Receive, head: Heading, declared: int | None) -> Parameters:
        if not is_json(said(head, b"content-type")):
            raise InvalidInput("CONTENT_TYPE_UNSUPPORTED")
        if head.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise InvalidInput("CONTENT_ENCODING_UNSUPPORTED")
        body = await read_body(receive, declared, self._gateway.limits.body_bytes)
        if len(body) > _THREAD_BYTES:
            return await asyncio.to_thread(requests.from_body, body)
        return requests.from_body(body)


def _refusal(
    status: HTTPStatus,
    shown: Sequence[GraphQLFormattedError],
    context: Context | None,
    outcome: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {"errors": shown}
    return Response(
        status.value,
        with_more(body, standing.extensions(context)),
        {**standing.headers(context), **(headers or {})},
        outcome,
    )
