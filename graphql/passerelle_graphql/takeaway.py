"""A whole record at `/{tenant}/exports/{patientId}`, as a zip that is made while it is sent.

Whoever asks is decided on and journalled before the first octet. What breaks midway ends the connection without the
end of the archive, so that half an export is never taken for a whole one.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from passerelle.dossier import portability
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput, Refused
from passerelle.oncology import portability as oncology
from passerelle.pharmacy import portability as pharmacy
from passerelle_graphql.content import begun, guarded
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problem_details import PRIVATE


class ExportEndpoint:
    """One record, for its patient, his representative or his heir."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await guarded(self._gateway, Request(scope, receive), _export)
        await response(scope, receive, send)


async def _export(request: Request, context: Context) -> Response:
    try:
        patient_id = key_of(Node.PATIENT, request.path_params["id"])
    except InvalidInput as malformed:
        raise Refused("ACCESS_REFUSED") from malformed
    export = await portability.open_export(context, patient_id, [pharmacy.taken_away, oncology.taken_away])
    headers = {
        **PRIVATE,
        "Accept-Ranges": "none",
        "Content-Disposition": f'attachment; filename="{export.file_name}"',
        "Content-Type": "application/zip",
    }
    return StreamingResponse(await begun(export.stream()), headers=headers)
