"""A network that is backed up, and its operator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection
from sqlalchemy import text

from passerelle.audit.sealing import seal
from passerelle_ops.backup.envelope import Opener, Recipient
from passerelle_ops.backup.keeping import keep
from passerelle_ops.backup.ledger import Ledger
from passerelle_ops.backup.making import Made, back_up, newest
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.restoring import Archive
from passerelle_ops.backup.sources import Source
from tests.builders import World


@dataclass(slots=True)
class House:
    """A network over a database that may be destroyed, where its backups go, and who opens them."""

    world: World
    source: Source
    place: Place
    recipient: Recipient
    opener: Opener
    ledger: Ledger
    premises: Path

    async def kept(self) -> int:
        await seal(self.world.tenant, self.world.clock)
        return await keep(self.world.tenant, self.ledger, self.world.clock)

    async def backed_up(self, *, compare: bool = False) -> Made:
        return await back_up(self.source, self.place, self.recipient, self.world.clock, compare=compare)

    async def archive(self) -> Archive:
        return Archive(self.place, await newest(self.place, "essai"), self.opener)

    async def serves(self) -> bool:
        try:
            await (await AsyncConnection.connect(self.source.site.serving_url)).close()
        except psycopg.OperationalError:
            return False
        return True

    async def one(self, sql: str, **values: Any) -> Any:
        async with self.world.tenant.database.transaction() as connection:
            return (await connection.execute(text(sql), values)).one()
