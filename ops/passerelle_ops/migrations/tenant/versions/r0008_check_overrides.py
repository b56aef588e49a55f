"""What a pharmacist dispenses all the same."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "check_override",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("override_id", sa.Uuid(), nullable=False),
        sa.Column("finding", sa.Text(collation="C"), nullable=False, comment="key of the warning"),
        sa.Column("code", sa.Text(), nullable=False, comment="what the warning is of"),
        sa.Column("products", postgresql.ARRAY(sa.Text()), nullable=False, comment="CIP13 of what is dispensed"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("pharmacy", sa.Text(), nullable=False, comment="FINESS"),
        sa.Column("by", sa.Text(), nullable=False, comment="professional:<RPPS>"),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", "override_id", name=op.f("pk_check_override")),
        comment="Append-only.",
    )
    grants.read_and_add("check_override")
