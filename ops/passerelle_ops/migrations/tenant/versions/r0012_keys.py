"""Successions of the key that signs, and versions of the wrapping key that nothing may be under any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# 40001, as whoever is told so tries again, and then wraps under the version that his file says by now.
_FUNCTION = """
create function refuse_retired_wrapping() returns trigger language plpgsql as $$
declare
  wrapped bytea := case tg_table_name
    when 'federation_out' then decode(to_jsonb(new) -> 'payload' ->> 'key', 'base64')
    else (to_jsonb(new) ->> 'wrapped_key')::bytea end;
begin
  if exists (select from wrapping_retired where version = get_byte(wrapped, 0)) then
    raise exception 'wrapped under a retired version' using errcode = '40001';
  end if;
  return null;
end $$
"""
_WRAPPED = (
    ("dossier", "wrapped_key", "new.wrapped_key is not null"),
    ("recourse_case", "wrapped_key", "new.wrapped_key is not null"),
    ("federation_out", "payload", "new.kind = 'recourse' and new.payload ? 'key'"),
)


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "journal_key",
        sa.Column("key_id", sa.Text(), nullable=False, comment="fingerprint of the key that signs since"),
        sa.Column("former_id", sa.Text(), nullable=False, comment="of the one that signed before"),
        sa.Column(
            "statement",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what both keys signed, and their signatures",
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_journal_key")),
        comment="Successions of the key that signs for the network. Append-only.",
    )
    op.create_table(
        "wrapping_retired",
        sa.Column("version", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_wrapping_retired")),
        comment="Versions of the network's wrapping key that its file has no more: nothing is put under them.",
    )
    grants.read_and_add("journal_key", "wrapping_retired")
    op.execute(_FUNCTION)
    for table, column, condition in _WRAPPED:
        op.execute(
            f"create trigger refuse_retired_wrapping after insert or update of {column} on {table} for each row"
            f" when ({condition}) execute function refuse_retired_wrapping()"
        )
