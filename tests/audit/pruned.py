"""A journal whose first lines are twelve years old, and the operator who prunes it under the role that owns it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from passerelle.dossier import journal_pruning
from passerelle.dossier.journal_pruning import Due, Pruned
from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Context
from passerelle.kernel.database import Database
from passerelle_policies.vocabulary import Purpose
from tests.audit.sealed import Sealing
from tests.builders import operator

THEN = datetime(2014, 3, 3, 9, tzinfo=UTC)
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
PATIENT = UUID(int=7)
SIZES = (3, 4, 20, 1, 9)
OLD = sum(SIZES)
YOUNG = 6


@dataclass(slots=True)
class Pruning:
    sealing: Sealing

    async def begin(self) -> None:
        """37 lines of 2014 under five heads, 6 of this year under one; all of them followed by the readers' task."""
        self.sealing.as_owner("truncate journal_pruned_fact, notice_watermark")
        self.clock.set(THEN)
        for size in SIZES:
            self.clock.advance(timedelta(days=1))
            await self.sealing.write()
            if size > 1:
                await self.sealing.write(size - 1, PATIENT)
            await self.sealing.seal()
        self.clock.set(NOW - timedelta(days=30))
        await self.sealing.write(YOUNG, PATIENT)
        await self.sealing.seal()
        self.clock.set(NOW)
        self.follow()

    @property
    def clock(self) -> SetClock:
        assert isinstance(self.sealing.context.clock, SetClock)
        return self.sealing.context.clock

    def follow(self) -> None:
        """The task that tells of readers has seen all that is sealed."""
        self.sealing.as_owner("delete from notice_watermark")
        self.sealing.as_owner(
            "insert into notice_watermark select 'newcomers', coalesce(max(leaf_index), -1) from journal_leaf"
        )

    @asynccontextmanager
    async def operator(self, **parameters: int) -> AsyncIterator[Context]:
        tenant = self.sealing.context.tenant
        owned = Database(self.sealing.database.owner_url, pool_size=1)
        try:
            yield Context(
                tenant=replace(tenant, database=owned, parameters={**tenant.parameters, **parameters}),
                actor=operator(),
                clock=self.clock,
                request_id=uuid4().hex,
                purpose=Purpose.ADMINISTRATION,
            )
        finally:
            await owned.close()

    async def prune(self, *, parameters: dict[str, int] | None = None, **how: Any) -> Pruned:
        async with self.operator(**(parameters or {})) as context:
            return await journal_pruning.prune(context, **how)

    async def due(self, **parameters: int) -> Due:
        async with self.operator(**parameters) as context:
            return await journal_pruning.due(context)

    def kept(self) -> tuple[Any, ...]:
        """Everything of the journal, but the marks of transactions: what must not change on a refusal."""
        tables = ("journal", "journal_leaf", "journal_seal", "journal_pruned_fact")
        return tuple(self.sealing.as_owner(f"select {each}::text from {each} order by 1") for each in tables)

    def statements(self) -> list[dict[str, Any]]:
        asked = "select facts -> 'pruning' from journal where kind = 'journal' and action = 'purge' order by line_id"
        return [row[0] for row in self.sealing.as_owner(asked)]
