"""GraphQL over HTTP at `/{tenant}/graphql` (GraphQL over HTTP, draft; audit suite of the npm package graphql-http).

GET for queries, POST in JSON for everything; `application/graphql-response+json` when asked for, else
`application/json`. With the first, a request that cannot be executed is 400; with the second 200, as the draft has
it for old clients. What is not a GraphQL request at all is 4xx with both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from graphql import GraphQLFormattedError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from passerelle.dossier.emergencies import EmergencyAccess
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput, LimitExceeded, PasserelleError, TryLater
from passerelle_graphql import errors, requests, standing
from passerelle_graphql.authentication import REQUEST_ID, enter, new_request_id
from passerelle_graphql.bodies import as_json, read_body
from passerelle_graphql.context import Asked
from passerelle_graphql.execution import execute
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.negotiation import MediaType, answer_type, is_json
from passerelle_graphql.preparation import RequestErrors
from passerelle_graphql.requests import Parameters

ALLOWED = "GET, POST"
_THREAD_BYTES = 256 * 1024
_LARGE_BYTES = 1024 * 1024


class GraphQLEndpoint:
    """The endpoint of all tenants, as an ASGI application of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._large = asyncio.Semaphore(gateway.limits.large_bodies_at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.answer(Request(scope, receive))
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """The answer to one request; never raises."""
        request_id = new_request_id()
        context: Context | None = None
        media_type = answer_type(request.headers.get("accept"))
        shown_as = media_type or MediaType.JSON
        try:
            if request.method not in ("GET", "POST"):
                return _answer(
                    shown_as,
                    HTTPStatus.METHOD_NOT_ALLOWED,
                    [errors.formatted(InvalidInput("METHOD_NOT_ALLOWED", methods="GET et à POST"))],
                    request_id,
                    context,
                    {"Allow": ALLOWED},
                )
            context = await enter(self._gateway, request, request_id)
            if media_type is None:
                raise InvalidInput("NOT_ACCEPTABLE")
            async with self._room_for(request):
                parameters = await self._parameters(request)
                prepared = self._gateway.preparation.prepare(parameters)
                asked = Asked(context, prepared, self._gateway.path_of(context.tenant.id))
                answer = await execute(self._gateway.schema, asked, seconds=self._gateway.limits.seconds)
        except RequestErrors as wrong:
            status = HTTPStatus.BAD_REQUEST if shown_as is MediaType.RESPONSE else HTTPStatus.OK
            return _answer(shown_as, status, wrong.shown, request_id, context)
        except PasserelleError as error:
            headers = errors.headers_of(error)
            return _answer(shown_as, errors.status_of(error), [errors.formatted(error)], request_id, context, headers)
        except Exception as unexpected:  # noqa: BLE001 - the last wall: what is masked here is logged there
            shown = errors.internal(unexpected, request_id)
            return _answer(shown_as, HTTPStatus.INTERNAL_SERVER_ERROR, [shown], request_id, context)
        return _respond(shown_as, HTTPStatus.OK, answer.body, request_id, context, asked.emergencies)

    @asynccontextmanager
    async def _room_for(self, request: Request) -> AsyncIterator[None]:
        """A place among the requests that take much memory; TOO_MANY_LARGE_BODIES at once when there is none."""
        declared = request.headers.get("content-length", "")
        if request.method == "GET" or (declared.isdigit() and int(declared) <= _LARGE_BYTES):
            yield
            return
        if self._large.locked():
            raise TryLater("TOO_MANY_LARGE_BODIES", retry_after=2)
        async with self._large:
            yield

    async def _parameters(self, request: Request) -> Parameters:
        limits = self._gateway.limits
        if request.method == "GET":
            query = request.scope["query_string"]
            if len(query) > limits.url_bytes:
                raise LimitExceeded("URL_TOO_LONG", limit=limits.url_bytes)
            return requests.from_url(query)
        if not is_json(request.headers.get("content-type")):
            raise InvalidInput("CONTENT_TYPE_UNSUPPORTED")
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise InvalidInput("CONTENT_ENCODING_UNSUPPORTED")
        body = await read_body(request, limits.body_bytes)
        if len(body) > _THREAD_BYTES:
            return await asyncio.to_thread(requests.from_body, body)
        return requests.from_body(body)


def _answer(
    media_type: MediaType,
    status: HTTPStatus,
    shown: list[GraphQLFormattedError],
    request_id: str,
    context: Context | None,
    headers: dict[str, str] | None = None,
) -> Response:
    return _respond(media_type, status, {"errors": shown}, request_id, context, headers=headers)


def _respond(
    media_type: MediaType,
    status: HTTPStatus,
    body: dict[str, Any],
    request_id: str,
    context: Context | None,
    emergencies: Sequence[EmergencyAccess] = (),
    *,
    headers: dict[str, str] | None = None,
) -> Response:
    return Response(
        as_json({**body, **standing.extensions(context, emergencies)}),
        status_code=status,
        headers={
            "Content-Type": media_type.header,
            "Cache-Control": "private, no-store",
            "Vary": "Accept, Authorization",
            "X-Content-Type-Options": "nosniff",
            REQUEST_ID: request_id,
            **standing.headers(context),
            **(headers or {}),
        },
    )
