"""Documents that a loss of the database's or of the object store's last minutes took away: each by its own name.

What was filed is written down outside the database (`passerelle_ops.backup.ledger`) as `filed` gives it; what of that
is nowhere any more, and what is there without its content, is a loss that somebody has to make good: whoever filed it
files it again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, Text, Uuid, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import followed
from passerelle.dossier.events import ORIGIN, DocumentPublished
from passerelle.dossier.tables import document, document_key, dossier
from passerelle.kernel.context import Tenant
from passerelle_policies.vocabulary import DossierState

#: The entry is gone with the database; the content is gone from the store.
ENTRY_LOST: Final = "DOCUMENT_ENTRY_LOST"
CONTENT_LOST: Final = "DOCUMENT_CONTENT_LOST"
_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LostDocument:
    """A document that is not whole any more: `code` says what is missing. `narrowed`: it was masked, hidden or ended
    since it was filed, which whoever files it again must know; `content`: its octets are still in the store."""

    code: str
    document_id: UUID
    unique_id: str
    structure_id: str | None
    filed_at: str
    narrowed: bool = False
    content: bool = False


async def filed(connection: AsyncConnection, after: int) -> tuple[list[dict[str, Any]], followed.Reached]:
    """Documents filed here since a place of the outbox, as the ledger writes them down, and how far this came."""
    found = await followed.reach(connection, (DocumentPublished.name,), after, _AT_ONCE, but_with=ORIGIN)
    event = found.rows.order_by(None).subquery("event")
    is_told = document.c.document_id == cast(event.c.payload["document_id"].astext, Uuid())
    entry = _entries().join_from(event, document, is_told).where(document.c.origin.is_(None)).subquery("entry")
    rows = await connection.execute(select(cast(func.json_agg(func.row_to_json(entry.table_valued())), Text())))
    return json.loads(rows.scalar_one() or "[]"), found


async def entries_lost(
    connection: AsyncConnection,
    written: Sequence[Mapping[str, Any]],
    narrowed: Collection[str],
    stored: Collection[str],
) -> list[LostDocument]:
    """Of what the ledger wrote down, the documents of which no entry is here, nor a newer filing of the same uniqueId.

    `narrowed`: ids of documents that the ledger says were masked, hidden or ended; `stored`: names in the store.
    """
    known = select(document.c.document_id).where(
        document.c.document_id.in_([UUID(each["document_id"]) for each in written])
    )
    here = {str(each) for each in await connection.scalars(known)}
    again = select(document_key.c.unique_id).where(
        document_key.c.unique_id.in_([each["unique_id"] for each in written if each["document_id"] not in here])
    )
    filed_again = set(await connection.scalars(again))
    return [
        LostDocument(
            code=ENTRY_LOST,
            document_id=UUID(each["document_id"]),
            unique_id=each["unique_id"],
            structure_id=each["structure_id"],
            filed_at=each["filed_at"],
            narrowed=each["document_id"] in narrowed,
            content=each["content_name"] in stored,
        )
        for each in written
        if each["document_id"] not in here and each["unique_id"] not in filed_again
    ]


async def contents_lost(tenant: Tenant, stored: Collection[str]) -> AsyncIterator[LostDocument]:
    """The documents kept here whose content is not among the names in the store."""
    kept = _entries().where(
        document.c.content_name != "",
        document.c.origin.is_(None),
        dossier.c.patient_id == document.c.patient_id,
        dossier.c.state != DossierState.PURGED.value,
    )
    async with tenant.database.transaction() as connection, connection.stream(kept) as rows:
        async for row in rows:
            if row.content_name not in stored:
                yield LostDocument(
                    code=CONTENT_LOST,
                    document_id=row.document_id,
                    unique_id=row.unique_id,
                    structure_id=row.structure_id,
                    filed_at=row.filed_at.isoformat(),
                )


def _entries() -> Select[Any]:
    return select(
        document.c.patient_id,
        document.c.document_id,
        document.c.unique_id,
        document.c.structure_id,
        document.c.filed_at,
        document.c.content_name,
    )
