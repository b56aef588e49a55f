"""Recalls of products."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "recall",
        sa.Column("recall_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="recall: of a product | alert: to every pharmacy"),
        sa.Column("level", sa.Text(), nullable=False, comment="urgent | standard"),
        sa.Column("cip13", sa.Text(), nullable=True, comment="of the product; null for an alert"),
        sa.Column(
            "batches",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'::text[]"),
            nullable=False,
            comment="none: the whole product",
        ),
        sa.Column("message", sa.Text(), nullable=False, comment="what to do, in the authority's words"),
        sa.Column("source", sa.Text(), nullable=False, comment="the authority: ansm, dgs…"),
        sa.Column("reference", sa.Text(), nullable=False, comment="the authority's own number"),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False, comment="kind:id"),
        sa.Column(
            "closed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="from then on it reaches nobody more, and stops nothing",
        ),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.CheckConstraint("(kind = 'alert') = (cip13 is null)", name=op.f("ck_recall_product")),
        sa.PrimaryKeyConstraint("recall_id", name=op.f("pk_recall")),
        sa.UniqueConstraint("source", "reference", name=op.f("uq_recall_source_reference")),
    )
    op.create_index(
        "ix_recall_running", "recall", ["issued_at"], unique=False, postgresql_where=sa.text("closed_at is null")
    )
    op.create_table(
        "recall_delivery",
        sa.Column("recall_id", sa.Uuid(), nullable=False),
        sa.Column("pharmacy", sa.Text(), nullable=False, comment="FINESS"),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("escalates_at", sa.DateTime(timezone=True), nullable=False, comment="unless acknowledged before"),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True, comment="professional:<RPPS>"),
        sa.Column(
            "state",
            sa.Text(),
            sa.Computed(
                "case when acknowledged_at is not null then 'acknowledged' when escalated_at is not null then"
                " 'escalated' when delivered_at is not null then 'delivered' else 'issued' end",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "acknowledged_at is null or delivered_at is not null", name=op.f("ck_recall_delivery_delivered_first")
        ),
        sa.CheckConstraint(
            "(acknowledged_at is null) = (acknowledged_by is null)", name=op.f("ck_recall_delivery_by_somebody")
        ),
        sa.ForeignKeyConstraint(["recall_id"], ["recall.recall_id"], name=op.f("fk_recall_delivery_recall_id")),
        sa.PrimaryKeyConstraint("recall_id", "pharmacy", name=op.f("pk_recall_delivery")),
        comment="Each pharmacy that a recall concerns, once.",
    )
    op.create_index(
        "ix_recall_delivery_due",
        "recall_delivery",
        ["escalates_at"],
        unique=False,
        postgresql_where=sa.text("acknowledged_at is null and escalated_at is null"),
    )
    op.create_index(
        "ix_recall_delivery_pharmacy",
        "recall_delivery",
        ["pharmacy", sa.text("issued_at desc"), "recall_id"],
        unique=False,
    )
    op.create_index(
        "ix_recall_delivery_waiting",
        "recall_delivery",
        ["pharmacy"],
        unique=False,
        postgresql_where=sa.text("acknowledged_at is null"),
    )
    grants.read_add_and_change("recall", "recall_delivery")
