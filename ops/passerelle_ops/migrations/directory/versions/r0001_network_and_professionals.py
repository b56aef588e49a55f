"""Network and professionals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "establishment",
        sa.Column("finess", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("basin", sa.Text(), nullable=False, comment="health basin (bassin de santé)"),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True, comment="facility type, JDV_J02"),
        sa.PrimaryKeyConstraint("finess", name=op.f("pk_establishment")),
    )
    op.create_index("ix_establishment_tenant_id", "establishment", ["tenant_id", "basin"], unique=False)
    op.create_table(
        "locator",
        sa.Column("person_key", sa.Text(), nullable=False, comment="INS under the network's key; never the INS"),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_key", "tenant_id", name=op.f("pk_locator")),
        comment="Which tenants hold something of a person.",
    )
    op.create_table(
        "professional",
        sa.Column("rpps", sa.Text(), nullable=False, comment="11 digits"),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("profession", sa.Text(), nullable=False, comment="TRE_G15 (or TRE_R94/R95 for non-health)"),
        sa.Column("specialty", sa.Text(), nullable=True, comment="TRE_R38"),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("rpps", name=op.f("pk_professional")),
    )
    op.create_table(
        "tenant",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("settings", postgresql.JSONB(), nullable=False, comment="the network's TOML as declared"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant")),
    )
    op.create_table(
        "practice",
        sa.Column("rpps", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("finess", sa.Text(), server_default="", nullable=False, comment="empty for a practice of one's own"),
        sa.ForeignKeyConstraint(["rpps"], ["professional.rpps"], name=op.f("fk_practice_rpps")),
        sa.PrimaryKeyConstraint("rpps", "tenant_id", "finess", name=op.f("pk_practice")),
        comment="Where a professional works, and so which tenants know him.",
    )
    grants.open_schema()
    grants.read_add_and_change("establishment", "locator", "practice", "professional", "tenant")
