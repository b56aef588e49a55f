"""Reading a request's body within a limit, and writing an answer's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.types import Receive

from passerelle.kernel.errors import InvalidInput, LimitExceeded

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


async def read_body(receive: Receive, declared: int | None, limit: int) -> bytes:
    """The whole body. Refused: BODY_TOO_LARGE as soon as it is known, whatever its length was `declared` to be."""
    if declared is not None and declared > limit:
        raise LimitExceeded("BODY_TOO_LARGE", limit=limit)
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise InvalidInput("BODY_CUT_SHORT")
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise LimitExceeded("BODY_TOO_LARGE", limit=limit)
        pieces.append(piece)
        more = message.get("more_body", False)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def as_json(value: Any) -> bytes:
    """JSON in UTF-8, as small as it gets."""
    return _ENCODER.encode(value).encode("utf-8")


def with_more(body: Mapping[str, Any] | bytes, more: Mapping[str, Any]) -> bytes:
    """The octets of an answer, an object made or already written, with the members `more` at its end."""
    if not isinstance(body, bytes):
        return as_json({**body, **more})
    return body[:-1] + b"," + as_json(more)[1:] if more else body
