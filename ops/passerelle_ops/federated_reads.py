"""What the gateway asks of other networks as somebody waits, and what it answers to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property

import httpx2

from passerelle.identities.directory import Directory
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.errors import TryLater
from passerelle_tenants.federation import answering
from passerelle_tenants.federation.asking import Asking
from passerelle_tenants.federation.keys import Keyring, publish
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
    """The networks of one gateway, asking and answering. `url`: where the gateway that serves a network is reached."""

    def __init__(
        self, registry: Callable[[], Awaitable[Registry]], directory: Directory, clock: Clock, url: str | None
    ) -> None:
        self._registry = registry
        self._directory = directory
        self._clock = clock
        self._url = url
        self._offices: dict[str, Office] = {}

    @cached_property
    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS), follow_redirects=False
        )

    @cached_property
    def _keyring(self) -> Keyring:
        return Keyring(self._directory.database, self._clock)

    def asking(self) -> Asking:
        """What a request asks other networks with. Its connections are made by the first question."""
        return Asking(self._office_of, self._endpoint, lambda: self._http)

    async def answer(self, tenant_id: str, question: bytes) -> answering.Answer:
        """`answering.Answers`, in the name of a network of here. Refused: TENANT_UNKNOWN."""
        registry = await self._registry()
        return await answering.answer(await self._office(await registry.tenant(tenant_id)), question)

    async def close(self) -> None:
        """Close the connections to other gateways, if there are any."""
        if "_http" in self.__dict__:
            await self._http.aclose()

    def _endpoint(self, network: str) -> str:
        return f"{self._url}/{network}/federation/questions"

    async def _office_of(self, context: Context) -> Office:
        return await self._office(context.tenant)

    async def _office(self, tenant: Tenant) -> Office:
        if (known := self._offices.get(tenant.id)) is not None:
            return known
        await publish(tenant, self._directory.database, self._clock)
        made = Office(
            tenant=tenant,
            directory=self._directory,
            keyring=self._keyring,
            kinds=Kinds(()),
            carrier=NoCarrier(),
            clock=self._clock,
        )
        return self._offices.setdefault(tenant.id, made)
