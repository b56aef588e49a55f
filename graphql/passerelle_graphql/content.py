"""A document's octets at `/{tenant}/documents/{id}/content`, and a CDA shown at `…/view`.

Through a case of a tumour board, those of what is attached to it, or was lent with it by another network:
`/{tenant}/board-cases/{case}/documents/{id}`.

The same decision as everywhere; what the actor may not know of is 404 like what is not there. One reading is one
journal line: ranges, conditional requests and HEADs that follow within `journal.same_reading_minutes` belong to the
reading that they continue, and any of them that follows none opens one (docs/decisions/0064).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from time import perf_counter
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from passerelle.dossier import documents
from passerelle.dossier.formats import rendering
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput, LimitExceeded, PasserelleError, Refused
from passerelle.oncology import attachments, lent_documents
from passerelle_graphql import metrics, problem_details, ranges, standing
from passerelle_graphql.authentication import REQUEST_ID, enter, new_request_id
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.ids import Node, is_of, key_of
from passerelle_graphql.problem_details import PRIVATE
from passerelle_graphql.schema.documents import CDA

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", re.IGNORECASE)
_EXTENSIONS = {CDA: "xml", "application/pdf": "pdf", "text/plain": "txt", "image/jpeg": "jpg", "image/png": "png"}


class Opened(Protocol):
    """Octets that were decided upon: of `document` are told `mime_type` and `sha256`."""

    @property
    def document(self) -> Mapping[str, Any]: ...
    @property
    def size(self) -> int: ...
    def read(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]: ...


#: Decides upon what a request asks for, opens and journals it; the flag: it continues a reading.
Opens: TypeAlias = Callable[[Request, Context, bool], Awaitable[Opened]]
_INERT = "default-src 'none'; sandbox; frame-ancestors 'none'"


class ContentEndpoint:
    """Octets as they were filed, whole or in part; `opens` decides upon them."""

    def __init__(self, gateway: Gateway, opens: Opens | None = None) -> None:
        self._gateway = gateway
        self._opens = opens or _opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await guarded(self._gateway, Request(scope, receive), self._content)
        await response(scope, receive, send)

    async def _content(self, request: Request, context: Context) -> Response:
        ask = request.headers
        continues = request.method == "HEAD" or "range" in ask or "if-none-match" in ask
        opened = await self._opens(request, context, continues)
        etag = f'"{opened.document["sha256"]}"'
        if ranges.names(ask.get("if-none-match"), etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**PRIVATE, "ETag": etag})
        span = ranges.wanted(ask.get("range"), opened.size) if ranges.is_still(ask.get("if-range"), etag) else None
        status = HTTPStatus.OK if span is None else HTTPStatus.PARTIAL_CONTENT
        span = span or ranges.Span(0, opened.size)
        headers = {
            **PRIVATE,
            "Accept-Ranges": "bytes",
            "Content-Disposition": f'attachment; filename="{_file_name(request, opened)}"',
            "Content-Length": str(span.stop - span.start),
            "Content-Security-Policy": _INERT,
            "Content-Type": _media_type(opened),
            "ETag": etag,
        }
        if status is HTTPStatus.PARTIAL_CONTENT:
            headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{opened.size}"
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        pieces = await begun(opened.read(span.start, span.stop))
        return StreamingResponse(pieces, status_code=status, headers=headers)


class ViewEndpoint:
    """A CDA as a page of our own, in which nothing of the document is active."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await guarded(self._gateway, Request(scope, receive), self._view)
        await response(scope, receive, send)

    async def _view(self, request: Request, context: Context) -> Response:
        opened = await _opened(request, context, False)
        if opened.document["mime_type"] != CDA:
            raise InvalidInput("VIEW_NOT_CDA")
        if opened.size > self._gateway.limits.view_bytes:
            raise LimitExceeded("VIEW_TOO_LARGE", limit=self._gateway.limits.view_bytes)
        octets = b"".join([piece async for piece in opened.read()])
        page = await asyncio.to_thread(rendering.render, octets)
        policy = f"{rendering.CONTENT_SECURITY_POLICY}; sandbox; frame-ancestors 'none'"
        headers = {**PRIVATE, "Content-Security-Policy": policy, "Content-Type": "text/html; charset=utf-8"}
        return Response(page.encode("utf-8"), headers=headers)


async def guarded(
    gateway: Gateway, request: Request, answer: Callable[[Request, Context], Awaitable[Response]]
) -> Response:
    """The answer, or the failure as `application/problem+json` (RFC 9457); counted by the name of `answer`."""
    request_id, began = new_request_id(), perf_counter()
    context: Context | None = None
    outcome, network = metrics.ANSWERED, ""
    try:
        context = await enter(gateway, request, request_id)
        network = context.tenant.id
        response = await answer(request, context)
    except PasserelleError as error:
        outcome = metrics.noted(error, network)
        is_range = error.code == "RANGE_NOT_SATISFIABLE"
        headers = {"Content-Range": f"bytes */{error.fields['size']}"} if is_range else {}
        response = problem_details.expected(error, request_id, headers)
    except Exception as unexpected:  # noqa: BLE001 - the last wall: what is masked here is logged there
        outcome = metrics.noted(unexpected, network)
        response = problem_details.unexpected(unexpected, request_id)
    operation = answer.__name__.removeprefix("_")
    metrics.REQUESTS.add(network, operation, outcome)
    metrics.SECONDS.add(perf_counter() - began, operation)
    response.headers.update({REQUEST_ID: request_id, **standing.headers(context)})
    return response


async def _opened(request: Request, context: Context, continues: bool) -> documents.OpenedContent:
    return await documents.open_content(context, _key(request, Node.DOCUMENT, "id"), continues=continues)


async def opened_through_case(request: Request, context: Context, continues: bool) -> Opened:
    """What is attached to a case, or was lent with it, to whoever reads that case."""
    document_id = _key(request, Node.DOCUMENT, "id")
    if is_of(Node.REFERRAL, request.path_params["case"]):
        referral_id = _key(request, Node.REFERRAL, "case")
        return await lent_documents.open_lent(context, referral_id, document_id, continues=continues)
    case_id = _key(request, Node.BOARD_CASE, "case")
    return await attachments.open_attached(context, case_id, document_id, continues=continues)


def _key(request: Request, kind: Node, name: str) -> UUID:
    try:
        return key_of(kind, request.path_params[name])
    except InvalidInput as malformed:
        raise Refused("DOCUMENT_UNKNOWN") from malformed


async def begun(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, the first already read: a content that does not open is a 500, not a broken 200."""
    try:
        first = await anext(pieces)
    except StopAsyncIteration:
        first = b""

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return all_of_them()


def _media_type(opened: Opened) -> str:
    given = str(opened.document["mime_type"])
    return given if _MEDIA_TYPE.fullmatch(given) else "application/octet-stream"


def _file_name(request: Request, opened: Opened) -> str:
    """A name that says nothing of the patient: titles are health data, and downloads folders are read by others."""
    return f"document-{request.path_params['id']}.{_EXTENSIONS.get(opened.document['mime_type'], 'bin')}"
