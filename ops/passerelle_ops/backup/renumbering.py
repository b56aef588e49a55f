"""Numbers that mean something elsewhere, made to go on after a restore.

Transactions are numbered by the server: in another one, rows that came with the dump may bear numbers that it has not
reached, and whoever follows would wait for years. What other networks remember is `passerelle_tenants`' to mend.
"""

from __future__ import annotations

from typing import Final

from passerelle.audit.followed import begin_again
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import PasserelleError
from passerelle.notices import watermarks
from passerelle_ops.backup.keeping import WATERMARK
from passerelle_ops.installation import Installation
from passerelle_tenants.federation.places import WATERMARK as LOCATOR
from passerelle_tenants.federation.restored import leap, owe_again

_FOLLOWERS: Final = (LOCATOR, WATERMARK)


async def renumber(tenant: Tenant) -> None:
    """In the restored database, before it serves. Done twice, it leaps twice, which costs nothing."""
    async with tenant.database.transaction() as connection:
        if await begin_again(connection):
            await watermarks.forget(connection, _FOLLOWERS)
        await leap(connection)
        await owe_again(connection)


async def tell_others(installation: Installation, restored: str) -> list[str]:
    """Have the other networks of this installation owe it everything again; those that could not be reached."""
    registry, away = await installation.registry(), []
    for each in sorted(registry.networks.keys() - {restored}):
        try:
            async with (await registry.tenant(each)).database.transaction() as connection:
                await owe_again(connection, restored)
        except PasserelleError:
            away.append(each)
    return away
