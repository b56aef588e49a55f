"""How far a task that makes notices out of the journal has come."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.notices.tables import notice_watermark

BEGINNING = -1


async def reached(act: Act, name: str) -> int:
    """The leaf of the journal up to which the task has looked, locked until the act ends."""
    await act.connection.execute(
        upsert(notice_watermark).values(name=name, position=BEGINNING).on_conflict_do_nothing()
    )
    held = select(notice_watermark.c.position).where(notice_watermark.c.name == name).with_for_update()
    return int((await act.connection.execute(held)).scalar_one())


async def position(connection: AsyncConnection, name: str) -> int:
    """The leaf of the journal up to which the task has looked, for whoever only asks."""
    held = select(notice_watermark.c.position).where(notice_watermark.c.name == name)
    reached_so_far = (await connection.execute(held)).scalar()
    return BEGINNING if reached_so_far is None else int(reached_so_far)


async def reach(act: Act, name: str, position: int) -> None:
    """Move on, in the transaction that posts what was found on the way."""
    await act.connection.execute(
        update(notice_watermark).where(notice_watermark.c.name == name).values(position=position)
    )


async def forget(connection: AsyncConnection, names: Sequence[str]) -> None:
    """Have tasks begin again: what they look at was numbered anew."""
    begun = update(notice_watermark).where(notice_watermark.c.name.in_(names))
    await connection.execute(begun.values(position=BEGINNING))
