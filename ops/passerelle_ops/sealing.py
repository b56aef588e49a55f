"""The worker's part in sealing: one network's journal, whenever its turn comes."""

from __future__ import annotations

import structlog

from passerelle.audit.heads import Head, head_at, newest_head
from passerelle.audit.sealing import seal
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import BrokenIntegrity

_log = structlog.get_logger("passerelle.sealing")


class Sealer:
    """Seals the journals of an installation, and remembers the newest head of each for as long as it lives."""

    def __init__(self) -> None:
        self._swept: set[str] = set()
        self._newest: dict[str, Head] = {}

    async def seal(self, tenant: Tenant, clock: Clock) -> int:
        """Seal what was committed since; how many lines. The first time, every line is looked at.

        Refused: JOURNAL_HEAD_BROKEN (`audit.sealing.seal`); JOURNAL_TREE_TRUNCATED, the head seen last is gone:
        whoever owns the database would have what he changed since signed anew. A worker that is started again, after
        a restore for one, takes the journal as it finds it.
        """
        await self._continues(tenant)
        done = await seal(tenant, clock, sweep=tenant.id not in self._swept)
        self._swept.add(tenant.id)
        async with tenant.database.transaction() as connection:
            head = await newest_head(connection, tenant.id)
        if head is not None:
            self._newest[tenant.id] = head
        if done.lines:
            # Whoever keeps the logs elsewhere can tell a journal that was rewritten from its first line on.
            told = head.hash().hex() if head else ""
            _log.info("sealed", tenant=tenant.id, lines=done.lines, size=done.tree_size, head=told)
        return done.lines

    async def _continues(self, tenant: Tenant) -> None:
        known = self._newest.get(tenant.id)
        if known is None:
            return
        async with tenant.database.transaction() as connection:
            kept = await head_at(connection, tenant.id, known.tree_size)
        if kept != known:
            raise BrokenIntegrity("JOURNAL_TREE_TRUNCATED")
