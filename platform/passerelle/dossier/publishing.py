"""Filing documents: publish, replace, and the documents that patients add themselves.

Sources: DMP functions TD2.1a, TD2.1b; IHE ITI-41/ITI-65; CSP L.1111-15 (feeding), R.1111-47. Feeding needs no
authorisation of the patient but an open record, a type that the record takes, and a qualified INS unless the
tenant's rule says otherwise. One uniqueId names one content: filing it again changes nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, chains, withholding
from passerelle.dossier.contents import content_binding
from passerelle.dossier.events import DocumentPublished
from passerelle.dossier.formats.submission import (
    Author,
    DocumentMetadata,
    IncomingDocument,
    IncomingSubmission,
)
from passerelle.dossier.tables import document_key, dossier, submission_set
from passerelle.dossier.visibility import announcement, enter
from passerelle.identities import patients
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, Refused
from passerelle_policies import nomenclatures
from passerelle_policies.decision import DocumentFacts, decide
from passerelle_policies.vocabulary import Action, DocumentStatus, Kind


class Filing(StrEnum):
    """What became of a document that was given."""

    STORED = "stored"
    ALREADY_HERE = "already_here"
    REPLACED = "replaced"  # stored, as the next version of one that is here


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where a document is filed."""

    patient_id: UUID
    document_id: UUID
    filing: Filing
    replaced: UUID | None = None


async def publish(
    act: Act,
    patient_id: UUID,
    incoming: IncomingDocument,
    submission: IncomingSubmission | None = None,
    *,
    by_patient: bool = False,
    succeeds: bool = False,
) -> Published:
    """File one document, as the next version of the one that it says it replaces. It `succeeds` what another filed
    where a record above this one decided so (`replace-successor`).

    Refused: ACCESS_REFUSED; TYPE_UNKNOWN, TYPE_NOT_IN_DMP, CONTENT_TOO_LARGE, HIDING_COMBINATION; as
    conflicts that a person must settle: DOSSIER_NOT_OPEN, IDENTITY_NOT_QUALIFIED, UNIQUE_ID_REUSED,
    PARENT_UNKNOWN, PARENT_OF_ANOTHER_PATIENT, PARENT_NOT_CURRENT (`chains.joined`).
    """
    metadata = incoming.metadata
    kind_of = document_type_in(act, metadata.type_code)
    if len(incoming.content) > access.number(act.context, "documents.max_bytes"):
        raise LimitExceeded("DOCUMENT_TOO_LARGE", limit=access.number(act.context, "documents.max_bytes"))
    if metadata.masked and metadata.hidden_from_patient:
        raise Conflict("HIDING_COMBINATION")
    author_ids = _author_ids(act, metadata, by_patient=by_patient)
    about = DocumentFacts(
        type_code=metadata.type_code,
        status=DocumentStatus.CURRENT,
        masked=metadata.masked,
        hidden_from_patient=metadata.hidden_from_patient,
        hidden_from_representatives=metadata.hidden_from_representatives,
        by_actor=act.context.actor.id in author_ids,
    )
    said = await may_file(act, patient_id, about)
    claim = await _claimed(act, patient_id, incoming)
    if claim.filing is Filing.ALREADY_HERE:
        return claim
    await journal.append(act.connection, act.context, replace(said, document_id=claim.document_id))
    await must_be_identified(act, patient_id, by_patient=by_patient)
    wrapped_key = await _open_key(act, patient_id)
    document_id = claim.document_id
    link = await _link(act, patient_id, metadata, document_id, succeeds=succeeds)
    parent = link.parent if link else None
    set_id = await _submission_set(act, patient_id, incoming, submission)
    values = _columns(act, metadata, kind_of, author_ids, by_patient=by_patient)
    if parent is not None:
        values |= _no_more_visible_than(act, parent, values)
    values |= {
        "patient_id": patient_id,
        "document_id": document_id,
        "chain_id": parent.chain_id if parent else document_id,
        "chain_position": link.position if link else 1,
        "replaces": parent.document_id if parent else None,
        "submission_set_id": set_id,
        "size": len(incoming.content),
        "sha256": incoming.sha256,
        "content_name": str(uuid4()),
    }
    tenant = act.context.tenant
    # The content goes first: a crash leaves an orphan that nobody sees, never an entry without content.
    await tenant.contents.put(
        values["content_name"],
        incoming.content,
        tenant.keys.dossier_key(tenant.id, patient_id, wrapped_key),
        content_binding(tenant.id, document_id),
    )
    await enter(act, "publish", values)
    if link is not None:
        await chains.close_behind(act, link, document_id)
        await withholding.carry_over(act, link.parent, document_id)
    await outbox.publish(
        act,
        DocumentPublished(
            patient_id=patient_id, document_id=document_id, replaces=parent.document_id if parent else None
        ),
    )
    return Published(
        patient_id=patient_id,
        document_id=document_id,
        filing=Filing.REPLACED if parent else Filing.STORED,
        replaced=parent.document_id if parent else None,
    )


