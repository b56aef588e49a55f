"""Copies of contents that other networks keep: sealed under the patient's own key, for a while, and not once masked.

A copy spares its origin the next readers; every reading is decided upon here first, copy or not (docs/decisions/0131).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, case, literal, not_, or_, select, tuple_, update

from passerelle.dossier import access
from passerelle.dossier.contents import content_binding
from passerelle.dossier.tables import document
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.errors import BrokenIntegrity
from passerelle.kernel.keys import DossierKey
from passerelle.kernel.records_elsewhere import Span


def name_now(entry: Any, now: ColumnElement[Any]) -> ColumnElement[str]:
    """SQL: the object that holds a content here at an instant; empty when it is to be fetched."""
    copy = and_(entry.c.copy_until > now, *_shown(entry))
    return case((or_(entry.c.origin.is_(None), copy), entry.c.content_name), else_="")


async def keep(context: Context, patient_id: UUID, document_id: UUID, octets: bytes, key: DossierKey) -> None:
    """Keep what was fetched whole, unless the document was masked, hidden or ended meanwhile."""
    tenant, name = context.tenant, str(uuid4())
    await tenant.contents.put(name, octets, key, content_binding(tenant.id, document_id))
    hours = timedelta(hours=access.number(context, "federation.copy_hours"))
    async with tenant.database.transaction() as connection:
        kept = await connection.execute(
            update(document)
            .where(
                document.c.patient_id == patient_id,
                document.c.document_id == document_id,
                document.c.origin.is_not(None),
                document.c.content_name == "",
                *_shown(document),
            )
            .values(content_name=name, copy_until=context.clock.now() + hours)
        )
    if not kept.rowcount:
        await tenant.contents.delete(name)


def _shown(entry: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        entry.c.masked.is_(False),
        entry.c.hidden_from_patient.is_(False),
        entry.c.status != literal("deleted"),
    )


async def drop_ended(tenant: Tenant, now: datetime, limit: int = 500) -> int:
    """Delete the copies that have had their time, or whose document was masked, hidden or ended; how many."""
    over = and_(
        document.c.origin.is_not(None),
        document.c.content_name != "",
        or_(document.c.copy_until.is_(None), document.c.copy_until <= now, *(not_(each) for each in _shown(document))),
    )
    key = (document.c.patient_id, document.c.document_id)
    async with tenant.database.transaction() as connection:
        rows = await connection.execute(
            select(*key, document.c.content_name).where(over).limit(limit).with_for_update(skip_locked=True)
        )
        found = rows.all()
        for each in found:
            await tenant.contents.delete(each.content_name)
        if found:
            ended = tuple_(*key).in_([(each.patient_id, each.document_id) for each in found])
            await connection.execute(update(document).where(ended).values(content_name="", copy_until=None))
    return len(found)


async def fetched(
    context: Context, patient_id: UUID, kept: Mapping[str, Any], key: DossierKey, start: int, stop: int | None
) -> AsyncIterator[bytes]:
    """`content[start:stop]` of what another network keeps: whole and compared with its hash where a copy is worth it.

    Raises `TryLater` NETWORK_AWAY, `Refused` DOCUMENT_UNKNOWN as the network that keeps it decides, `BrokenIntegrity`
    CONTENT_ALTERED when what came is not what the index says.
    """
    document_id, network = UUID(kept["document_id"]), kept["origin"]
    if int(kept["size"]) > access.number(context, "federation.copy_octets"):
        async for piece in context.records_elsewhere.content(
            context, network, document_id, Span(start=start, stop=stop)
        ):
            yield piece
        return
    octets = b"".join([each async for each in context.records_elsewhere.content(context, network, document_id, Span())])
    if hashlib.sha256(octets).hexdigest() != kept["sha256"]:
        raise BrokenIntegrity("CONTENT_ALTERED", document=str(document_id))
    await keep(context, patient_id, document_id, octets, key)
    yield octets[start:stop]
