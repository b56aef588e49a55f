"""Everything that can be wrong with an installation, looked at once. Nothing is changed, and nothing stops at a fault:
what cannot be looked at because of another is left out, and the other is named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import PasserelleError
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.keys import Keys
from passerelle_ops.diagnostics import networks, servers
from passerelle_ops.diagnostics.found import Check, Found, Wrong
from passerelle_ops.installation import Installation
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.broker_users import FEDERATION, TURNS, key_prefix
from passerelle_tenants.federation.keys import Keyring

_PATIENCE: Final = 20.0
_FILING_SECONDS: Final = 5.0


class Examination:
    """The checks of one installation. Where its directory does not answer, its networks are those that the environment
    places. `filing_seconds`: after how long an object that no document names is nobody's."""

    def __init__(self, installation: Installation, *, filing_seconds: float = _FILING_SECONDS) -> None:
        self._installation = installation
        self._settings = installation.settings
        self._addresses = Addresses(self._settings)
        self._filing_seconds = filing_seconds
        self.found: list[Found] = []

    async def run(self, *, contents: bool, on_step: Callable[[], None] = lambda: None) -> list[Found]:
        """All of them. Without `contents`, objects that no document names are not looked for: that lists the store."""
        await self._note(Check.DATABASE, "directory", self._directory())
        known = await self._networks()
        await self._note(Check.BROKER, "", self._broker(known))
        await self._note(Check.KEYS, "locator", self._locator())
        settings, now = self._settings, self._installation.clock.now()
        addresses = (settings.federation_url, settings.issuer, settings.person_issuer, settings.officer_issuer)
        await self._note(Check.CERTIFICATE, "", servers.certificates(addresses, now))
        on_step()
        for each in known:
            await self._network(each, contents=contents)
            on_step()
        return self.found

    async def _network(self, tenant_id: str, *, contents: bool) -> None:
        await self._note(Check.DATABASE, tenant_id, self._database(tenant_id))
        has_key = await self._note(Check.KEYS, tenant_id, self._key_file(tenant_id))
        if has_key:
            await self._note(Check.KEYS, tenant_id, self._closed(tenant_id, self._installation.keys_of(tenant_id)))
        if not (has_key and self._answers("directory")):
            return
        opened: list[Tenant] = []
        if not await self._note(Check.STORE, tenant_id, self._opened(tenant_id, opened)):
            return
        (tenant,), clock = opened, self._installation.clock
        keyring = Keyring(self._installation.directory.database, clock)
        await self._note(Check.KEYS, tenant_id, networks.keys(tenant, keyring, clock))
        if self._answers(tenant_id):
            await self._note(Check.KEYS, tenant_id, networks.signing(tenant))
        reaches = await self._note(Check.STORE, tenant_id, networks.store(tenant))
        if self._answers(tenant_id):
            await self._note(Check.SEALING, tenant_id, networks.behindhand(tenant, clock.now()))
            await self._note(Check.FEDERATION, tenant_id, networks.federation(tenant, clock))
            if contents and reaches:
                await self._note(Check.ORPHANS, tenant_id, networks.strays(tenant, self._filing_seconds), None)

    async def _opened(self, tenant_id: str, opened: list[Tenant]) -> list[Found]:
        opened.append(await (await self._installation.registry()).tenant(tenant_id))
        return []

    async def _note(
        self, check: Check, about: str, work: Awaitable[list[Found]], patience: float | None = _PATIENCE
    ) -> bool:
        """Keep what a check found; whether all of it is well."""
        try:
            async with asyncio.timeout(patience):
                found = await work
        except TimeoutError:
            found = [Found(check, about, Wrong("TOO_SLOW"))]
        except (PasserelleError, OSError) as error:
            found = [Found(check, about, _of(error))]
        self.found += found
        return all(each.wrong is None for each in found)

    def _answers(self, about: str) -> bool:
        mine = [each for each in self.found if each.about == about and each.check in (Check.DATABASE, Check.MIGRATIONS)]
        return all(each.wrong is None for each in mine)

    async def _directory(self) -> list[Found]:
        now = self._installation.clock.now()
        return await servers.database("directory", "directory", self._addresses.directory_url(), now)

    async def _database(self, tenant_id: str) -> list[Found]:
        now = self._installation.clock.now()
        return await servers.database("tenant", tenant_id, self._addresses.tenant_url(tenant_id), now)

    async def _broker(self, known: list[str]) -> list[Found]:
        queues: Mapping[str, list[str]] = {
            each: [f"{key_prefix(each)}{name}" for name in (TURNS, FEDERATION)] for each in known
        }
        return await servers.broker(self._addresses.own_broker_url(), queues, self._installation.clock.now())

    async def _locator(self) -> list[Found]:
        if self._answers("directory") and not (await self._installation.registry()).networks:
            return []  # it is drawn with the first network
        _ = self._installation.locator
        return await self._closed("locator", self._installation.locator_key) or [Found(Check.KEYS, "locator")]

    async def _key_file(self, tenant_id: str) -> list[Found]:
        Keys.load(self._installation.keys_of(tenant_id))
        return []

    async def _closed(self, about: str, place: KeyPlace) -> list[Found]:
        """What lies open although a key service is set."""
        is_open = place.seal is not None and not place.is_sealed()
        return [Found(Check.KEYS, about, Wrong("KEY_NOT_SEALED"))] if is_open else []

    async def _networks(self) -> list[str]:
        only = self._settings.worker_tenant
        known = sorted(self._settings.tenant_urls)
        if self._answers("directory"):
            known = sorted((await self._installation.registry()).networks)
        return [each for each in known if only in (None, each)]


def _of(error: PasserelleError | OSError) -> Wrong:
    return Wrong.told(error) if isinstance(error, PasserelleError) else Wrong("CONTENT_STORE_UNREACHABLE")
