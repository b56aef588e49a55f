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


# As `end_pharmacy_storage` (0006): the serving role names the days, and what goes is counted where it cannot write.
_END_OF_STORAGE = """
create function end_override_storage(
  this_end uuid, this_at timestamptz, days_since date[], days_until date[], at_once integer
) returns void language sql security definer set search_path = public, pg_temp as $$
  with due as (
    select kept.patient_id, kept.override_id
      from unnest(days_since, days_until) as past(since, until)
        join check_override kept on kept.at >= timezone('Europe/Paris', past.since::timestamp)
          and kept.at < timezone('Europe/Paris', past.until::timestamp)
      limit at_once
  ), erased as (
    delete from check_override kept using due
      where kept.patient_id = due.patient_id and kept.override_id = due.override_id
      returning timezone('Europe/Paris', kept.at)::date as day
  )
  insert into pharmacy_storage_end (end_id, what, at, erased, first_on, last_on)
    select this_end, 'override', this_at, count(*), min(day), max(day) from erased having count(*) > 0
$$
"""


# What a warning told of documents that were erased with their record; the serving role changes no line itself.
_END_OF_THE_SHARED_RECORD = """
create function forget_overrides(whose uuid, codes text[])
returns void language sql security definer set search_path = public, pg_temp as $$
  update check_override kept set finding = '', code = '', reason = ''
    from dossier
    where dossier.patient_id = whose and dossier.state = 'purged'
      and kept.patient_id = whose and kept.code = any(codes)
$$
"""


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
        comment="Append-only, until the end of its storage.",
    )
    op.create_index("ix_check_override_at", "check_override", ["at"], unique=False)
    grants.read_and_add("check_override")
    op.execute(_END_OF_STORAGE)
    grants.call("end_override_storage(uuid, timestamptz, date[], date[], integer)")
    op.execute(_END_OF_THE_SHARED_RECORD)
    grants.call("forget_overrides(uuid, text[])")
