"""A network that was restored, among the others: it knows less than they believe, and they more than it knows.

The others remember the number of the newest state that they were sent, and would take a lower one for an older one.
What they sent since the backup they hold for known. So it goes on with higher numbers, and everything is owed again,
both ways: applying twice changes nothing.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle_tenants.federation.tables import federation_version, patient_place

#: More states than a network sends between a backup and its loss.
_LEAP: Final = 1_000_000_000


async def leap(connection: AsyncConnection) -> None:
    """Go on with numbers that nobody was sent."""
    beyond = select(federation_version.next_value() + _LEAP).scalar_subquery()
    await connection.execute(select(func.setval(federation_version.name, beyond)))


async def owe_again(connection: AsyncConnection, network: str | None = None) -> int:
    """Have every place of every patient owed its whole again, or only one network; how many there are."""
    owed = update(patient_place).values(owed_at=null())
    done = await connection.execute(owed if network is None else owed.where(patient_place.c.tenant_id == network))
    return done.rowcount
