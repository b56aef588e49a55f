"""One installation, put together from its settings: where each network's things lie, and how one is set up.

The web process, the worker and the commands all open the same `Installation`:

    installation = Installation(Settings())
    registry = await installation.registry()        # passerelle_tenants.registry.Registry
    directory = installation.directory              # passerelle.identities.directory.Directory
    …
    await installation.close()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property

from psycopg.conninfo import conninfo_to_dict

from passerelle.identities.directory import Directory
from passerelle.kernel.ceiling import Ceiling
from passerelle.kernel.clock import Clock, SystemClock
from passerelle.kernel.database import Database
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.outages import outages_told
from passerelle.oncology.formats import schemas
from passerelle.pharmacy.reference.loading import load_starter
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.state import StackInfo, StateFolder
from passerelle_ops.vault import VaultTransit
from passerelle_tenants.addresses import recorded_addresses, refuse_address_of_another
from passerelle_tenants.locator import Locator, is_used
from passerelle_tenants.locator_key import FILE_NAME, LocatorKey
from passerelle_tenants.merges import recorded_merges
from passerelle_tenants.onboarding import (
    Site,
    Step,
    admit_to_directory,
    onboard,
    prepare_database,
    refuse_taken,
)
from passerelle_tenants.registry import Network, Premises, Registry, recorded_networks


def key_seal(settings: Settings) -> VaultTransit | None:
    """Who seals key files, when the settings name one. Refused: KEY_SERVICE_TOKEN, they say no token's file."""
    if settings.vault_url is None:
        return None
    if settings.vault_token_file is None:
        raise InvalidInput("KEY_SERVICE_TOKEN", file="PASSERELLE_VAULT_TOKEN_FILE")
    return VaultTransit(
        settings.vault_url,
        settings.vault_key,
        settings.vault_token_file,
        mount=settings.vault_mount,
        namespace=settings.vault_namespace,
    )


class Installation:
    """The networks of one installation. Refused with NOT_RUNNING when its embedded servers do not run.

    Documents of this process are checked against the schemas that the settings name.
    """

    def __init__(
        self, settings: Settings, info: StackInfo | None = None, *, clock: Clock | None = None, pool_size: int = 8
    ) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.state = StateFolder(settings.state)
        self._addresses = Addresses(settings, info)
        self._pool_size = pool_size
        self._ceiling = Ceiling(settings.connections)
        self._registry: Registry | None = None
        schemas.use(settings.cisis_dir)

    @cached_property
    def directory(self) -> Directory:
        """The directory of professionals and establishments, under its serving role."""
        return Directory(
            Database(
                self._addresses.directory_url(),
                pool_size=self._pool_size,
                ceiling=self._ceiling,
                statement_seconds=self.settings.statement_seconds,
            )
        )

    @cached_property
    def locator(self) -> Locator:
        """Which networks hold something of a person. Refused: KEY_FILE_MISSING before any network was set up."""
        return Locator(self.directory.database, LocatorKey.load(self.locator_key))

    @property
    def locator_key(self) -> KeyPlace:
        """Where the key of the locator is. Refused: as `key_seal`."""
        given = self.settings.locator_key_text
        return KeyPlace(
            self.settings.locator_key or self.state.path / FILE_NAME,
            None if given is None else given.get_secret_value().encode("utf-8"),
            key_seal(self.settings),
        )

    async def registry(self) -> Registry:
        """The networks that were set up here."""
        if self._registry is None:
            self._registry = Registry(
                await self._recorded(),
                self.premises,
                addresses=await recorded_addresses(self.directory.database),
                merges=lambda: recorded_merges(self.directory.database),
                reload=self._reloaded,
                pool_size=self._pool_size,
                ceiling=self._ceiling,
                statement_seconds=self.settings.statement_seconds,
            )
        return self._registry

    def premises(self, tenant_id: str) -> Premises:
        """Where one network's database, contents and keys lie. Refused: as `key_seal`."""
        contents = self.settings.contents_url or (self.state.path / "contents").as_uri()
        return Premises(
            database_url=self._addresses.tenant_url(tenant_id),
            contents_url=f"{contents.rstrip('/')}/{tenant_id}",
            keys=self.keys_of(tenant_id),
        )

    def keys_of(self, tenant_id: str) -> KeyPlace:
        """Where one network's keys are. Refused: as `key_seal`."""
        file = self.state.path / "keys" / f"{tenant_id}.key"
        return KeyPlace(file, self.settings.key_text(tenant_id), key_seal(self.settings))

    def ledger_url(self, tenant_id: str) -> str:
        """Where one network's ledger lies: outside its database, and in production outside its contents' store."""
        ledgers = self.settings.ledger_url or (self.state.path / "ledger").as_uri()
        return f"{ledgers.rstrip('/')}/{tenant_id}"

    async def prepare_directory(self) -> None:
        """Create the directory's database where it is missing, and bring it to its newest revision."""
        # Alembic takes a third of a second to load, and only what migrates needs it.
        from passerelle_ops.migrations import upgrade_directory

        with outages_told():
            await prepare_database(self._directory_site(), upgrade_directory)

    async def set_up(self, network: Network, on_step: Callable[[Step], None] = lambda _: None) -> bool:
        """Set a network up, or finish or refresh it; true when it is new. Refusals: `onboarding.onboard`."""
        from passerelle_ops.migrations import upgrade_tenant

        with outages_told():
            LocatorKey.ensure(self.locator_key, is_used=await is_used(self.directory.database))
            await refuse_address_of_another(self.directory.database, network.id)
            await refuse_taken(network, self.directory)  # here too: the passwords of its roles are drawn next
            premises = self.premises(network.id)
            is_new = await onboard(
                network,
                Site(
                    owner_url=self._addresses.tenant_owner_url(network.id),
                    serving_url=premises.database_url,
                    admin_url=self._administrator_url(),
                ),
                keys=premises.keys,
                directory=self.directory,
                migrate=upgrade_tenant,
                clock=self.clock,
                on_step=on_step,
            )
            await self._admit_to_directory(network.id)
            await asyncio.to_thread(self._addresses.admit_to_broker, network.id)
            if network.is_test:
                # A real network loads published lists, or is told that it has none.
                await self._fill(premises)
            return is_new

    async def close(self) -> None:
        """Close every pool."""
        if self._registry is not None:
            await self._registry.close()
        if "directory" in self.__dict__:
            await self.directory.database.close()

    async def _fill(self, premises: Premises) -> None:
        """Give an empty network the small lists of medicines and interactions that ship with us."""
        database = Database(premises.database_url, pool_size=1, ceiling=self._ceiling)
        try:
            await load_starter(database, self.clock)
        finally:
            await database.close()

    async def _admit_to_directory(self, tenant_id: str) -> None:
        """Where the network has a role of its own there."""
        site, own = self._directory_site(), self._addresses.tenant_directory_url(tenant_id)
        if own != site.serving_url:
            await admit_to_directory(site, tenant_id, str(conninfo_to_dict(own)["user"]))

    def _directory_site(self) -> Site:
        return Site(
            owner_url=self._addresses.directory_owner_url(),
            serving_url=self._addresses.directory_url(),
            admin_url=self._administrator_url(),
        )

    def _administrator_url(self) -> str | None:
        return self._addresses.administrator_url() if self._addresses.is_embedded else None

    async def _reloaded(self) -> tuple[dict[str, Network], dict[str, str]]:
        return await self._recorded(), await recorded_addresses(self.directory.database)

    async def _recorded(self) -> dict[str, Network]:
        return await recorded_networks(self.directory.database)
