"""Who a document shows itself to, and its ends: masked, hidden, archived, deleted.

Sources: CSP R.1111-49 (masking; the author keeps seeing his own), R.1111-50 (minors), R.1111-53 (announcement
consultation); DMP functions TD3.3a to TD3.3d; JDV_J58. Each act is a new metadata version: the entryUUID
changes, the logicalId stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, Row, func, insert, select, update

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, chains, marks, twins
from passerelle.dossier.events import DocumentMetadataChanged
from passerelle.dossier.majority import of_age_at
from passerelle.dossier.tables import document, document_author, document_version
from passerelle.identities import patients
from passerelle.kernel.clock import months_after
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_policies.vocabulary import Action, DocumentStatus


async def mask(act: Act, document_id: UUID) -> Row[Any]:
    """Mask a document from professionals (MASQUE_PS); its author still sees it.

    Refused: HIDING_COMBINATION while it is hidden from the patient, DOCUMENT_UNKNOWN.
    """
    row = await access.require_document(act, document_id, Action.MASK)
    if access.awaits_announcement(row, act.now):
        raise Conflict("HIDING_COMBINATION")
    # A term that has passed stays written: what was shown by it is not hidden again.
    return await _changed(act, row, Action.MASK, masked=True, hidden_from_patient=False, hidden_since=None)


async def unmask(act: Act, document_id: UUID) -> Row[Any]:
    """Show a masked document to professionals again."""
    row = await access.require_document(act, document_id, Action.UNMASK)
    return await _changed(act, row, Action.UNMASK, masked=False)


async def hide_from_patient(act: Act, document_id: UUID) -> Row[Any]:
    """Hide a document until the announcement consultation, for the rule's delay at most (R.1111-53).

    Refused: HIDING_COMBINATION while masked; ALREADY_SHOWN once it was shown or read and that is final.
    """
    row = await access.require_document(act, document_id, Action.HIDE_FROM_PATIENT)
    if row.masked:
        raise Conflict("HIDING_COMBINATION")
    if access.awaits_announcement(row, act.now):
        return row
    if row.hidden_until is not None and _is_final(act):
        raise Conflict("ALREADY_SHOWN")
    await _must_not_have_been_shown(act, row, Action.SHOW_TO_PATIENT)
    return await _changed(act, row, Action.HIDE_FROM_PATIENT, **announcement(act, is_awaited=True))


async def show_to_patient(act: Act, document_id: UUID, *, confirmed: bool) -> Row[Any]:
    """Show the patient a document that was hidden from him. Irreversible (EX_3.3-1045): CONFIRMATION_MISSING."""
    _must_be_confirmed(confirmed)
    row = await access.require_document(act, document_id, Action.SHOW_TO_PATIENT)
    return await _changed(act, row, Action.SHOW_TO_PATIENT, **announcement(act, is_awaited=False))


async def hide_from_representatives(act: Act, document_id: UUID) -> Row[Any]:
    """Hide a minor's document from his legal representatives (R.1111-50, of minors alone).

    Refused: PATIENT_OF_AGE, BIRTH_DATE_UNKNOWN; ALREADY_SHOWN as above.
    """
    row = await access.require_document(act, document_id, Action.HIDE_FROM_REPRESENTATIVES)
    if not row.hidden_from_representatives:
        await _must_be_a_minor(act, row.patient_id)
        await _must_not_have_been_shown(act, row, Action.SHOW_TO_REPRESENTATIVES)
    return await _changed(act, row, Action.HIDE_FROM_REPRESENTATIVES, hidden_from_representatives=True)


async def show_to_representatives(act: Act, document_id: UUID, *, confirmed: bool) -> Row[Any]:
    """Show the representatives a document that was hidden from them. Irreversible: CONFIRMATION_MISSING."""
    _must_be_confirmed(confirmed)
    row = await access.require_document(act, document_id, Action.SHOW_TO_REPRESENTATIVES)
    return await _changed(act, row, Action.SHOW_TO_REPRESENTATIVES, hidden_from_representatives=False)


async def archive(act: Act, document_id: UUID) -> Row[Any]:
    """Put a document out of ordinary lists; NOT_CURRENT when it is superseded for the actor."""
    row = await access.require_document(act, document_id, Action.ARCHIVE)
    await _must_not_be_superseded(act, row, "NOT_CURRENT")
    return await _changed(act, row, Action.ARCHIVE, status=DocumentStatus.ARCHIVED.value)


async def unarchive(act: Act, document_id: UUID) -> Row[Any]:
    """Bring an archived document back; NOT_ARCHIVED when it is superseded for the actor."""
    row = await access.require_document(act, document_id, Action.UNARCHIVE)
    await _must_not_be_superseded(act, row, "NOT_ARCHIVED")
    return await _changed(act, row, Action.UNARCHIVE, status=DocumentStatus.CURRENT.value)


async def delete(act: Act, document_id: UUID) -> Row[Any]:
    """Delete a document, logically and by its author only (TD3.3c). The row and its history stay."""
    row = await access.require_document(act, document_id, Action.DELETE)
    return await _changed(act, row, Action.DELETE, status=DocumentStatus.DELETED.value)


def announcement(act: Act, is_awaited: bool) -> dict[str, Any]:
    """The columns of a document that the patient sees only once announced, or after the rule's delay; or at once."""
    months = access.number(act.context, "hidden_from_patient.visible_months")
    return {
        "hidden_from_patient": is_awaited,
        "hidden_since": act.now if is_awaited else None,
        "hidden_until": months_after(act.now, months) if is_awaited else None,
    }


