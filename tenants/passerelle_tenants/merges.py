"""Networks that are merged into others, as the directory says: entered by an operator, done when nobody is left.

The network that is merged keeps its id, its database, its keys and its documents; its patients go over one by one
(`federation.merging`), the professionals and establishments here.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.identities import practices
from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.kernel.merges import Merge
from passerelle_tenants.addresses import holder
from passerelle_tenants.tables import tenant, tenant_merge

# Two merges entered at a time could go round in a circle.
_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended("tenants/merges", 0)))


async def begin(directory: Database, name: str, into: str, now: datetime) -> str:
    """Have a network merged into another, each called by its id or an address of its; the id of the first.

    One transaction: cut off, nothing was done; done again, it only lets practise in the other network whoever began to
    practise since. Refused: TENANT_UNKNOWN; NETWORK_MERGE_SAME; NETWORK_MERGE_TEST; NETWORK_MERGE_ELSEWHERE when it is
    merged into a third one; NETWORK_MERGE_ENDED when the other is merged itself.
    """
    async with directory.transaction() as connection:
        await connection.execute(_LOCK)
        found = {each: await holder(connection, each) for each in (name, into)}
        if missing := [each for each, tenant_id in found.items() if tenant_id is None]:
            raise InvalidInput("TENANT_UNKNOWN", tenant=missing[0][:31])
        here, there = str(found[name]), str(found[into])
        if here == there:
            raise InvalidInput("NETWORK_MERGE_SAME")
        both = select(tenant.c.is_test).where(tenant.c.tenant_id.in_([here, there])).distinct()
        if len((await connection.execute(both)).all()) > 1:
            raise Conflict("NETWORK_MERGE_TEST", network=here, into=there)
        held = await connection.execute(select(tenant_merge).where(tenant_merge.c.tenant_id.in_([here, there])))
        merges = {row.tenant_id: row.into_tenant for row in held}
        if there in merges:
            raise Conflict("NETWORK_MERGE_ENDED", into=there, next=merges[there])
        if merges.get(here, there) != there:
            raise Conflict("NETWORK_MERGE_ELSEWHERE", network=here, into=merges[here])
        entered = upsert(tenant_merge).values(tenant_id=here, into_tenant=there, since=now)
        await connection.execute(entered.on_conflict_do_nothing())
        await practices.extend(connection, here, there)
    return here


async def end(directory: Database, tenant_id: str, now: datetime) -> None:
    """Say that a network's patients all went over: its establishments go too, and nothing is written there any more."""
    async with directory.transaction() as connection:
        ended = update(tenant_merge).where(tenant_merge.c.tenant_id == tenant_id, tenant_merge.c.done_at.is_(None))
        row = (await connection.execute(ended.values(done_at=now).returning(tenant_merge.c.into_tenant))).one_or_none()
        if row is not None:
            await practices.extend(connection, tenant_id, row.into_tenant)
            await practices.move_houses(connection, tenant_id, row.into_tenant)


async def recorded_merges(directory: Database) -> dict[str, Merge]:
    """By id of a network that is merged: into which, and whether it is done."""
    async with directory.transaction() as connection:
        rows = await connection.execute(select(tenant_merge))
        return {row.tenant_id: Merge(into=row.into_tenant, is_done=row.done_at is not None) for row in rows}


async def merge_of(directory: Database, tenant_id: str) -> Merge | None:
    """The merge of one network; nothing of one that stands by itself."""
    return (await recorded_merges(directory)).get(tenant_id)
