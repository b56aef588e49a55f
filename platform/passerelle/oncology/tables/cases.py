"""Cases registered to a session, what is attached to them, and the sheet of each."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from passerelle.kernel import metadata

board_case = Table(
    "board_case",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("case_id", Uuid, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("requester", Text, nullable=False, comment="professional:<RPPS> who registered it"),
    Column("presenter", Text, nullable=False, comment="professional:<RPPS>"),
    Column("question", Text, nullable=False, comment="what the board is asked"),
    Column("informed_at", DateTime(timezone=True), nullable=False, comment="the patient, of his case being discussed"),
    Column("informed_how", Text, nullable=False),
    Column("agreed", Boolean, nullable=False),
    Column("discussion", Text, nullable=False, comment="discussed | registered: an undisputed standard applies"),
    Column("state", Text, nullable=False, comment="registered | heard | deferred | withdrawn"),
    Column("deferred_from", Uuid, comment="case_id that this one carries on"),
    Column("off_standard", Boolean, nullable=False, server_default=text("false")),
    Column("off_standard_because", Text),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), comment="heard, deferred or withdrawn"),
    CheckConstraint("discussion in ('discussed','registered')", name="discussion"),
    CheckConstraint("state in ('registered','heard','deferred','withdrawn')", name="state"),
    CheckConstraint("agreed", name="agreed"),
    PrimaryKeyConstraint("patient_id", "case_id"),
    ForeignKeyConstraint(["session_id"], ["board_session.session_id"]),
    Index("ix_board_case_session", "session_id", "patient_id"),
    Index("ix_board_case_id", "case_id", unique=True),
    Index(
        "uq_board_case_registered",
        "patient_id",
        "session_id",
        unique=True,
        postgresql_where=text("state in ('registered','heard')"),
    ),
    comment="A patient's case before a board, once for each session.",
)

case_attachment = Table(
    "case_attachment",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("case_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False, comment="of the shared record"),
    Column("attached_by", Text, nullable=False),
    Column("attached_at", DateTime(timezone=True), nullable=False),
    Column("detached_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("patient_id", "case_id", "document_id"),
    ForeignKeyConstraint(["patient_id", "case_id"], ["board_case.patient_id", "board_case.case_id"]),
    comment="Documents of the record that the board may read for this case, and no others.",
)

board_sheet = Table(
    "board_sheet",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("case_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False, comment="in_progress | done | approved | closed"),
    Column("content", JSONB, nullable=False, comment="the sheet, as oncology.sheet writes it"),
    Column("missing", ARRAY(Text), comment="compulsory answers that it lacked when it was written; null: not told"),
    Column("sources", JSONB, comment="by field that nobody wrote himself: the document that it was taken from"),
    Column("revision", Integer, nullable=False, server_default=text("1"), comment="of a sheet being written"),
    Column("correction_because", Text, comment="why this version was begun"),
    Column("written_by", Text, nullable=False),
    Column("written_at", DateTime(timezone=True), nullable=False),
    Column("approved_by", Text),
    Column("approved_at", DateTime(timezone=True)),
    Column("fingerprint", Text, comment="SHA-256 of the octets that were approved"),
    Column("document_id", Uuid, comment="as filed in the shared record"),
    Column("attached", ARRAY(Uuid), comment="documents of the record that the board had before it, when approved"),
    CheckConstraint("state in ('in_progress','done','approved','closed')", name="state"),
    CheckConstraint(
        "(state in ('approved','closed')) = (approved_at is not null and approved_by is not null"
        " and fingerprint is not null and document_id is not null)",
        name="approved",
    ),
    PrimaryKeyConstraint("patient_id", "case_id", "version"),
    ForeignKeyConstraint(["patient_id", "case_id"], ["board_case.patient_id", "board_case.case_id"]),
    Index(
        "uq_board_sheet_being_written",
        "patient_id",
        "case_id",
        unique=True,
        postgresql_where=text("state in ('in_progress','done')"),
    ),
    UniqueConstraint("patient_id", "document_id"),
    comment="Fiche RCP. An approved version never changes; a correction is another version.",
)