async def publish_own(act: Act, patient_id: UUID, incoming: IncomingDocument) -> Published:
    """File a document that the patient (or his representative) adds himself; it is marked as such."""
    own = replace(
        incoming,
        metadata=replace(
            incoming.metadata,
            authors=(Author(kind="patient", family_name=act.context.actor.name),),
            structure_id=None,
            masked=False,
            hidden_from_patient=False,
            hidden_from_representatives=False,
        ),
    )
    return await publish(act, patient_id, own, by_patient=True)


def document_type_in(act: Act, type_code: str) -> nomenclatures.DocumentType:
    """The type, when the exchange knows it (JDV_J07) and the record takes it (ASS_X16)."""
    known = nomenclatures.document_type(type_code)
    if known is None or not known.is_exchanged:
        raise InvalidInput("TYPE_UNKNOWN", type=type_code)
    if type_code not in access.pack_in(act.context).dmp_types:
        raise InvalidInput("TYPE_NOT_IN_DMP", type=type_code)
    return known


async def may_file(act: Act, patient_id: UUID, about: DocumentFacts) -> journal.Line:
    """Decide one filing and give its journal line, to be added with the id of the document: the patient may have to
    wait for it. `Refused`, or the conflict DOSSIER_NOT_OPEN for someone who may feed."""
    action = Action.PUBLISH
    facts = await access.facts_of(act.context, act.connection, patient_id)
    decision = decide(facts, Kind.DOCUMENT, action, about, overrides=act.context.tenant.parameters)
    said = access.line(decision, Kind.DOCUMENT, action, patient_id, facts, about=about)
    if not decision.allowed:
        if decision.code == "DOSSIER_NOT_OPEN":
            raise Conflict("DOSSIER_NOT_OPEN", line=said)
        raise Refused(decision.code or "ACCESS_REFUSED", line=said)
    return said


async def _claimed(act: Act, patient_id: UUID, incoming: IncomingDocument) -> Published:
    """Claim the uniqueId, waiting for whoever claims it in the same instant; tell where it is, or will be."""
    metadata = incoming.metadata
    claim = (
        upsert(document_key)
        .values(
            unique_id=metadata.unique_id,
            structure_id=metadata.structure_id or "",
            sha256=incoming.sha256,
            patient_id=patient_id,
            document_id=uuid4(),
        )
        .on_conflict_do_nothing()
        .returning(document_key.c.document_id)
    )
    if (row := (await act.connection.execute(claim)).one_or_none()) is not None:
        return Published(patient_id=patient_id, document_id=UUID(str(row.document_id)), filing=Filing.STORED)
    held = (
        await act.connection.execute(select(document_key).where(document_key.c.unique_id == metadata.unique_id))
    ).one()
    if held.sha256 != incoming.sha256:
        raise Conflict("UNIQUE_ID_REUSED")
    if held.patient_id != patient_id:
        raise Conflict("UNIQUE_ID_OF_ANOTHER_PATIENT")
    return Published(patient_id=patient_id, document_id=held.document_id, filing=Filing.ALREADY_HERE)


async def must_be_identified(act: Act, patient_id: UUID, *, by_patient: bool) -> None:
    """IDENTITY_NOT_QUALIFIED where professionals may not feed yet (`feeding.requires_status`); PATIENT_UNKNOWN."""
    required = access.required_status(act.context)
    known = await patients.by_id(act, patient_id)
    if known is None:
        raise Conflict("PATIENT_UNKNOWN")
    if not by_patient and not patients.trusted_as(known.status, required):
        raise Conflict("IDENTITY_NOT_QUALIFIED", required=required)


async def _open_key(act: Act, patient_id: UUID) -> bytes:
    """The record's wrapped key, its row locked so that a closure waits for this filing or this for it."""
    held = await act.connection.execute(
        select(dossier.c.state, dossier.c.wrapped_key)
        .where(dossier.c.patient_id == patient_id)
        .with_for_update(read=True)
    )
    row = held.one_or_none()
    if row is None or row.state != "open" or row.wrapped_key is None:
        raise Conflict("DOSSIER_NOT_OPEN")
    return bytes(row.wrapped_key)


