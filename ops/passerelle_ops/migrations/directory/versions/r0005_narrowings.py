"""What a restore of the directory must not undo, noted in the act itself for the ledger outside the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FUNCTION = """
create function note_narrowing() returns trigger language plpgsql as $$
begin
  insert into narrowing (what, said)
  select tg_table_name, jsonb_object_agg(key, value) from jsonb_each(to_jsonb(new)) where key = any(tg_argv);
  return null;
end $$
"""

_IS_NOW = (
    "(old.profession, old.specialty, old.is_active) is distinct from (new.profession, new.specialty, new.is_active)"
)
#: As in the history of networks: of each table, what of a row is noted, and when.
_NOTED = (
    ("token_revocation", "insert", None, ("mark", "revoked_at", "until")),
    (
        "professional",
        "update of profession, specialty, is_active",
        _IS_NOW,
        ("rpps", "profession", "specialty", "is_active"),
    ),
    (
        "home",
        "insert or update",
        None,
        ("person_key", "tenant_id", "version", "state", "claimed_by", "changed_at"),
    ),
    ("person_key_change", "insert or update", None, ("person_key", "now_key", "since")),
    (
        "tenant_key",
        "update of valid_until",
        "old.valid_until is distinct from new.valid_until",
        ("tenant_id", "key_id", "valid_until"),
    ),
    ("tenant_role", "insert or update", None, ("role", "tenant_id")),
    ("tenant_merge", "insert or update", None, ("tenant_id", "into_tenant", "since", "done_at")),
)


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "narrowing",
        sa.Column("narrowing_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("what", sa.Text(), nullable=False, comment="the table of the row that changed"),
        sa.Column(
            "said",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="what the row says since; null once the ledger outside has it",
        ),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="of the server",
        ),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True, comment="when the ledger outside had it"),
        sa.PrimaryKeyConstraint("narrowing_id", name=op.f("pk_narrowing")),
        comment="What a restore must not undo, on its way out of this database. Triggers write it, in the act itself.",
    )
    op.create_index(
        "ix_narrowing_waiting", "narrowing", ["narrowing_id"], unique=False, postgresql_where=sa.text("kept_at is null")
    )
    grants.read_add_and_change("narrowing")
    op.execute(_FUNCTION)
    for table, moment, condition, columns in _NOTED:
        when = f"when ({condition}) " if condition else ""
        noted = ", ".join(f"'{each}'" for each in columns)
        op.execute(
            f"create trigger note_narrowing after {moment} on {table} for each row {when}"
            f"execute function note_narrowing({noted})"
        )
