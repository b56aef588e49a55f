"""`/health/live` and `/health/ready`: for whoever supervises, without a word about what is wrong to anyone else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from time import monotonic
from typing import Final, TypeAlias

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from passerelle_graphql.following import Streams

Check: TypeAlias = Callable[[], Awaitable[object]]
"""Asks one component for a sign of life; raises when there is none."""

_KEPT_SECONDS: Final = 1.0
_CHECK_SECONDS: Final = 2.0
_NO_STORE: Final = {"Cache-Control": "no-store"}
_log = structlog.get_logger("passerelle.graphql.health")


class Health:
    """The two answers. What fails is named in the log only; the answer is kept for a second."""

    def __init__(self, checks: Mapping[str, Check], streams: Streams | None = None) -> None:
        self._checks = dict(checks)
        self._streams = streams or Streams()
        self._kept: tuple[float, bool] | None = None
        self._asking = asyncio.Lock()

    async def live(self, _: Request) -> Response:
        """The process answers."""
        return JSONResponse({"status": "live"}, headers=_NO_STORE)

    async def ready(self, _: Request) -> Response:
        """Every component answers, and nobody told this process to stop; 503 otherwise."""
        async with self._asking:
            if self._kept is None or monotonic() - self._kept[0] > _KEPT_SECONDS:
                answers = await asyncio.gather(*(_answers(name, check) for name, check in self._checks.items()))
                self._kept = (monotonic(), all(answers))
        if self._kept[1] and not self._streams.leaving:
            return JSONResponse({"status": "ready"}, headers=_NO_STORE)
        return JSONResponse(
            {"status": "not ready"},
            status_code=HTTPStatus.SERVICE_UNAVAILABLE,
            headers={**_NO_STORE, "Retry-After": "5"},
        )


async def _answers(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except Exception as failed:  # noqa: BLE001 - whatever it is, the component does not answer
        _log.warning("component away", component=name, type=type(failed).__name__)
        return False
    return True
