"""Journal seals, and what outlives lines that are pruned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from passerelle_ops.migrations import grants

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_index("ix_journal_transaction", "journal", [sa.literal_column("(transaction_id::bigint)")], unique=False)
    op.create_index(
        "ix_journal_pruning",
        "journal",
        ["line_id"],
        unique=False,
        postgresql_where=sa.text("kind = 'journal' and action = 'purge'"),
    )
    op.create_table_comment(
        "journal",
        "Append-only: the serving role may insert and select, nothing else. A new column takes nulls: what is sealed"
        " says nothing of it.",
        existing_comment="Append-only: the serving role may insert and select, nothing else.",
    )
    op.create_table(
        "journal_leaf",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False, comment="from 0, by commit"),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="RFC 9162 leaf of the line's canonical JSON"),
        sa.Column(
            "mark", sa.LargeBinary(), nullable=False, comment="keyed: of this hash for this line, then of its place too"
        ),
        sa.Column(
            "subtrees",
            sa.LargeBinary(),
            nullable=True,
            comment="roots of the subtrees of 16, 256, 4096… leaves that end here",
        ),
        sa.PrimaryKeyConstraint("leaf_index", name=op.f("pk_journal_leaf")),
        sa.UniqueConstraint("patient_id", "line_id", name=op.f("uq_journal_leaf_patient_id_line_id")),
        comment="The journal's Merkle tree. Append-only.",
    )
    op.create_table(
        "journal_seal",
        sa.Column("tree_size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "previous_head", sa.LargeBinary(), nullable=False, comment="SHA-256 of the head before; zeros for the first"
        ),
        sa.Column("key_id", sa.Text(), nullable=False, comment="fingerprint of the public key"),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column(
            "frontier", sa.LargeBinary(), nullable=False, comment="roots of the complete subtrees, the largest first"
        ),
        sa.Column(
            "low_water", sa.BigInteger(), nullable=False, comment="transactions below are sealed, but those in flight"
        ),
        sa.Column(
            "in_flight",
            sa.ARRAY(sa.BigInteger()),
            nullable=False,
            comment="transactions below low_water then under way",
        ),
        sa.Column(
            "cluster", sa.Text(), nullable=False, comment="whose transaction numbers these are; empty while catching up"
        ),
        sa.PrimaryKeyConstraint("tree_size", name=op.f("pk_journal_seal")),
        comment="The journal's signed heads, each holding the hash of the one before. Append-only.",
    )
    op.create_table(
        "journal_pruned_fact",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False, comment="what a person was shown; nil UUID for an act"),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False, comment="how many lines of the journal said so"),
        sa.PrimaryKeyConstraint("patient_id", "document_id", "actor_id", "action", name=op.f("pk_journal_pruned_fact")),
        comment="What must outlive the lines that were pruned. Written under the owning role; the serving role reads"
        " it.",
    )
    grants.read_and_add("journal_leaf", "journal_seal")
    grants.read("journal_pruned_fact")
