"""The open networks: each becomes a `Tenant` with its database, contents and keys when first asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final

from sqlalchemy import select

from passerelle.kernel.ceiling import Ceiling
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import STATEMENT_SECONDS, Database
from passerelle.kernel.errors import InvalidInput, TryLater
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.keys import Keys
from passerelle.kernel.merges import Merge
from passerelle_tenants.networks import Network, declared_folder, load_networks, read_network
from passerelle_tenants.tables import tenant as recorded

__all__ = ["Network", "Premises", "Registry", "declared_folder", "load_networks", "read_network", "recorded_networks"]

# How often an unknown name may make us read the directory again, and how long what it said of merges holds.
_RELOAD_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """Where one network's things lie: database under its serving role, content store, keys."""

    database_url: str
    contents_url: str
    keys: KeyPlace


async def recorded_networks(directory: Database) -> dict[str, Network]:
    """The networks that were set up here, as onboarding recorded them."""
    async with directory.transaction() as connection:
        rows = await connection.execute(
            select(recorded.c.tenant_id, recorded.c.settings).order_by(recorded.c.tenant_id)
        )
        return {row.tenant_id: Network.model_validate(row.settings) for row in rows}


class Registry:
    """The tenants of this installation, opened lazily and once; `premises` says where each one's things lie.

    `addresses` gives the id of the network that each finds (`addresses.recorded_addresses`); one that is also an id
    finds nothing else. `reload` gives both again: a network that was set up, or renamed, while we run is found without
    a restart. `merges` says which are merged into which, and is asked again after seconds; while it does not answer,
    what it said last holds. All databases are under one `ceiling`.
    """

    def __init__(
        self,
        networks: Mapping[str, Network],
        premises: Callable[[str], Premises],
        *,
        addresses: Mapping[str, str] | None = None,
        merges: Callable[[], Awaitable[Mapping[str, Merge]]] | None = None,
        reload: Callable[[], Awaitable[tuple[Mapping[str, Network], Mapping[str, str]]]] | None = None,
        pool_size: int = 8,
        ceiling: Ceiling | None = None,
        statement_seconds: float = STATEMENT_SECONDS,
    ) -> None:
        self._networks = dict(networks)
        self._addresses = dict(addresses or {})
        self._ask_merges = merges
        self._merges: Mapping[str, Merge] = {}
        self._merges_asked_at = -_RELOAD_SECONDS
        self._reload = reload
        self._reloaded_at = monotonic()
        self._premises = premises
        self._pool_size = pool_size
        self._ceiling = ceiling
        self._statement_seconds = statement_seconds
        self._open: dict[str, Tenant] = {}
        self._opening = asyncio.Lock()

    @property
    def networks(self) -> Mapping[str, Network]:
        """Every declared network by id, open or not."""
        return self._networks

    def network(self, tenant_id: str) -> Network:
        """The declaration of one network. Refused: TENANT_UNKNOWN."""
        try:
            return self._networks[tenant_id]
        except KeyError:
            raise InvalidInput("TENANT_UNKNOWN", tenant=tenant_id[:31]) from None

    async def tenant(self, tenant_id: str) -> Tenant:
        """The tenant, open, by its id or an address. Refused: TENANT_UNKNOWN, and what its key file or database
        refuse."""
        await self._hear_of_merges()
        if (tenant := self._open.get(self._id_of(tenant_id))) is not None:
            return tenant
        async with self._opening:
            if tenant_id not in self._networks and tenant_id not in self._addresses:
                await self._look_again()
            tenant_id = self._id_of(tenant_id)
            network = self.network(tenant_id)
            if tenant_id not in self._open:
                self._open[tenant_id] = await asyncio.to_thread(self._opened, network)
            return self._open[tenant_id]

    def _id_of(self, name: str) -> str:
        return name if name in self._networks else self._addresses.get(name, name)

    async def _hear_of_merges(self) -> None:
        if self._ask_merges is None or monotonic() - self._merges_asked_at < _RELOAD_SECONDS:
            return
        self._merges_asked_at = monotonic()  # first: one of those who come at the same time asks
        with suppress(TryLater):
            self._merges = await self._ask_merges()

    async def _look_again(self) -> None:
        if self._reload is None or monotonic() - self._reloaded_at < _RELOAD_SECONDS:
            return
        self._reloaded_at = monotonic()
        networks, addresses = await self._reload()
        self._networks, self._addresses = {**networks, **self._networks}, dict(addresses)

    def _opened(self, network: Network) -> Tenant:
        premises = self._premises(network.id)
        keys = Keys.load(premises.keys)  # first: without them, no folder for contents is made
        return Tenant(
            id=network.id,
            name=network.name,
            is_test=network.is_test,
            database=Database(
                premises.database_url,
                pool_size=self._pool_size,
                ceiling=self._ceiling,
                statement_seconds=self._statement_seconds,
            ),
            contents=Contents(premises.contents_url),
            keys=keys,
            parameters=dict(network.parameters),
            identity_status_when_unsaid={
                oid: status.value for oid, status in network.identity.status_when_unsaid.items()
            },
            opens_dossier=network.ingest.opens_dossier,
            merge=lambda: self._merges.get(network.id),
        )

    async def close(self) -> None:
        """Close every pool that was opened."""
        async with self._opening:
            open_tenants, self._open = list(self._open.values()), {}
        for tenant in open_tenants:
            await tenant.database.close()
