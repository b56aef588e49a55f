"""What is backed up and restored: a network, or the directory, with where each of its parts lies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.keys import Keys
from passerelle_ops.backup import directory
from passerelle_ops.backup.ledger import Ledger
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.replaying import KEYS, Words, read
from passerelle_ops.installation import Installation
from passerelle_ops.migrations.histories import DIRECTORY, TENANT, History
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_tenants.onboarding import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One database with its keys and the ledger beside it; a network has contents too. `database` is under the owning
    role, who alone may write while it is shut."""

    name: str
    site: Site
    history: History
    keys: Keys
    database: Database
    ledger: Ledger
    bindir: Path | None = None
    tenant: Tenant | None = None

    async def words(self, after: int) -> Words:
        """What its ledger says since an entry. Refused: LEDGER_BROKEN."""
        return await read(self.ledger.since(after), KEYS if self.tenant is not None else directory.KEYS)


async def tenant_source(installation: Installation, tenant_id: str, *, addresses: Addresses) -> Source:
    """A network that is recorded in the directory, `tenant.database` under the owning role. Refused: TENANT_UNKNOWN,
    KEY_FILE_MISSING."""
    tenant = await (await installation.registry()).tenant(tenant_id)
    owner_url = addresses.tenant_owner_url(tenant_id)
    tenant = replace(tenant, database=Database(owner_url, pool_size=2))
    return Source(
        name=tenant_id,
        site=Site(
            owner_url=owner_url,
            serving_url=addresses.tenant_url(tenant_id),
            admin_url=addresses.administrator_url() if addresses.is_embedded else None,
        ),
        history=TENANT,
        keys=tenant.keys,
        database=tenant.database,
        ledger=Ledger(Place(installation.ledger_url(tenant_id)), tenant),
        bindir=installation.settings.pg_bindir,
        tenant=tenant,
    )


def directory_source(installation: Installation, *, addresses: Addresses) -> Source:
    """The directory; what signs for it is the key of the locator. Refused: KEY_FILE_MISSING."""
    owner_url, ledger = addresses.directory_owner_url(), directory.ledger_of(installation)
    return Source(
        name=directory.NAME,
        site=Site(
            owner_url=owner_url,
            serving_url=addresses.directory_url(),
            admin_url=addresses.administrator_url() if addresses.is_embedded else None,
        ),
        history=DIRECTORY,
        keys=ledger.owner.keys,
        database=Database(owner_url, pool_size=2),
        ledger=ledger,
        bindir=installation.settings.pg_bindir,
    )


@asynccontextmanager
async def opened(settings: Settings, tenant_id: str | None) -> AsyncIterator[tuple[Installation, Source]]:
    """The installation, and a network of it or, without one, the directory; closed afterwards."""
    installation, addresses = Installation(settings), Addresses(settings)
    source: Source | None = None
    try:
        if tenant_id is None:
            source = directory_source(installation, addresses=addresses)
        else:
            source = await tenant_source(installation, tenant_id, addresses=addresses)
        yield installation, source
    finally:
        if source is not None:
            await source.database.close()
        await installation.close()
