"""The request that a Celery message is of, and its trace: sent beside it, found again where it is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from passerelle.kernel import tracing

_REQUEST: Final = re.compile(r"[0-9a-f]{32}")


@contextmanager
def taken(task: Any, name: str, network: str = "") -> Iterator[None]:
    """Do the work of a message as that request. What it says comes from another process, or another network."""
    request, came = (getattr(task.request, each, None) for each in ("passerelle_request", "traceparent"))
    is_known = isinstance(request, str) and _REQUEST.fullmatch(request)
    with (
        tracing.as_request(str(request) if is_known else tracing.request_id()),
        tracing.span(name, "consumer", came=came if isinstance(came, str) else None, **_of(network)),
    ):
        yield


def _of(network: str) -> dict[str, str | int]:
    return {"passerelle.network": network} if network else {}
