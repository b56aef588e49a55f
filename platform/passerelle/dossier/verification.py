"""Do the stored contents open and agree with their entries, and has every act its line in the journal.

Made for whoever runs the exchange: nothing of a document is shown, only whether it is whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    except_,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    union,
    union_all,
)

from passerelle.audit.verification import Finding, lines_by_actor
from passerelle.dossier.contents import content_binding
from passerelle.dossier.lifecycle import Basis
from passerelle.dossier.tables import document, document_author, document_key, document_version, dossier, dossier_act
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import BrokenIntegrity
from passerelle_policies.vocabulary import Action, DossierState

_BATCH: Final = 500
# Until 2026 replacing wrote a version of the metadata of what it replaced; the line is that of the filing.
_WITHOUT_LINE: Final = ("supersede",)


async def count_contents(tenant: Tenant) -> int:
    """How many contents there are to verify."""
    async with tenant.database.transaction() as connection:
        counted = await connection.execute(select(func.count()).select_from(document.join(dossier)).where(_is_kept()))
        return int(counted.scalar_one())


async def verify_contents(tenant: Tenant) -> AsyncIterator[Finding | None]:
    """Read every content whole, under its key; one item for each: nothing when it is right, else what is wrong.

    Finds CONTENT_MISSING, CONTENT_ALTERED (seal, size or hash), DOSSIER_KEY_ALTERED, DOSSIER_KEY_MISSING. A purged
    record has no key any more and its contents are passed over.
    """
    after: tuple[UUID, UUID] | None = None
    while rows := await _batch(tenant, after):
        for row in rows:
            yield await _verified(tenant, row)
        after = (rows[-1].patient_id, rows[-1].document_id)


async def orphans(tenant: Tenant) -> list[str]:
    """The stored objects that no document points to: what a crash in the middle of a filing leaves. Harmless.

    What is being filed at this very moment is among them until it is committed: never delete a fresh one.
    """
    # The objects first: one that is stored after this cannot be taken for an orphan because its row came later.
    stored = {name async for name in tenant.contents.names()}
    async with (
        tenant.database.transaction() as connection,
        connection.stream(select(document.c.content_name)) as pointed_to,
    ):
        async for name in pointed_to.scalars():
            stored.discard(name)
    return sorted(stored)


async def claims_without_document(tenant: Tenant) -> list[Finding]:
    """The uniqueIds that are taken but lead to no document: CLAIM_WITHOUT_DOCUMENT."""
    leads_nowhere = (
        select(document_key.c.document_id)
        .outerjoin(
            document,
            (document.c.patient_id == document_key.c.patient_id)
            & (document.c.document_id == document_key.c.document_id),
        )
        .where(document.c.document_id.is_(None))
        .limit(100)
    )
    async with tenant.database.transaction() as connection:
        return [
            Finding(code="CLAIM_WITHOUT_DOCUMENT", about=str(document_id))
            for document_id in (await connection.execute(leads_nowhere)).scalars()
        ]


async def authors_out_of_step(tenant: Tenant) -> list[Finding]:
    """The documents whose authors are not those by which a record looks for them: AUTHORS_DISAGREE."""
    is_kept = and_(dossier.c.patient_id == document.c.patient_id, dossier.c.state != DossierState.PURGED.value)
    entries = document.join(dossier, is_kept)
    signed = select(document.c.document_id, func.unnest(document.c.author_ids)).select_from(entries)
    listed = select(document_author.c.document_id, document_author.c.author_id).select_from(
        entries.join(
            document_author,
            (document_author.c.patient_id == document.c.patient_id)
            & (document_author.c.document_id == document.c.document_id),
        )
    )
    astray = union(except_(signed, listed), except_(listed, signed)).subquery("astray")
    found = select(astray.c.document_id).distinct().limit(100)
    async with tenant.database.transaction() as connection:
        return [
            Finding(code="AUTHORS_DISAGREE", about=str(document_id))
            for document_id in (await connection.execute(found)).scalars()
        ]


async def acts_without_line(tenant: Tenant) -> list[Finding]:
    """The acts of one actor on one patient that outnumber his journal lines: ACT_WITHOUT_LINE."""
    filed = case(
        (document_version.c.act.in_([Action.PUBLISH.value, Action.REPLACE.value]), literal("file")),
        else_=document_version.c.act,
    )
    # A record that a death closes, or its undoing opens again, has the line of the declaration.
    lived = case(
        (dossier_act.c.basis == Basis.DEATH.value, literal(Action.DECLARE_DEATH.value)), else_=dossier_act.c.act
    )
    acts = union_all(
        select(dossier_act.c.patient_id, dossier_act.c.actor_id, lived.label("act")),
        select(document_version.c.patient_id, document_version.c.actor_id, filed.label("act")).where(
            document_version.c.act.not_in(_WITHOUT_LINE), ~_was_taken_in()
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


def _was_taken_in() -> ColumnElement[bool]:
    """SQL condition: the filing of a document in another network, which has its line there."""
    elsewhere = exists().where(
        document.c.patient_id == document_version.c.patient_id,
        document.c.document_id == document_version.c.document_id,
        document.c.origin.is_not(None),
    )
    return (document_version.c.act == Action.PUBLISH.value) & elsewhere


def _is_kept() -> ColumnElement[bool]:
    """SQL condition: the record still holds its contents; without a key it must have been purged. What was moved to
    a record that is erased since has no content any more."""
    is_whole = or_(dossier.c.wrapped_key.is_not(None), dossier.c.state != DossierState.PURGED.value)
    return and_(is_whole, document.c.content_name != "")


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
        .where(_is_kept())
        .order_by(document.c.patient_id, document.c.document_id)
        .limit(_BATCH)
    )
    if after is not None:
        wanted = wanted.where(tuple_(document.c.patient_id, document.c.document_id) > after)
    async with tenant.database.transaction() as connection:
        return [*await connection.execute(wanted)]


async def _verified(tenant: Tenant, row: Row[Any]) -> Finding | None:
    digest, size = hashlib.sha256(), 0
    if row.wrapped_key is None:
        return Finding(code="DOSSIER_KEY_MISSING", about=str(row.document_id))
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
