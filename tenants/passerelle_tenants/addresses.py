"""What a network is called by in paths and commands: its id, which it keeps for ever, and names that it took since.

Everything that lasts is bound to the id: contents and their keys, the journal and its seals, the origin of documents
in other networks. So a network that is renamed changes no document, and none of its names is ever another's.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_tenants.networks import TenantId
from passerelle_tenants.tables import tenant, tenant_address

_FORM = TypeAdapter[str](TenantId)
# Whoever gives a network an address or an id takes turns with the others.
_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended("tenants/addresses", 0)))
_TICK = timedelta(microseconds=1)


async def recorded_addresses(directory: Database) -> dict[str, str]:
    """By address: the id of its network. The newest of a network last."""
    async with directory.transaction() as connection:
        rows = await connection.execute(select(tenant_address).order_by(tenant_address.c.since))
        return {row.address: row.tenant_id for row in rows}


async def rename(directory: Database, name: str, address: str, now: datetime) -> str:
    """Let a network, called by its id or any address of its, be found under another address from now on; its id.

    One transaction: cut off, nothing was done; done again, nothing changes. What it was found under finds it still.
    Refused: TENANT_UNKNOWN; TENANT_ADDRESS_INVALID; TENANT_ADDRESS_TAKEN, also by what another network was called once.
    """
    try:
        _FORM.validate_python(address)
    except ValidationError:
        raise InvalidInput("TENANT_ADDRESS_INVALID", address=address[:31]) from None
    async with directory.transaction() as connection:
        await connection.execute(_LOCK)
        tenant_id = await holder(connection, name)
        if tenant_id is None:
            raise InvalidInput("TENANT_UNKNOWN", tenant=name[:31])
        if await holder(connection, address) not in (None, tenant_id):
            raise Conflict("TENANT_ADDRESS_TAKEN", address=address)
        own = select(tenant_address).where(tenant_address.c.tenant_id == tenant_id)
        newest = (await connection.execute(own.order_by(tenant_address.c.since.desc()).limit(1))).one_or_none()
        if address != (tenant_id if newest is None else newest.address):
            since = now if newest is None else max(now, newest.since + _TICK)
            new = upsert(tenant_address).values(address=address, tenant_id=tenant_id, since=since)
            await connection.execute(
                new.on_conflict_do_update(index_elements=["address"], set_={"since": new.excluded.since})
            )
    return tenant_id


async def refuse_address_of_another(directory: Database, tenant_id: str) -> None:
    """Refused with TENANT_ADDRESS_TAKEN when a network is to have an id that another is, or was, called by."""
    async with directory.transaction() as connection:
        if await holder(connection, tenant_id) not in (None, tenant_id):
            raise Conflict("TENANT_ADDRESS_TAKEN", address=tenant_id)


async def holder(connection: AsyncConnection, name: str) -> str | None:
    """The id of the network that an id or an address finds; an id before an address."""
    by_id = select(tenant.c.tenant_id).where(tenant.c.tenant_id == name)
    by_address = select(tenant_address.c.tenant_id).where(tenant_address.c.address == name)
    either = select(func.coalesce(by_id.scalar_subquery(), by_address.scalar_subquery()))
    found: str | None = await connection.scalar(either)
    return found
