"""What a network has of a patient that another one is to have as well, as selectables of ids."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select

from passerelle.dossier.tables import document, document_mark

_HOME = "home"


def kept_here(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The documents of a patient that this network keeps."""
    return select(document.c.document_id.label("object_id")).where(
        document.c.patient_id == patient_id, document.c.origin.is_(None)
    )


def decided_of(patient_id: ColumnElement[UUID], network: ColumnElement[str]) -> Select[Any]:
    """The documents of a patient that a network keeps and that something was decided of here, as his home."""
    return (
        select(document.c.document_id.label("object_id"))
        .join(
            document_mark,
            (document_mark.c.patient_id == document.c.patient_id)
            & (document_mark.c.document_id == document.c.document_id)
            & (document_mark.c.side == _HOME),
        )
        .where(document.c.patient_id == patient_id, document.c.origin == network)
    )
