"""What pharmacies dispensed, line by line. Nothing is changed but whether a dispensation still stands.

What is past its storage is erased by the owning role alone, in its function `end_pharmacy_storage` (migration 0006).
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from passerelle.kernel import metadata

dispensation = Table(
    "dispensation",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("dispensation_id", Uuid, nullable=False),
    Column("pharmacy", Text, nullable=False, comment="FINESS"),
    Column("pharmacy_number", Text, nullable=False, comment="the pharmacy's own number"),
    Column("version", Integer, nullable=False, comment="from 1; each correction is one more"),
    Column("status", Text, nullable=False, comment="current | corrected | cancelled"),
    Column("dispensed_at", DateTime(timezone=True), nullable=False),
    Column("dispensed_by", Text, nullable=False, comment="kind:id"),
    Column("prescriber_rpps", Text),
    Column("prescriber_name", Text),
    Column("prescribed_on", Date),
    Column("prescription_number", Text, comment="of the prescription that it answers"),
    Column("document_version", Integer, comment="of the document that it came as, if it did and that has one"),
    Column("fingerprint", Text, nullable=False, comment="mark of what was sent, which nobody but the network can make"),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), comment="when it was corrected or cancelled"),
    Column("ended_by", Text, comment="kind:id"),
    Column("end_reason", Text, comment="why it was corrected or cancelled"),
    Column("origin", Text, comment="the network whose pharmacy dispensed it; null: this one"),
    PrimaryKeyConstraint("patient_id", "dispensation_id"),
    UniqueConstraint("pharmacy", "pharmacy_number", "version"),
    CheckConstraint("status in ('current','corrected','cancelled')", name="status"),
    comment="One version of one dispensation. Append-only but for its end.",
)

dispensation_line = Table(
    "dispensation_line",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("dispensation_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False, comment="from 1, in the order given"),
    Column("product_class", Text, nullable=False, comment="medicine | biologic | vaccine | device"),
    Column("cip13", Text(collation="C")),
    Column("cis", Text(collation="C")),
    Column("label", Text, nullable=False),
    Column("substances", ARRAY(Text), nullable=False, comment="folded names, as the table of that day had them"),
    Column("atc", Text),
    Column("quantity", Numeric, nullable=False),
    Column("dose_text", Text),
    Column("days", Integer, comment="for how many days it lasts"),
    Column("batch", Text(collation="C")),
    Column("is_prescribed", Boolean, nullable=False),
    Column("dispensed_on", Date, nullable=False, comment="legal day of dispensed_at"),
    PrimaryKeyConstraint("patient_id", "dispensation_id", "number"),
    ForeignKeyConstraint(
        ["patient_id", "dispensation_id"], ["dispensation.patient_id", "dispensation.dispensation_id"]
    ),
    CheckConstraint("product_class in ('medicine','biologic','vaccine','device')", name="product_class"),
    Index("ix_dispensation_line_dispensed_on", "patient_id", "dispensed_on"),
    Index("ix_dispensation_line_product_class", "product_class", "dispensed_on"),
    Index("ix_dispensation_line_batch", "cip13", text("upper(replace(batch, ' ', ''))")),
    comment="One product of one dispensation. Append-only.",
)

pharmacy_storage_end = Table(
    "pharmacy_storage_end",
    metadata.tenant,
    Column("end_id", Uuid, nullable=False),
    Column(
        "what",
        Text,
        nullable=False,
        comment="medicine | biologic | vaccine | device: lines; dispensation; objection; override",
    ),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("erased", Integer, nullable=False, comment="how many"),
    Column("first_on", Date, comment="the oldest day among them"),
    Column("last_on", Date),
    PrimaryKeyConstraint("end_id", "what"),
    comment="What was erased at the end of its storage. Written by the functions that erase alone.",
)
