"""The worker's part in sealing: one network's journal, whenever its turn comes."""

from __future__ import annotations

import structlog

from passerelle.audit.heads import newest_head
from passerelle.audit.sealing import seal
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant

_log = structlog.get_logger("passerelle.sealing")
_swept: set[str] = set()


async def seal_tenant(tenant: Tenant, clock: Clock) -> int:
    """Seal what was committed since; how many lines. The first time in a process, every line is looked at.

    Refused: JOURNAL_HEAD_BROKEN (`audit.sealing.seal`).
    """
    done = await seal(tenant, clock, sweep=tenant.id not in _swept)
    _swept.add(tenant.id)
    if done.lines:
        async with tenant.database.transaction() as connection:
            head = await newest_head(connection, tenant.id)
        # Whoever keeps the logs elsewhere can tell a journal that was rewritten from its first line on.
        told = head.hash().hex() if head else ""
        _log.info("sealed", tenant=tenant.id, lines=done.lines, size=done.tree_size, head=told)
    return done.lines
