"""The pharmacy record and what was dispensed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from passerelle_ops.migrations import grants

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.add_column(
        "relation",
        sa.Column("place", sa.Text(), comment="FINESS: it holds for who acts from there, and from nowhere else"),
    )
    op.create_table(
        "pharmacy_record",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="informed | open | objected | closed; none: no row"),
        sa.Column("informed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opens_on", sa.Date(), nullable=True, comment="the first day on which it may open by itself"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("objected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "objection_ends_on",
            sa.Date(),
            nullable=True,
            comment="until then nobody opens it but at the patient's wish",
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('informed','open','objected','closed')", name=op.f("ck_pharmacy_record_state")),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_pharmacy_record")),
        comment="The pharmacy record (DP) of a patient. What it holds is read while it is open, and only then.",
    )
    op.create_index(
        "ix_pharmacy_record_opens_on",
        "pharmacy_record",
        ["opens_on", "patient_id"],
        unique=False,
        postgresql_where=sa.text("state = 'informed'"),
    )
    op.create_table(
        "pharmacy_record_act",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("act_id", sa.Uuid(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False, comment="inform | open | object | close"),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False, comment="kind:id"),
        sa.Column("place", sa.Text(), nullable=True, comment="FINESS from which it was done"),
        sa.Column("basis", sa.Text(), nullable=False, comment="agreement | opt_out | objection | request"),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("kept_until", sa.Date(), nullable=True, comment="how long the trace of an objection is kept"),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["pharmacy_record.patient_id"], name=op.f("fk_pharmacy_record_act_patient_id")
        ),
        sa.PrimaryKeyConstraint("patient_id", "act_id", name=op.f("pk_pharmacy_record_act")),
        comment="Append-only: each act in the life of a pharmacy record.",
    )
    op.create_table(
        "dispensation",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("dispensation_id", sa.Uuid(), nullable=False),
        sa.Column("pharmacy", sa.Text(), nullable=False, comment="FINESS"),
        sa.Column("pharmacy_number", sa.Text(), nullable=False, comment="the pharmacy's own number"),
        sa.Column("version", sa.Integer(), nullable=False, comment="from 1; each correction is one more"),
        sa.Column("status", sa.Text(), nullable=False, comment="current | corrected | cancelled"),
        sa.Column("dispensed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dispensed_by", sa.Text(), nullable=False, comment="kind:id"),
        sa.Column("prescriber_rpps", sa.Text(), nullable=True),
        sa.Column("prescriber_name", sa.Text(), nullable=True),
        sa.Column("prescribed_on", sa.Date(), nullable=True),
        sa.Column(
            "document_version",
            sa.Integer(),
            nullable=True,
            comment="of the document that it came as, if it did and that has one",
        ),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="SHA-256 of what was sent"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="when it was corrected or cancelled"),
        sa.Column("ended_by", sa.Text(), nullable=True, comment="kind:id"),
        sa.Column("end_reason", sa.Text(), nullable=True, comment="why it was corrected or cancelled"),
        sa.CheckConstraint("status in ('current','corrected','cancelled')", name=op.f("ck_dispensation_status")),
        sa.PrimaryKeyConstraint("patient_id", "dispensation_id", name=op.f("pk_dispensation")),
        sa.UniqueConstraint(
            "pharmacy", "pharmacy_number", "version", name=op.f("uq_dispensation_pharmacy_pharmacy_number_version")
        ),
        comment="One version of one dispensation. Append-only but for its end.",
    )
    op.create_table(
        "dispensation_line",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("dispensation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="from 1, in the order given"),
        sa.Column("product_class", sa.Text(), nullable=False, comment="medicine | biologic | vaccine | device"),
        sa.Column("cip13", sa.Text(collation="C"), nullable=True),
        sa.Column("cis", sa.Text(collation="C"), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column(
            "substances",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="folded names, as the table of that day had them",
        ),
        sa.Column("atc", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("dose_text", sa.Text(), nullable=True),
        sa.Column("days", sa.Integer(), nullable=True, comment="for how many days it lasts"),
        sa.Column("batch", sa.Text(collation="C"), nullable=True),
        sa.Column("is_prescribed", sa.Boolean(), nullable=False),
        sa.Column("dispensed_on", sa.Date(), nullable=False, comment="legal day of dispensed_at"),
        sa.CheckConstraint(
            "product_class in ('medicine','biologic','vaccine','device')",
            name=op.f("ck_dispensation_line_product_class"),
        ),
        sa.ForeignKeyConstraint(
            ["patient_id", "dispensation_id"],
            ["dispensation.patient_id", "dispensation.dispensation_id"],
            name=op.f("fk_dispensation_line_patient_id_dispensation_id"),
        ),
        sa.PrimaryKeyConstraint("patient_id", "dispensation_id", "number", name=op.f("pk_dispensation_line")),
        comment="One product of one dispensation. Append-only.",
    )
    op.create_index(
        "ix_dispensation_line_dispensed_on", "dispensation_line", ["patient_id", "dispensed_on"], unique=False
    )
    op.create_index(
        "ix_dispensation_line_batch",
        "dispensation_line",
        ["cip13", sa.text("upper(replace(batch, ' ', ''))")],
        unique=False,
    )
    grants.read_and_add("pharmacy_record_act", "dispensation_line")
    grants.read_add_and_change("pharmacy_record", "dispensation")
