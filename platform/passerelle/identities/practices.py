"""Where professionals work when a network is merged into another: there as well at once, its houses at the end."""

from __future__ import annotations

from sqlalchemy import literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.identities.tables import establishment, practice


async def extend(connection: AsyncConnection, network: str, into: str) -> None:
    """Let whoever practises in a network practise in another one too. Done again, it adds who came since."""
    theirs = select(practice.c.rpps, literal(into), practice.c.finess).where(practice.c.tenant_id == network)
    added = upsert(practice).from_select(["rpps", "tenant_id", "finess"], theirs)
    await connection.execute(added.on_conflict_do_nothing())


async def move_houses(connection: AsyncConnection, network: str, into: str) -> None:
    """Give a network's establishments to another one."""
    moved = update(establishment).where(establishment.c.tenant_id == network)
    await connection.execute(moved.values(tenant_id=into))
