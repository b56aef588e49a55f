"""What the gateway asks of other networks as somebody waits, and what it answers to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property

import httpx2

from passerelle.identities.directory import Directory
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Context
from passerelle.kernel.errors import TryLater
from passerelle_ops.offices import Offices
from passerelle_tenants.federation import answering
from passerelle_tenants.federation.asking import Asking
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.travellers import Kinds
from passerelle_tenants.registry import Registry

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 30.0


class NoCarrier:
    """A gateway sends nothing through the broker: its workers do."""

    async def carry(self, to_tenant: str, envelope: bytes) -> None:  # noqa: ARG002
        raise TryLater("NETWORK_AWAY", retry_after=30, network=to_tenant)


class FederatedReads:
    """The networks of one gateway, asking and answering. `url`: where the gateway that serves a network is reached;
    without one nobody is asked."""

    def __init__(
        self, registry: Callable[[], Awaitable[Registry]], directory: Directory, clock: Clock, url: str | None
    ) -> None:
        self._registry = registry
        self._url = url.rstrip("/") if url is not None else None
        self._offices = Offices(lambda: directory, clock, lambda _: Kinds(()), lambda _: NoCarrier())

    @cached_property
    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS), follow_redirects=False
        )

    def asking(self) -> Asking:
        """What a request asks other networks with. Its connections are made by the first question."""
        return Asking(self._office_of, self._endpoint, lambda: self._http)

    async def answer(self, tenant_id: str, question: bytes) -> answering.Answer:
        """`answering.Answers`, in the name of a network of here. Refused: TENANT_UNKNOWN."""
        registry = await self._registry()
        return await answering.answer(await self._offices.of(await registry.tenant(tenant_id)), question)

    async def close(self) -> None:
        """Close the connections to other gateways, if there are any."""
        if "_http" in self.__dict__:
            await self._http.aclose()

    def _endpoint(self, network: str) -> str | None:
        return f"{self._url}/{network}/federation/questions" if self._url is not None else None

    async def _office_of(self, context: Context) -> Office:
        return await self._offices.of(context.tenant)