def _must_be_confirmed(confirmed: bool) -> None:
    if not confirmed:
        raise InvalidInput("CONFIRMATION_MISSING")


async def _must_be_a_minor(act: Act, patient_id: UUID) -> None:
    of_age = await of_age_at(act, patient_id)
    if of_age is None:
        raise Conflict("BIRTH_DATE_UNKNOWN")
    if of_age <= act.now:
        raise Conflict("PATIENT_OF_AGE")


async def _must_not_be_superseded(act: Act, row: Row[Any], code: str) -> None:
    status = await chains.status_shown(act, row)
    if status is DocumentStatus.SUPERSEDED:
        raise Conflict(code, status=status.value)


def _is_final(act: Act) -> bool:
    """Whether what was shown once stays shown (EX_3.3-1045)."""
    return access.pack_in(act.context).holds("visibility.shown_is_final", act.context.tenant.parameters)


async def _must_not_have_been_shown(act: Act, row: Row[Any], showing: Action) -> None:
    if not _is_final(act):
        return
    was_shown = (
        select(document_version.c.act)
        .where(
            document_version.c.patient_id == row.patient_id,
            document_version.c.document_id == row.document_id,
            document_version.c.act == showing.value,
        )
        .exists()
    )
    # What the patient himself has read may still be hidden from his representatives.
    himself = patients.key_of(row.patient_id) if showing is Action.SHOW_TO_REPRESENTATIVES else None
    was_read = journal.was_read_by_person(row.patient_id, row.document_id, but=himself)
    if (await act.connection.execute(select(was_shown | was_read))).scalar_one():
        raise Conflict("ALREADY_SHOWN")


async def _changed(act: Act, row: Row[Any], action: Action, **changes: Any) -> Row[Any]:
    """Write a new metadata version, its history row and its event; nothing when nothing would change."""
    if all(getattr(row, name) == value for name, value in changes.items()):
        return row
    return await new_metadata_version(act, row, action.value, **changes)


async def new_metadata_version(act: Act, row: Row[Any], what: str, **changes: Any) -> Row[Any]:
    """The same document under a new entryUUID.

    Refused, of a document that two networks have: DOCUMENT_KEPT_ELSEWHERE, MASK_DECIDED_AT_HOME (`marks.decided`).
    """
    await marks.decided(act, row, what, changes)
    version, entry_uuid = row.metadata_version + 1, uuid4()
    written: CursorResult[Any] = await act.connection.execute(
        update(document)
        .where(document.c.patient_id == row.patient_id, document.c.document_id == row.document_id)
        .values(metadata_version=version, entry_uuid=entry_uuid, **changes)
        .returning(document)
    )
    await _history(act, row.patient_id, row.document_id, version, entry_uuid, what, _as_told(changes))
    await outbox.publish(
        act,
        DocumentMetadataChanged(
            patient_id=row.patient_id,
            document_id=row.document_id,
            act=what,
            metadata_version=version,
            origin=row.origin,
        ),
    )
    await twins.tell(act, row.patient_id, row.document_id)
    return written.one()


async def enter(act: Act, what: str, values: Mapping[str, Any]) -> None:
    """Put an entry into a record, with its authors and the beginning of its history.

    `values` are columns of `document`; `what` is `publish`, or `move` for one that came from another record.
    """
    patient_id, document_id = values["patient_id"], values["document_id"]
    await act.connection.execute(insert(document).values(**values))
    await act.connection.execute(
        insert(document_author).from_select(
            ["patient_id", "author_id", "document_id"],
            select(document.c.patient_id, func.unnest(document.c.author_ids), document.c.document_id)
            .where(document.c.patient_id == patient_id, document.c.document_id == document_id)
            .distinct(),
        )
    )
    await _history(
        act,
        patient_id,
        document_id,
        1,
        values["entry_uuid"],
        what,
        _as_told({name: values[name] for name in _DECIDING}),
    )


#: What a decision looks at: the history of an entry begins with these, so that any day can be asked about.
_DECIDING = ("status", "masked", "hidden_from_patient", "hidden_until", "hidden_from_representatives")


def _as_told(values: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in values.items()}


async def _history(
    act: Act,
    patient_id: UUID,
    document_id: UUID,
    version: int,
    entry_uuid: UUID,
    what: str,
    changed: Mapping[str, str | None],
) -> None:
    await act.connection.execute(
        insert(document_version).values(
            patient_id=patient_id,
            document_id=document_id,
            metadata_version=version,
            entry_uuid=entry_uuid,
            act=what,
            at=act.now,
            actor_kind=act.context.actor.kind.value,
            actor_id=act.context.actor.id,
            changed=dict(changed),
        )
    )
