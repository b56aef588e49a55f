"""Reading a request's body within a limit, and writing an answer's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request

from passerelle.kernel.errors import InvalidInput, LimitExceeded


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Refused: BODY_TOO_LARGE as soon as it is known, whatever Content-Length says."""
    declared = request.headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise LimitExceeded("BODY_TOO_LARGE", limit=limit)
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise LimitExceeded("BODY_TOO_LARGE", limit=limit)
            pieces.append(piece)
    except ClientDisconnect as gone:
        raise InvalidInput("BODY_CUT_SHORT") from gone
    return b"".join(pieces)


def as_json(value: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8, as small as it gets."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
