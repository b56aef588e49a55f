"""What the last minutes of a database or of an object store took with them, document by document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from passerelle.audit.heads import newest_head
from passerelle.dossier import losses
from passerelle.dossier.losses import LostDocument
from passerelle.kernel.context import Tenant
from passerelle_ops.backup.ledger import Ledger
from passerelle_ops.backup.replaying import Words, read

_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Loss:
    """The documents that are not whole, and how many sealed lines of the journal are gone."""

    documents: tuple[LostDocument, ...]
    journal_lines: int


async def lost_documents(tenant: Tenant, ledger: Ledger, *, after: int = 0, words: Words | None = None) -> Loss:
    """Compare a network's database, its store and its ledger. `after`: the entry from which on the ledger is looked
    at; `words`: what narrowed since, when it was read already.

    A document that was filed and is nowhere (DOCUMENT_ENTRY_LOST) or whose content is gone (DOCUMENT_CONTENT_LOST). One
    that was erased since is not lost. In memory stands what is lost, never all that was filed.
    """
    words = words or await read(ledger.since(after))
    stored = {name async for name in tenant.contents.names()}
    narrowed, erased = words.narrowed(), words.erased()
    lost: dict[str, LostDocument] = {}
    some: list[Mapping[str, Any]] = []

    async def look() -> None:
        async with tenant.database.transaction() as connection:
            for each in await losses.entries_lost(connection, some, narrowed, stored):
                lost[str(each.document_id)] = each
        some.clear()

    async for entry in ledger.since(after):
        filed = iter([each for each in entry.filed if each.get("patient_id") not in erased])
        while more := list(islice(filed, _AT_ONCE)):
            some += more
            if len(some) >= _AT_ONCE:
                await look()
    await look()
    async with tenant.database.transaction() as connection:
        head = await newest_head(connection, tenant.id)
    found = [*lost.values(), *[each async for each in losses.contents_lost(tenant, stored)]]
    known = 0 if head is None else head.tree_size
    lines = max(0, int(words.head["tree_size"]) - known) if words.head else 0
    return Loss(tuple(found), lines)
