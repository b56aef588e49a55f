"""A document filed under the wrong patient: one act that moves it, leaves a trace and tells who had read it.

Source: RNIV (identity vigilance: an error of attribution is corrected and those who read it are known).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, chains
from passerelle.dossier.contents import content_binding
from passerelle.dossier.events import DocumentMetadataChanged, DocumentMoved
from passerelle.dossier.formats import values
from passerelle.dossier.publishing import may_file, must_be_identified
from passerelle.dossier.tables import document, document_key, document_move, dossier, submission_set
from passerelle.dossier.visibility import enter, new_metadata_version
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.vocabulary import Action, ActorKind, DocumentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where the document went, and every reading there had been of it in the wrong record."""

    document_id: UUID
    to_patient_id: UUID
    readers: list[journal.JournalLine]


async def move_document(act: Act, document_id: UUID, to_patient_id: UUID, *, reason: str) -> Moved:
    """Take a document out of the wrong record and file it in the right one.

    The wrong record keeps a deleted entry and the trace; the right one gets a new entry whose content is
    sealed anew under its own key. Refused: DOCUMENT_UNKNOWN, SAME_PATIENT, REASON_MISSING, MOVE_OF_A_CHAIN
    (one version among several that the actor may read), DOCUMENT_KEPT_ELSEWHERE, DOSSIER_NOT_OPEN,
    IDENTITY_NOT_QUALIFIED.
    """
    reason = values.text(reason, "reason") or ""
    if not reason:
        raise InvalidInput("REASON_MISSING")
    row = await access.require_document(act, document_id, Action.MOVE)
    if row.patient_id == to_patient_id:
        raise Conflict("SAME_PATIENT")
    if row.origin is not None:
        raise Conflict("DOCUMENT_KEPT_ELSEWHERE", network=row.origin)
    if await chains.has_others(act, row):
        raise Conflict("MOVE_OF_A_CHAIN")
    said = await may_file(act, to_patient_id, access.document_facts(act.context, row))
    await must_be_identified(act, to_patient_id, by_patient=row.by_patient)
    keys, tenant = act.context.tenant.keys, act.context.tenant
    held = await act.connection.execute(
        select(dossier.c.patient_id, dossier.c.state, dossier.c.wrapped_key)
        .where(dossier.c.patient_id.in_([row.patient_id, to_patient_id]))
        .with_for_update(read=True)
    )
    records = {each.patient_id: each for each in held}
    target = records.get(to_patient_id)
    if target is None or target.state != "open":
        raise Conflict("DOSSIER_NOT_OPEN")
    to_document_id, content_name = uuid4(), str(uuid4())
    await journal.append(act.connection, act.context, replace(said, document_id=to_document_id))
    clear = b"".join(
        [
            piece
            async for piece in tenant.contents.read(
                row.content_name,
                keys.dossier_key(tenant.id, row.patient_id, bytes(records[row.patient_id].wrapped_key)),
                content_binding(act.context.tenant.id, document_id),
            )
        ]
    )
    await tenant.contents.put(
        content_name,
        clear,
        keys.dossier_key(tenant.id, to_patient_id, bytes(target.wrapped_key)),
        content_binding(act.context.tenant.id, to_document_id),
    )
    submission_set_id = await _copied_submission_set(act, row, to_patient_id)
    moved = {
        "patient_id": to_patient_id,
        "document_id": to_document_id,
        "chain_id": to_document_id,
        "chain_position": 1,
        "replaces": None,
        "superseded_by": None,
        "entry_uuid": uuid4(),
        "metadata_version": 1,
        "submission_set_id": submission_set_id,
        "content_name": content_name,
        "filed_at": act.now,
        "filed_by": act.context.actor.subject,
    }
    own = {column.name for column in document.columns if column.computed is None}
    kept = {name: value for name, value in row._mapping.items() if name in own - moved.keys()}
    await enter(act, "move", kept | moved)
    await new_metadata_version(act, row, "move", status=DocumentStatus.DELETED.value)
    await act.connection.execute(
        update(document_key)
        .where(document_key.c.unique_id == row.unique_id)
        .values(patient_id=to_patient_id, document_id=to_document_id)
    )
    await act.connection.execute(
        insert(document_move).values(
            patient_id=row.patient_id,
            move_id=uuid4(),
            document_id=document_id,
            to_patient_id=to_patient_id,
            to_document_id=to_document_id,
            at=act.now,
            actor_kind=act.context.actor.kind.value,
            actor_id=act.context.actor.id,
            reason=reason,
        )
    )
    await outbox.publish(
        act,
        DocumentMoved(
            patient_id=row.patient_id,
            document_id=document_id,
            to_patient_id=to_patient_id,
            to_document_id=to_document_id,
        ),
    )
    await outbox.publish(
        act,
        DocumentMetadataChanged(
            patient_id=to_patient_id, document_id=to_document_id, act=Action.MOVE.value, metadata_version=1
        ),
    )
    await _tell_whose_versions_stay(act, row)
    readers = await journal.readers_of(act.connection, row.patient_id, document_id)
    return Moved(document_id=to_document_id, to_patient_id=to_patient_id, readers=readers)


async def _tell_whose_versions_stay(act: Act, row: Any) -> None:
    """A version that the actor does not see stays in the wrong record: those who can move it are told, and not he."""
    told = {
        f"{ActorKind.ESTABLISHMENT if each == version.structure_id else ActorKind.PROFESSIONAL}:{each}"
        for version in await chains.left_behind(act, row)
        if not version.by_patient
        for each in version.author_ids
    }
    for recipient in sorted(told - {act.context.actor.subject}):
        await post(
            act,
            recipient=recipient,
            key=f"misfiled:{row.document_id}",
            kind=NoticeKind.MISFILED_VERSION,
            patient_id=row.patient_id,
        )


async def _copied_submission_set(act: Act, row: Any, to_patient_id: UUID) -> UUID:
    before = (
        await act.connection.execute(
            select(submission_set).where(
                submission_set.c.patient_id == row.patient_id,
                submission_set.c.submission_set_id == row.submission_set_id,
            )
        )
    ).one()
    copied = uuid4()
    await act.connection.execute(
        insert(submission_set).values({**before._mapping, "patient_id": to_patient_id, "submission_set_id": copied})
    )
    return copied
