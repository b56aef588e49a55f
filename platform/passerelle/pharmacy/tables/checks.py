"""What a pharmacist dispensed in spite of a warning, and why."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, PrimaryKeyConstraint, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from passerelle.kernel import metadata

check_override = Table(
    "check_override",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("override_id", Uuid, nullable=False),
    Column("finding", Text(collation="C"), nullable=False, comment="key of the warning"),
    Column("code", Text, nullable=False, comment="what the warning is of"),
    Column("products", ARRAY(Text), nullable=False, comment="CIP13 of what is dispensed"),
    Column("reason", Text, nullable=False),
    Column("pharmacy", Text, nullable=False, comment="FINESS"),
    Column("by", Text, nullable=False, comment="professional:<RPPS>"),
    Column("by_name", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("patient_id", "override_id"),
    Index("ix_check_override_at", "at"),
    comment="Append-only, until the end of its storage.",
)
