"""Homes of persons and published keys of networks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "home",
        sa.Column("person_key", sa.Text(), nullable=False, comment="as in the locator"),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="one more at each change"),
        sa.Column("state", sa.Text(), nullable=False, comment="presumed | declared | moving | handed | disputed"),
        sa.Column(
            "claimed_by",
            sa.Text(),
            nullable=True,
            comment="the network he moves to, or that says it is his home as well",
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state in ('presumed','declared','moving','handed','disputed')", name=op.f("ck_home_state")),
        sa.PrimaryKeyConstraint("person_key", name=op.f("pk_home")),
        comment="The network that holds a person's index, consents and masks.",
    )
    op.create_index(
        "ix_home_moving",
        "home",
        ["tenant_id"],
        unique=False,
        postgresql_where=sa.text("state in ('moving','handed')"),
    )
    op.create_table(
        "person_key_change",
        sa.Column("person_key", sa.Text(), nullable=False, comment="of an INS that was replaced"),
        sa.Column("now_key", sa.Text(), nullable=False, comment="of the INS that the same person has now"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_key", name=op.f("pk_person_key_change")),
        comment="Persons whose INS was replaced by another: whoever knows the former key finds the person.",
    )
    op.create_index("ix_person_key_change_now_key", "person_key_change", ["now_key"], unique=False)
    op.alter_column(
        "locator",
        "person_key",
        existing_type=sa.TEXT(),
        comment="INS under the installation's locator key; never the INS",
        existing_comment="INS under the network's key; never the INS",
        existing_nullable=False,
    )
    op.create_table(
        "tenant_key",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False, comment="RFC 7638 thumbprint"),
        sa.Column("use", sa.Text(), nullable=False, comment="sig | enc, as in a JWK"),
        sa.Column(
            "public",
            postgresql.JSONB(),
            nullable=False,
            comment="JWK (RFC 8037): Ed25519 to verify, X25519 to encrypt to",
        ),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "valid_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="exclusive; null: until the next generation is believed",
        ),
        sa.CheckConstraint("use in ('sig','enc')", name=op.f("ck_tenant_key_use")),
        sa.PrimaryKeyConstraint("tenant_id", "key_id", name=op.f("pk_tenant_key")),
        comment="What the other networks verify a network's envelopes with and seal theirs to.",
    )
    grants.read_add_and_change("home", "person_key_change", "tenant_key")
