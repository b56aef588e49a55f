"""The worker's turn: what narrowed and what was filed since the last one goes into the ledger, outside the database.

What is lost with a database is at most what the last turn had not taken: a second or two of acts, as long as the place
of the ledger answers. How much that is now, `audit.narrowings.waiting` says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import uuid4

import structlog

from passerelle.audit import narrowings
from passerelle.audit.heads import newest_head
from passerelle.audit.transactions import transaction
from passerelle.dossier import losses
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.database import Database
from passerelle.notices import watermarks
from passerelle_ops.backup import directory
from passerelle_ops.backup.ledger import Ledger
from passerelle_policies.vocabulary import ActorKind, Purpose

_log = structlog.get_logger("passerelle.ledger")
_AT_ONCE: Final = 1_000
WATERMARK: Final = "ledger"


class Keeper:
    """Keeps the ledgers of an installation; `ledger_of` opens a network's, `of_directory` says where the directory is
    and opens its own."""

    def __init__(
        self, ledger_of: Callable[[Tenant], Ledger], of_directory: Callable[[], tuple[Database, Ledger]]
    ) -> None:
        self._ledger_of = ledger_of
        self._of_directory = of_directory
        self._open: dict[str, Ledger] = {}
        self._directory: tuple[Database, Ledger] | None = None

    async def turn(self, tenant: Tenant, clock: Clock) -> None:
        """Write down what is new in one network, and in the directory. Raises `TryLater` when the place is away: the
        next turn does it."""
        if tenant.id not in self._open:
            self._open[tenant.id] = self._ledger_of(tenant)
        if (written := await keep(tenant, self._open[tenant.id], clock)) > 0:
            _log.info("ledger", tenant=tenant.id, written=written)
        if self._directory is None:
            self._directory = self._of_directory()
        if (written := await directory.keep(*self._directory, clock)) > 0:
            _log.info("ledger", tenant=directory.NAME, written=written)


async def keep(tenant: Tenant, ledger: Ledger, clock: Clock) -> int:
    """Write down all that is new; how many changes and filings. Done twice, it is written twice, which changes
    nothing: the newest word on a row counts."""
    done = 0
    while True:
        async with transaction(_context(tenant, clock)) as act:
            after = await watermarks.reached(act, WATERMARK)
            taken = await narrowings.take(act.connection, _AT_ONCE)
            filed, told = await losses.filed(act.connection, after)
            if taken or filed:
                head = await newest_head(act.connection, tenant.id)
                await ledger.append(
                    clock,
                    narrowed=[each.document() for each in taken],
                    filed=filed,
                    head=None if head is None else head.document(),
                )
                await narrowings.kept(act.connection, taken)
            if told.until > after:
                await watermarks.reach(act, WATERMARK, told.until)
        done += len(taken) + len(filed)
        if len(taken) < _AT_ONCE and not told.is_full:
            return done


def _context(tenant: Tenant, clock: Clock) -> Context:
    return Context(
        tenant=tenant,
        actor=Actor(kind=ActorKind.SYSTEM, id="ledger", name="Passerelle (registre)"),
        clock=clock,
        request_id=uuid4().hex,
        purpose=Purpose.ADMINISTRATION,
    )
