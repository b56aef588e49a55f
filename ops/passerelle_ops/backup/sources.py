"""What is backed up and restored: a network, or the directory, with where each of its parts lies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.keys import Keys
from passerelle_ops.backup.ledger import Ledger
from passerelle_ops.backup.places import Place
from passerelle_ops.installation import Installation
from passerelle_ops.migrations.histories import DIRECTORY, TENANT, History
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_tenants.locator_key import FILE_NAME
from passerelle_tenants.onboarding import Site

DIRECTORY_NAME = "directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One database with its keys; a network has contents and a ledger beside it."""

    name: str
    site: Site
    history: History
    keys: Keys
    bindir: Path | None = None
    tenant: Tenant | None = None
    ledger: Ledger | None = None

    @property
    def is_tenant(self) -> bool:
        return self.tenant is not None


async def tenant_source(installation: Installation, tenant_id: str, *, addresses: Addresses) -> Source:
    """A network that is recorded in the directory. `tenant.database` is under the owning role, who alone may write
    while a network is shut. Refused: TENANT_UNKNOWN, KEY_FILE_MISSING."""
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
        bindir=installation.settings.pg_bindir,
        tenant=tenant,
        ledger=Ledger(Place(installation.ledger_url(tenant_id)), tenant),
    )


def directory_source(installation: Installation, *, addresses: Addresses) -> Source:
    """The directory; what signs for it is the key of the locator. Refused: KEY_FILE_MISSING."""
    settings = installation.settings
    return Source(
        name=DIRECTORY_NAME,
        site=Site(
            owner_url=addresses.directory_owner_url(),
            serving_url=addresses.directory_url(),
            admin_url=addresses.administrator_url() if addresses.is_embedded else None,
        ),
        history=DIRECTORY,
        keys=Keys.load(settings.locator_key or installation.state.path / FILE_NAME),
        bindir=settings.pg_bindir,
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
        if source is not None and source.tenant is not None:
            await source.tenant.database.close()
        await installation.close()
