"""What went wrong outside GraphQL, as `application/problem+json` (RFC 9457): a code, a sentence, a request id."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from passerelle.kernel.errors import InvalidInput, PasserelleError
from passerelle_graphql import errors
from passerelle_graphql.authentication import REQUEST_ID, new_request_id
from passerelle_graphql.bodies import as_json

PRIVATE: Final = {
    "Cache-Control": "private, no-store",
    "Vary": "Authorization",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def expected(error: PasserelleError, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """An expected failure, by the one table of `errors`."""
    more = {**errors.headers_of(error), **(headers or {})}
    return _problem(errors.status_of(error), error.code, error.message, request_id, more)


def unexpected(error: BaseException, request_id: str) -> Response:
    """An unexpected failure: logged by place, shown as INTERNAL."""
    shown = errors.internal(error, request_id)
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", shown["message"], request_id, {})


async def no_such_address(scope: Scope, receive: Receive, send: Send) -> None:
    """404 ADDRESS_UNKNOWN, whatever the method; the path is not said again."""
    await expected(InvalidInput("ADDRESS_UNKNOWN"), new_request_id())(scope, receive, send)


async def only_read(scope: Scope, receive: Receive, send: Send) -> None:
    """405 METHOD_NOT_ALLOWED for an address that is only read."""
    refused = InvalidInput("METHOD_NOT_ALLOWED", methods="GET et à HEAD")
    await expected(refused, new_request_id(), {"Allow": "GET, HEAD"})(scope, receive, send)


async def only_get(scope: Scope, receive: Receive, send: Send) -> None:
    """405 METHOD_NOT_ALLOWED for an address whose every reading counts."""
    refused = InvalidInput("METHOD_NOT_ALLOWED", methods="GET")
    await expected(refused, new_request_id(), {"Allow": "GET"})(scope, receive, send)


def _problem(status: HTTPStatus, code: str, message: str, request_id: str, headers: Mapping[str, str]) -> Response:
    body = {"status": int(status), "code": code, "title": message, "requestId": request_id}
    return Response(
        as_json(body),
        status_code=status,
        headers={**PRIVATE, **headers, "Content-Type": "application/problem+json", REQUEST_ID: request_id},
    )
