"""Do the stored contents open and agree with their entries, and has every act its line in the journal.

Made for whoever runs the exchange: nothing of a document is shown, only whether it is whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, case, func, literal, select, tuple_, union_all

from passerelle.audit.verification import Finding, lines_by_actor
from passerelle.dossier.contents import content_binding
from passerelle.dossier.tables import document, document_version, dossier, dossier_act
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import BrokenIntegrity
from passerelle_policies.vocabulary import Action

_BATCH: Final = 500
# The version before is superseded by the act of whoever files the next one: that act has the line.
_WITHOUT_LINE: Final = ("supersede",)


async def count_contents(tenant: Tenant) -> int:
    """How many contents there are to verify."""
    async with tenant.database.transaction() as connection:
        counted = await connection.execute(
            select(func.count()).select_from(document.join(dossier)).where(dossier.c.wrapped_key.is_not(None))
        )
        return int(counted.scalar_one())


async def verify_contents(tenant: Tenant) -> AsyncIterator[Finding | None]:
    """Read every content whole, under its key; one item for each: nothing when it is right, else what is wrong.

    Finds CONTENT_MISSING, CONTENT_ALTERED (seal, size or hash), DOSSIER_KEY_ALTERED. A purged record has no key
    and its contents are passed over.
    """
    after: tuple[UUID, UUID] | None = None
    while rows := await _batch(tenant, after):
        for row in rows:
            yield await _verified(tenant, row)
        after = (rows[-1].patient_id, rows[-1].document_id)


async def orphans(tenant: Tenant) -> AsyncIterator[str]:
    """The stored objects that no document points to: what a crash in the middle of a filing leaves. Harmless."""
    async with tenant.database.transaction() as connection:
        known = set((await connection.execute(select(document.c.content_name))).scalars())
    async for name in tenant.contents.names():
        if name not in known:
            yield name


async def acts_without_line(tenant: Tenant) -> list[Finding]:
    """The acts of one actor on one patient that outnumber his journal lines: ACT_WITHOUT_LINE."""
    filed = case(
        (document_version.c.act.in_([Action.PUBLISH.value, Action.REPLACE.value]), literal("file")),
        else_=document_version.c.act,
    )
    acts = union_all(
        select(dossier_act.c.patient_id, dossier_act.c.actor_id, dossier_act.c.act.label("act")),
        select(document_version.c.patient_id, document_version.c.actor_id, filed.label("act")).where(
            document_version.c.act.not_in(_WITHOUT_LINE)
        ),
    ).subquery("acts")
    counted = (
        select(acts.c.patient_id, acts.c.actor_id, acts.c.act, func.count().label("acts"))
        .group_by(acts.c.patient_id, acts.c.actor_id, acts.c.act)
        .subquery("counted")
    )
    lines = lines_by_actor()
    said = case(
        (lines.c.action.in_([Action.PUBLISH.value, Action.REPLACE.value]), literal("file")), else_=lines.c.action
    )
    journalled = (
        select(lines.c.patient_id, lines.c.actor_id, said.label("act"), func.sum(lines.c.lines).label("lines"))
        .group_by(lines.c.patient_id, lines.c.actor_id, said)
        .subquery("journalled")
    )
    missing = (
        select(counted.c.patient_id, counted.c.act, counted.c.acts, journalled.c.lines)
        .select_from(
            counted.outerjoin(
                journalled,
                (journalled.c.patient_id == counted.c.patient_id)
                & (journalled.c.actor_id == counted.c.actor_id)
                & (journalled.c.act == counted.c.act),
            )
        )
        .where(func.coalesce(journalled.c.lines, 0) < counted.c.acts)
        .limit(100)
    )
    async with tenant.database.transaction() as connection:
        return [
            Finding(code="ACT_WITHOUT_LINE", about=f"{row.patient_id} {row.act} {row.lines or 0}/{row.acts}")
            for row in await connection.execute(missing)
        ]


async def _batch(tenant: Tenant, after: tuple[UUID, UUID] | None) -> list[Row[Any]]:
    wanted = (
        select(
            document.c.patient_id,
            document.c.document_id,
            document.c.content_name,
            document.c.size,
            document.c.sha256,
            dossier.c.wrapped_key,
        )
        .join(dossier, dossier.c.patient_id == document.c.patient_id)
        .where(dossier.c.wrapped_key.is_not(None))
        .order_by(document.c.patient_id, document.c.document_id)
        .limit(_BATCH)
    )
    if after is not None:
        wanted = wanted.where(tuple_(document.c.patient_id, document.c.document_id) > after)
    async with tenant.database.transaction() as connection:
        return [*await connection.execute(wanted)]


async def _verified(tenant: Tenant, row: Row[Any]) -> Finding | None:
    digest, size = hashlib.sha256(), 0
    try:
        key = tenant.keys.dossier_key(tenant.id, row.patient_id, bytes(row.wrapped_key))
        async for piece in tenant.contents.read(row.content_name, key, content_binding(tenant.id, row.document_id)):
            digest.update(piece)
            size += len(piece)
    except BrokenIntegrity as broken:
        return Finding(code=broken.code, about=str(row.document_id))
    if size != row.size or digest.hexdigest() != row.sha256:
        return Finding(code="CONTENT_ALTERED", about=str(row.document_id))
    return None
