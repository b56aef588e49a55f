"""A professional's sessions at `/{tenant}/calendars/{key}.ics`, for his calendar: a secret address and no token.

An address that opens nothing is 404, whatever it lacks. Neither it nor what it shows says anything of a patient.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from passerelle.kernel.errors import InvalidInput, PasserelleError
from passerelle.oncology import calendar
from passerelle_graphql import problem_details, ranges
from passerelle_graphql.authentication import REQUEST_ID, new_request_id
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.problem_details import PRIVATE


class CalendarEndpoint:
    """Text for a calendar application (RFC 5545), with an ETag."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_request_id()
        try:
            response = await self._calendar(Request(scope, receive), request_id)
        except PasserelleError as error:
            response = problem_details.expected(error, request_id)
        except Exception as unexpected:  # noqa: BLE001 - the last wall: what is masked here is logged there
            response = problem_details.unexpected(unexpected, request_id)
        response.headers[REQUEST_ID] = request_id
        await response(scope, receive, send)

    async def _calendar(self, request: Request, request_id: str) -> Response:
        gateway, asked = self._gateway, request.path_params
        try:
            tenant = await gateway.registry.tenant(asked["tenant"])
        except InvalidInput as unknown:
            raise InvalidInput("NETWORK_UNKNOWN") from unknown
        octets = await calendar.read(tenant, gateway.directory, gateway.clock, request_id, asked["id"])
        etag = f'"{hashlib.sha256(octets).hexdigest()}"'
        headers = {**PRIVATE, "Cache-Control": "private, no-cache", "ETag": etag}
        if ranges.names(request.headers.get("if-none-match"), etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(octets, headers={**headers, "Content-Type": "text/calendar; charset=utf-8"})
