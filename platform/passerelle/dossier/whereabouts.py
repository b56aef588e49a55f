"""What a network has of a patient that another one is to have as well, as selectables of ids."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, or_, select

from passerelle.dossier.tables import document, document_mark, document_withholding

_HOME = "home"


def kept_here(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The documents of a patient that this network keeps."""
    return select(document.c.document_id.label("object_id")).where(
        document.c.patient_id == patient_id, document.c.origin.is_(None)
    )


def decided_of(patient_id: ColumnElement[UUID], network: ColumnElement[str]) -> Select[Any]:
    """The documents of a patient that a network keeps and that something was decided of here, as his home."""

    def is_of(table: Table) -> ColumnElement[bool]:
        return (table.c.patient_id == document.c.patient_id) & (table.c.document_id == document.c.document_id)

    marked = select(document_mark.c.side).where(is_of(document_mark), document_mark.c.side == _HOME)
    withheld = select(document_withholding.c.subject).where(is_of(document_withholding))
    return select(document.c.document_id.label("object_id")).where(
        document.c.patient_id == patient_id,
        document.c.origin == network,
        or_(marked.correlate(document).exists(), withheld.correlate(document).exists()),
    )