async def _link(
    act: Act, patient_id: UUID, metadata: DocumentMetadata, document_id: UUID, *, succeeds: bool
) -> chains.Link | None:
    """Where the document joins the chain of the version that it says it replaces, decided and journalled."""
    if metadata.replaces_unique_id is None:
        return None
    link = await chains.joined(act, patient_id, metadata.replaces_unique_id, succeeds=succeeds)
    # Told of the new version: whoever may not know of it does not learn that the one before has a successor.
    await journal.append(act.connection, act.context, replace(link.line, document_id=document_id))
    return link


async def _submission_set(
    act: Act, patient_id: UUID, incoming: IncomingDocument, submission: IncomingSubmission | None
) -> UUID:
    submission_set_id = uuid4()
    given = submission or IncomingSubmission(documents=(incoming,))
    author = given.author or (incoming.metadata.authors[0] if incoming.metadata.authors else None)
    await act.connection.execute(
        insert(submission_set).values(
            patient_id=patient_id,
            submission_set_id=submission_set_id,
            unique_id=given.unique_id or f"urn:uuid:{submission_set_id}",
            source_id=given.source_id or act.context.actor.subject,
            submitted_at=act.now,
            title=given.title,
            content_type=given.content_type,
            author=_author_column(author) if author else None,
        )
    )
    return submission_set_id


def _author_ids(act: Act, metadata: DocumentMetadata, *, by_patient: bool) -> list[str]:
    if by_patient:
        return [act.context.actor.id]
    ids = {each.id for each in metadata.authors if each.is_rpps and each.id}
    return sorted(ids | ({metadata.structure_id} if metadata.structure_id else set()))


def _author_column(author: Author) -> dict[str, Any]:
    return {name: value for name, value in asdict(author).items() if value is not None}


def _columns(
    act: Act,
    metadata: DocumentMetadata,
    kind_of: nomenclatures.DocumentType,
    author_ids: list[str],
    *,
    by_patient: bool,
) -> dict[str, Any]:
    created, start, stop = metadata.creation_time, metadata.service_start, metadata.service_stop
    ended = stop or start
    return {
        "entry_uuid": uuid4(),
        "unique_id": metadata.unique_id,
        "set_id": metadata.set_id,
        "version_number": metadata.version_number,
        "status": DocumentStatus.CURRENT.value,
        "class_code": kind_of.class_code,
        "class_label": kind_of.class_label,
        "type_code": kind_of.code,
        "type_label": kind_of.label,
        "format_code": metadata.format_code,
        "mime_type": metadata.mime_type,
        "confidentiality": metadata.confidentiality,
        "masked": metadata.masked,
        **announcement(act, metadata.hidden_from_patient),
        "hidden_from_representatives": metadata.hidden_from_representatives,
        "title": metadata.title or kind_of.label,
        "language": metadata.language,
        "authors": [_author_column(each) for each in metadata.authors],
        "author_ids": author_ids,
        "structure_id": metadata.structure_id,
        "facility_type": metadata.facility_type,
        "practice_setting": metadata.practice_setting,
        "event_codes": [asdict(each) for each in metadata.event_codes],
        "creation_time": created.given,
        "service_start": start.given if start else None,
        "service_stop": stop.given if stop else None,
        "service_from": start.earliest if start else None,
        "service_to": ended.latest if ended else None,
        "created_from": created.earliest,
        "created_to": created.latest,
        "act_at": act_instant(metadata, act.now),
        "by_patient": by_patient,
        "filed_at": act.now,
        "filed_by": act.context.actor.subject,
    }


def _no_more_visible_than(act: Act, parent: Row[Any], values: dict[str, Any]) -> dict[str, Any]:
    """What hides the version before hides the new one: replacing a document never shows it to more people.

    Refused: HIDING_COMBINATION when the parent is masked and the new version is to be hidden from the patient
    (or the other way round).
    """
    masked = parent.masked or values["masked"]
    awaits = access.awaits_announcement(parent, act.now)
    if masked and (awaits or values["hidden_from_patient"]):
        raise Conflict("HIDING_COMBINATION")
    # The announcement is of the same thing: its delay runs from the first version.
    begun = ("hidden_from_patient", "hidden_since", "hidden_until") if awaits else ()
    return {
        "masked": masked,
        **{name: getattr(parent, name) for name in begun},
        "hidden_from_representatives": parent.hidden_from_representatives or values["hidden_from_representatives"],
    }


def act_instant(metadata: DocumentMetadata, filed_at: datetime) -> datetime:
    """What lists order by: the start of the act, else the creation, else the filing."""
    for time in (metadata.service_start, metadata.service_stop, metadata.creation_time):
        if time is not None and time.earliest is not None:
            return time.earliest
    return filed_at
