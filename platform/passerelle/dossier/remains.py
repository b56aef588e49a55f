"""What remains of a purged record: that it was there, what was done to it and when, and nothing of health.

Nobody may delete a row: what it said is blanked. What stays: the dates and actors of the record's life, the
identity, the journal (its retention is a rule of its own), the number of documents and the uniqueIds that are
taken. Sources: CSP R.1111-36; RGPD, art. 17.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Text, and_, cast, func, literal, or_, select, update

from passerelle.audit.transactions import Act
from passerelle.dossier.tables import (
    block,
    document,
    document_author,
    document_key,
    document_move,
    document_withholding,
    dossier_act,
    emergency_access,
    erasure_request,
    relation,
    submission_set,
    team_consent,
    team_exclusion,
)
from passerelle.notices import erasing
from passerelle_policies.vocabulary import Action, DocumentStatus, Relation

ERASED: Final = "erased"
"""What stands in the place of a subject who is no longer named."""

#: What is left of a purged document. Its content's name stays until the content is destroyed.
_BLANK: dict[str, Any] = {
    "status": DocumentStatus.DELETED.value,
    **dict.fromkeys(("title", "class_code", "class_label", "type_code", "type_label", "mime_type", "sha256"), ""),
    **dict.fromkeys(("format_code", "language", "structure_id", "facility_type", "practice_setting")),
    **dict.fromkeys(("set_id", "creation_time", "service_start", "service_stop")),
    **dict.fromkeys(("service_from", "service_to", "created_from", "created_to")),
    "authors": [],
    "event_codes": [],
    "size": 0,
    "act_at": document.c.filed_at,
}


async def blank(act: Act, patient_id: UUID) -> None:
    """Blank every row about a record but the journal, whose key is destroyed in the same transaction.

    Of a document that came from another record by repair, the entry that was left there is blanked too.
    """
    await _blank_documents(act, patient_id)
    await _blank_access(act, patient_id)
    await act.connection.execute(
        update(dossier_act)
        .where(dossier_act.c.patient_id == patient_id, dossier_act.c.act != Action.PURGE.value)
        .values(proof=None)
    )
    await act.connection.execute(
        update(erasure_request).where(erasure_request.c.patient_id == patient_id).values(proof="")
    )
    await erasing.erase_about(act, patient_id)


def of_record(patient_id: UUID) -> Any:
    """SQL condition on `document`: it is of this record, or was filed elsewhere by mistake and moved here."""
    misfiled = select(document_move.c.document_id).where(document_move.c.to_patient_id == patient_id)
    return or_(document.c.patient_id == patient_id, document.c.document_id.in_(misfiled))


async def _blank_documents(act: Act, patient_id: UUID) -> None:
    blanked = await act.connection.execute(
        update(document).where(of_record(patient_id)).values(**_BLANK).returning(document.c.document_id)
    )
    ids = blanked.scalars().all()
    # A second purge of what was moved finds a name drawn at random: it draws another.
    await act.connection.execute(
        update(document_author)
        .where(document_author.c.document_id.in_(ids))
        .values(author_id=cast(func.gen_random_uuid(), Text()))
    )
    drawn = select(
        func.coalesce(func.array_agg(document_author.c.author_id), cast(literal("{}"), ARRAY(Text())))
    ).where(document_author.c.document_id == document.c.document_id)
    await act.connection.execute(
        update(document).where(document.c.document_id.in_(ids)).values(author_ids=drawn.scalar_subquery())
    )
    await act.connection.execute(
        update(document_key).where(document_key.c.document_id.in_(ids)).values(structure_id="", sha256="")
    )
    misfiled = select(document.c.submission_set_id).where(document.c.document_id.in_(ids))
    await act.connection.execute(
        update(submission_set)
        .where(or_(submission_set.c.patient_id == patient_id, submission_set.c.submission_set_id.in_(misfiled)))
        .values(title=None, author=None, content_type=None)
    )
    await act.connection.execute(
        update(document_move)
        .where(or_(document_move.c.patient_id == patient_id, document_move.c.to_patient_id == patient_id))
        .values(reason="")
    )


async def _blank_access(act: Act, patient_id: UUID) -> None:
    def ended(column: Any) -> Any:
        return func.least(func.coalesce(column, literal(act.now)), literal(act.now))

    await act.connection.execute(update(relation).where(relation.c.patient_id == patient_id).values(proof=None))
    # A representative keeps his powers over the person, and the journal to read.
    await act.connection.execute(
        update(relation)
        .where(and_(relation.c.patient_id == patient_id, relation.c.relation != Relation.REPRESENTATIVE.value))
        .values(
            subject=ERASED,
            place=None,
            recorded_by=ERASED,
            withdrawn_by=None,
            basis=None,
            motive=None,
            valid_until=ended(relation.c.valid_until),
        )
    )
    await act.connection.execute(
        update(team_consent)
        .where(team_consent.c.patient_id == patient_id)
        .values(asked_by=ERASED, informed_how="", proof="", valid_until=ended(team_consent.c.valid_until))
    )
    await act.connection.execute(
        update(block)
        .where(block.c.patient_id == patient_id)
        .values(subject=ERASED, valid_until=ended(block.c.valid_until))
    )
    await act.connection.execute(
        update(team_exclusion)
        .where(team_exclusion.c.patient_id == patient_id)
        .values(subject=ERASED, because_of=ERASED, valid_until=ended(team_exclusion.c.valid_until))
    )
    await act.connection.execute(
        update(document_withholding)
        .where(document_withholding.c.patient_id == patient_id)
        .values(subject=ERASED, valid_until=ended(document_withholding.c.valid_until))
    )
    # Who opened the record in an emergency stays, for the review; what was the matter with the patient does not.
    await act.connection.execute(
        update(emergency_access).where(emergency_access.c.patient_id == patient_id).values(reason="", comment=None)
    )
