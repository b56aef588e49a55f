"""Records: their states, their acts, what came in together, their erasure."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.kernel import metadata

dossier = Table(
    "dossier",
    metadata.tenant,
    Column("patient_id", Uuid, primary_key=True),
    Column("state", Text, nullable=False, comment="informed | open | suspended | closed | purged"),
    Column("informed_at", DateTime(timezone=True)),
    Column("objection_until", DateTime(timezone=True), comment="end of the opt-out delay"),
    Column("opened_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("purge_after", DateTime(timezone=True), comment="end of retention of a closed record"),
    Column("wrapped_key", LargeBinary, comment="the dossier's key under the tenant's; null once purged"),
    CheckConstraint("state in ('informed','open','suspended','closed','purged')", name="state"),
    Index("ix_dossier_objection_until", "objection_until", postgresql_where=text("state = 'informed'")),
    Index("ix_dossier_purge_after", "purge_after", postgresql_where=text("state = 'closed'")),
)

dossier_act = Table(
    "dossier_act",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("act_id", Uuid, nullable=False),
    Column("act", Text, nullable=False, comment="inform | open | suspend | resume | close | reopen | purge"),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("basis", Text, comment="consent | opt_out | request | retention | fraud…"),
    Column("proof", Text, comment="how consent, its absence or the reason was established"),
    PrimaryKeyConstraint("patient_id", "act_id"),
    ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"]),
    comment="The life of a record, act by act. Consent or its absence stays here with date and proof.",
)

submission_set = Table(
    "submission_set",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("submission_set_id", Uuid, nullable=False),
    Column("unique_id", Text, nullable=False),
    Column("source_id", Text, nullable=False, comment="OID or URI of the sending system"),
    Column("submitted_at", DateTime(timezone=True), nullable=False),
    Column("title", Text),
    Column("content_type", Text, comment="JDV_J03 content type code"),
    Column("author", JSONB),
    PrimaryKeyConstraint("patient_id", "submission_set_id"),
    ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"]),
)

erasure_request = Table(
    "erasure_request",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("request_id", Uuid, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("requested_by", Text, nullable=False, comment="kind:id of the actor"),
    Column("due_at", DateTime(timezone=True), nullable=False, comment="the rule's term"),
    Column("proof", Text, nullable=False, comment="how the request was established"),
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("done_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("patient_id", "request_id"),
    ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"]),
    Index("ix_erasure_request_due", "due_at", postgresql_where=text("done_at is null and withdrawn_at is null")),
    comment="Express requests to erase a closed record (R.1111-36).",
)

erasure_certificate = Table(
    "erasure_certificate",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("certificate_id", Uuid, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("statement", Text, nullable=False, comment="canonical JSON, as signed: what was erased, when, why"),
    Column("signature", LargeBinary, nullable=False, comment="Ed25519, by the tenant's key"),
    Column("key_id", Text, nullable=False),
    PrimaryKeyConstraint("patient_id", "certificate_id"),
    ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"]),
    comment="Append-only: what proves that a record's key was destroyed.",
)
