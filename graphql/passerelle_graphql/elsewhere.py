"""Between the gateways of two networks, and what a reader of here opens of a record that is at home elsewhere.

    POST /{tenant}/federation/questions           another network asks; its signature is the key (decision 0132)
    GET  /{tenant}/elsewhere/{network}/documents/{id}   a content, as the network decides that the answer came from

An answer to a question is one sealed line, then the octets of a content when one was asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput, PasserelleError, Refused
from passerelle.kernel.records_elsewhere import Span
from passerelle_graphql import problem_details
from passerelle_graphql.authentication import new_request_id
from passerelle_graphql.bodies import read_body
from passerelle_graphql.content import Opened
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problem_details import PRIVATE
from passerelle_tenants.federation.answering import Answer
from passerelle_tenants.federation.envelopes import Unopened

#: What a question may weigh.
QUESTION_OCTETS: Final = 65_536


class QuestionsEndpoint:
    """Where other networks ask. What is not a question of a known network is 401, whatever was wrong with it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answered(Request(scope, receive))
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        request_id = new_request_id()
        if request.method != "POST":
            return Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        try:
            question = await read_body(request.receive, None, QUESTION_OCTETS)
            answer = await self._gateway.answers(request.path_params["tenant"], question)
        except (Unopened, Refused):
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers=PRIVATE)
        except PasserelleError as error:
            return problem_details.expected(error, request_id, {})
        except Exception as unexpected:  # noqa: BLE001 - the last wall: what is masked here is logged there
            return problem_details.unexpected(unexpected, request_id)
        headers = {**PRIVATE, "Content-Type": "application/octet-stream"}
        return StreamingResponse(_line_and_octets(answer), headers=headers)


async def _line_and_octets(answer: Answer) -> AsyncIterator[bytes]:
    yield answer.envelope + b"\n"
    if answer.octets is not None:
        async for piece in answer.octets:
            yield piece


@dataclass(frozen=True, slots=True)
class ContentElsewhere:
    """A content that another network gives: `content.Opened`."""

    context: Context
    network: str
    document_id: UUID
    document: Mapping[str, Any]

    @property
    def size(self) -> int:
        return int(self.document["size"])

    def read(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        span = Span(start=start, stop=stop, continues=True)
        return self.context.records_elsewhere.content(self.context, self.network, self.document_id, span)


async def opened_elsewhere(request: Request, context: Context, continues: bool) -> Opened:
    """What a network gave the address of in an answer of its own; it decides again."""
    try:
        document_id = key_of(Node.DOCUMENT, request.path_params["id"])
    except InvalidInput as malformed:
        raise Refused("DOCUMENT_UNKNOWN") from malformed
    network = request.path_params["network"]
    about = await context.records_elsewhere.about(context, network, document_id, continues)
    return ContentElsewhere(context, network, document_id, about)
