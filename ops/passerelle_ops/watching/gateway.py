"""GET /metrics of the gateway, for Prometheus: what its servers counted, and how its networks stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from passerelle.kernel.tallies import Count
from passerelle_ops.installation import Installation
from passerelle_ops.watching.sharing import Shared

RESPONSES: Final = Count("passerelle_http_responses", "Answers over HTTP, health included.", "status")


class Exposed:
    """What one server of a gateway exposes; nothing where the installation does not say so."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        settings = installation.settings
        self._shared = Shared(settings.metrics_folder if settings.metrics else None)

    def routes(self) -> list[Route]:
        return [Route("/metrics", self._answer)] if self._installation.settings.metrics else []

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Share what is counted with the other servers, for as long as this one runs."""
        writing = asyncio.create_task(self._shared.keep_writing())
        try:
            yield
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            with suppress(OSError):
                self._shared.write()

    async def _answer(self, _: Request) -> Response:
        # Only here: it takes its time to load, and a gateway that nobody watches has no use for it.
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

        from passerelle_ops.watching.counted import Counted
        from passerelle_ops.watching.networks import Networks, ask_all

        registry = await self._installation.registry()
        clock = self._installation.clock
        found = await ask_all(registry.tenant, sorted(registry.networks), clock)
        shown = CollectorRegistry()
        shown.register(Counted("gateway", await asyncio.to_thread(self._shared.all)))
        shown.register(Networks(found, clock.now()))
        return Response(generate_latest(shown), headers={"content-type": CONTENT_TYPE_LATEST})
