"""Care plans (PPS) and aftercare plans (PPAC), and what they remind of."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.kernel import metadata

care_plan = Table(
    "care_plan",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("plan_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="care_plan (PPS) | aftercare_plan (PPAC)"),
    Column("case_id", Uuid, comment="the case whose sheet it was derived from"),
    Column("state", Text, nullable=False, comment="draft | issued"),
    Column("content", JSONB, nullable=False),
    Column("revision", Integer, nullable=False, server_default=text("1"), comment="of a draft being written"),
    Column("written_by", Text, nullable=False),
    Column("written_at", DateTime(timezone=True), nullable=False),
    Column("issued_by", Text),
    Column("issued_at", DateTime(timezone=True)),
    Column("document_id", Uuid, comment="as filed in the shared record"),
    CheckConstraint("kind in ('care_plan','aftercare_plan')", name="kind"),
    CheckConstraint("state in ('draft','issued')", name="state"),
    CheckConstraint(
        "(state = 'issued') = (issued_at is not null and issued_by is not null and document_id is not null)",
        name="issued",
    ),
    PrimaryKeyConstraint("patient_id", "plan_id", "version"),
    Index("uq_care_plan_draft", "patient_id", "plan_id", unique=True, postgresql_where=text("state = 'draft'")),
    comment="Programme de soins (PPS), plan de l'après-cancer (PPAC). An issued version never changes.",
)

care_plan_reminder = Table(
    "care_plan_reminder",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("plan_id", Uuid, nullable=False),
    Column("reminder_id", Uuid, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("told_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True), comment="the plan that it belongs to was replaced"),
    PrimaryKeyConstraint("patient_id", "plan_id", "reminder_id"),
    Index(
        "ix_care_plan_reminder_due",
        "due_on",
        postgresql_where=text("told_at is null and ended_at is null"),
    ),
    comment="The steps of a follow-up schedule that the patient is told of when they come near.",
)
