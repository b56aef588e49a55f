"""What a restore must not undo, noted in the act itself for the ledger outside the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_FUNCTION = """
create function note_narrowing() returns trigger language plpgsql as $$
begin
  insert into narrowing (what, said)
  select
    tg_table_name,
    jsonb_object_agg(key, value) || coalesce(
      (select jsonb_build_object('person_key', p.person_key) from patient p
        where p.patient_id = (to_jsonb(new) ->> 'patient_id')::uuid and p.person_key is not null),
      '{}')
  from jsonb_each(to_jsonb(new)) where key = any(tg_argv);
  return null;
end $$
"""
_MARKS = ("masked", "hidden_from_patient", "hidden_since", "hidden_until", "hidden_from_representatives", "status")
_SPAN = ("valid_from", "valid_until")
_CHANGED = (
    f"({', '.join(f'old.{each}' for each in _MARKS)}) is distinct from ({', '.join(f'new.{each}' for each in _MARKS)})"
)

#: Of each table: what of a row is noted, and when. What narrows by being there is noted when it comes too.
_NOTED = (
    (
        "patient",
        "update of deceased_on",
        "old.deceased_on is distinct from new.deceased_on",
        ("patient_id", "deceased_on"),
    ),
    ("document", f"update of {', '.join(_MARKS)}", _CHANGED, ("patient_id", "document_id", *_MARKS)),
    (
        "document_mark",
        "insert or update",
        None,
        ("patient_id", "document_id", "side", "version", "seen", "at", *_MARKS),
    ),
    (
        "document_withholding",
        "insert or update",
        None,
        ("patient_id", "withholding_id", "document_id", "subject", "recorded_by", "lifted_by", *_SPAN),
    ),
    ("dossier", "insert or update of state", None, ("patient_id", "state", "closed_at", "purge_after")),
    (
        "erasure_request",
        "insert or update",
        None,
        ("patient_id", "request_id", "requested_at", "requested_by", "due_at", "withdrawn_at", "done_at"),
    ),
    ("block", "insert or update", None, ("patient_id", "block_id", "subject", *_SPAN)),
    (
        "team_exclusion",
        "insert or update",
        None,
        ("patient_id", "exclusion_id", "team_id", "subject", "because_of", *_SPAN),
    ),
    (
        "emergency_objection",
        "insert or update",
        None,
        ("patient_id", "objection_id", "recorded_by", "withdrawn_by", *_SPAN),
    ),
    (
        "heirs_objection",
        "insert or update",
        None,
        ("patient_id", "objection_id", "recorded_by", "withdrawn_by", *_SPAN),
    ),
    ("relation", "update of valid_until", None, ("patient_id", "relation_id", "valid_until", "withdrawn_by")),
    ("team_consent", "update of valid_until", None, ("patient_id", "consent_id", "valid_until", "withdrawn_by")),
    (
        "care_team_member",
        "update of valid_until",
        None,
        ("team_id", "subject", "valid_from", "valid_until", "removed_by"),
    ),
    ("emergency_access", "update of valid_until", None, ("patient_id", "access_id", "valid_until")),
    (
        "pharmacy_record",
        "insert or update of state",
        None,
        ("patient_id", "state", "objected_at", "objection_ends_on", "closed_at"),
    ),
    ("board_case", "update of state", None, ("patient_id", "case_id", "state", "ended_at")),
    ("case_attachment", "update of detached_at", None, ("patient_id", "case_id", "document_id", "detached_at")),
    (
        "recourse_case",
        "update of state",
        "new.state in ('returned', 'declined', 'withdrawn')",
        ("referral_id", "state", "ended_at", "declined_because"),
    ),
    (
        "board_session",
        "update of state, closed_at",
        "new.state = 'cancelled' or new.closed_at is not null",
        ("session_id", "state", "held_at", "held_by", "quorum", "cancelled_at", "cancelled_because", "closed_at"),
    ),
    ("board_seat", "update of answer", None, ("session_id", "subject", "answer", "answered_at")),
    ("board_member", "update of valid_until", None, ("board_id", "member_id", "valid_until")),
    ("calendar_feed", "update of revoked_at", None, ("feed_id", "revoked_at")),
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
