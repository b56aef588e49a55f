"""Tokens that are believed no more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from passerelle_ops.migrations import grants

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "token_revocation",
        sa.Column("place", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "mark", sa.Text(), nullable=False, comment="SHA-256 of what is denied: a token, a jti or a sub of an issuer"
        ),
        sa.Column(
            "revoked_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="a subject's later tokens are believed",
        ),
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the token expires by itself; null when that is not known",
        ),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_token_revocation")),
        comment="Tokens that are believed no more. Append-only.",
    )
    grants.read_and_add("token_revocation")
