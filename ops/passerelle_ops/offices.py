"""The post offices of the networks that a process works for: each made once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable

from passerelle.identities.directory import Directory
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle_tenants.federation.keys import Keyring, publish
from passerelle_tenants.federation.office import Carrier, Office
from passerelle_tenants.federation.travellers import Kinds


class Offices:
    """All with one keyring. `kinds` and `carrier` say what travels from a network, and by whom."""

    def __init__(
        self,
        directory: Callable[[], Directory],
        clock: Clock,
        kinds: Callable[[Tenant], Kinds],
        carrier: Callable[[str], Carrier],
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._kinds = kinds
        self._carrier = carrier
        self._keyring: Keyring | None = None
        self._made: dict[str, Office] = {}

    async def of(self, tenant: Tenant) -> Office:
        """A network's; what it publishes of its keys stands in the directory from then on. Refused as `publish`."""
        if (known := self._made.get(tenant.id)) is not None:
            return known
        directory = self._directory()
        if self._keyring is None:
            self._keyring = Keyring(directory.database, self._clock)
        await publish(tenant, directory.database, self._clock)
        made = Office(
            tenant=tenant,
            directory=directory,
            keyring=self._keyring,
            kinds=self._kinds(tenant),
            carrier=self._carrier(tenant.id),
            clock=self._clock,
        )
        return self._made.setdefault(tenant.id, made)
