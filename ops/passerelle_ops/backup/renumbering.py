"""Numbers that mean something elsewhere, made to go on after a restore.

Transactions are numbered by the server: in another one, rows that came with the dump may bear numbers that it has not
reached, and whoever follows would wait for years. What other networks remember is `passerelle_tenants`' to mend.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

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
        again = await begin_again(connection)
        # The locator, too, may have come back older than this network: entering it twice changes nothing.
        await watermarks.forget(connection, _FOLLOWERS if again else (LOCATOR,))
        await leap(connection)
        await owe_again(connection)


async def tell_others(installation: Installation, restored: str) -> list[str]:
    """Have the other networks of this installation owe it everything again; those that could not be reached."""
    return await _each(installation, lambda connection: owe_again(connection, restored), but=restored)


async def locate_again(installation: Installation) -> list[str]:
    """After the directory was restored, have every network enter its persons again: the directory may have lost some.
    Those that could not be reached."""
    return await _each(installation, lambda connection: watermarks.forget(connection, (LOCATOR,)))


async def _each(
    installation: Installation, do: Callable[[AsyncConnection], Awaitable[object]], but: str | None = None
) -> list[str]:
    registry, away = await installation.registry(), []
    for each in sorted(registry.networks.keys() - {but}):
        try:
            async with (await registry.tenant(each)).database.transaction() as connection:
                await do(connection)
        except (PasserelleError, SQLAlchemyError):  # away, or not restored yet
            away.append(each)
    return away
