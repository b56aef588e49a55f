"""Notices, emergencies, erasure."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "emergency_access",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("access_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="professional:<RPPS>"),
        sa.Column("name", sa.Text(), nullable=False, comment="of the professional, as he came in"),
        sa.Column("profession", sa.Text(), nullable=True),
        sa.Column("establishment", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "valid_until", sa.DateTime(timezone=True), nullable=False, comment="exclusive; brought forward when closed"
        ),
        sa.Column("review_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_by", sa.Text(), nullable=True),
        sa.Column("finding", sa.Text(), nullable=True, comment="justified | unjustified | to_be_followed_up"),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("patient_id", "access_id", name=op.f("pk_emergency_access")),
        comment="A record opened by break-glass: why, until when, and what the review found.",
    )
    op.create_index(
        "ix_emergency_access_review",
        "emergency_access",
        ["review_due_at"],
        unique=False,
        postgresql_where=sa.text("reviewed_at is null"),
    )
    op.create_index("ix_emergency_access_subject", "emergency_access", ["patient_id", "subject"], unique=False)
    op.create_table(
        "emergency_objection",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("objection_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("patient_id", "objection_id", name=op.f("pk_emergency_objection")),
        comment="The patient objects beforehand to any opening in an emergency (L.1111-17 I).",
    )
    op.create_table(
        "heirs_objection",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("objection_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("patient_id", "objection_id", name=op.f("pk_heirs_objection")),
        comment="The patient does not want his heirs to ask for anything (L.1110-4 V: unless he willed otherwise).",
    )
    op.create_table(
        "team_exclusion",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("exclusion_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="professional:<RPPS> of the member left out"),
        sa.Column("because_of", sa.Text(), nullable=False, comment="kind:id of the blocked member at the root of it"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["care_team.team_id"], name=op.f("fk_team_exclusion_team_id")),
        sa.PrimaryKeyConstraint("patient_id", "exclusion_id", name=op.f("pk_team_exclusion")),
        comment="Members whom a consent does not reach: brought in by somebody whom the patient had blocked.",
    )
    op.create_index("ix_team_exclusion_subject", "team_exclusion", ["patient_id", "subject"], unique=False)
    op.create_index("ix_team_exclusion_team", "team_exclusion", ["team_id", "subject"], unique=False)
    op.create_table(
        "notice",
        sa.Column(
            "recipient",
            sa.Text(),
            nullable=False,
            comment="kind:id of whom it tells: person:<key>, professional:<RPPS>",
        ),
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="what it is about, once: a second notice of the same key is none"
        ),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="break_glass | announcement_due | announcement_shown | newcomer | …",
        ),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column(
            "about",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="ids and words of the sentence",
        ),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("recipient", "notice_id", name=op.f("pk_notice")),
    )
    op.create_index("ix_notice_key", "notice", ["recipient", "key"], unique=True)
    op.create_index(
        "ix_notice_newest",
        "notice",
        ["recipient", sa.literal_column("posted_at desc"), sa.literal_column("notice_id desc")],
        unique=False,
    )
    op.create_index("ix_notice_patient", "notice", ["patient_id"], unique=False)
    op.create_table(
        "erasure_certificate",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("certificate_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "statement", sa.Text(), nullable=False, comment="canonical JSON, as signed: what was erased, when, why"
        ),
        sa.Column("signature", sa.LargeBinary(), nullable=False, comment="Ed25519, by the tenant's key"),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"], name=op.f("fk_erasure_certificate_patient_id")),
        sa.PrimaryKeyConstraint("patient_id", "certificate_id", name=op.f("pk_erasure_certificate")),
        comment="Append-only: what proves that a record's key was destroyed.",
    )
    op.create_table(
        "erasure_request",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False, comment="kind:id of the actor"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="the rule's term"),
        sa.Column("proof", sa.Text(), nullable=False, comment="how the request was established"),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"], name=op.f("fk_erasure_request_patient_id")),
        sa.PrimaryKeyConstraint("patient_id", "request_id", name=op.f("pk_erasure_request")),
        comment="Express requests to erase a closed record (R.1111-36).",
    )
    op.create_index(
        "ix_erasure_request_due",
        "erasure_request",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("done_at is null and withdrawn_at is null"),
    )
    op.create_table(
        "notice_delivery",
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False, comment="inbox | mssante | …"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False, comment="what the channel answered"),
        sa.ForeignKeyConstraint(
            ["recipient", "notice_id"],
            ["notice.recipient", "notice.notice_id"],
            name=op.f("fk_notice_delivery_recipient_notice_id"),
        ),
        sa.PrimaryKeyConstraint("recipient", "notice_id", "channel", name=op.f("pk_notice_delivery")),
        comment="Append-only: the proof that a notice reached its recipient, channel by channel.",
    )
    op.create_table(
        "notice_watermark",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "position",
            sa.BigInteger(),
            nullable=False,
            comment="leaf of the journal up to which lines were examined",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_notice_watermark")),
        comment="How far each task that makes notices out of the journal has come.",
    )
    op.create_table(
        "document_withholding",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("withholding_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="professional:<RPPS> whom the document is kept from"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True, comment="exclusive; null: until lifted"),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["patient_id", "document_id"],
            ["document.patient_id", "document.document_id"],
            name=op.f("fk_document_withholding_patient_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("patient_id", "withholding_id", name=op.f("pk_document_withholding")),
        comment="One document that the patient keeps from one professional; its author still sees it.",
    )
    op.create_index("ix_document_withholding_subject", "document_withholding", ["patient_id", "subject"], unique=False)
    op.add_column("care_team_member", sa.Column("added_by", sa.Text(), nullable=True))
    op.add_column("care_team_member", sa.Column("removed_by", sa.Text(), nullable=True))
    op.add_column(
        "document",
        sa.Column(
            "chain_position",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="a version is superseded for whoever sees one of a higher position",
        ),
    )
    op.add_column(
        "document",
        sa.Column(
            "hidden_since", sa.DateTime(timezone=True), nullable=True, comment="beginning of the announcement period"
        ),
    )
    op.drop_index(op.f("ix_document_chain"), table_name="document")
    op.create_index("ix_document_chain", "document", ["patient_id", "chain_id", "chain_position"], unique=False)
    op.create_index(
        "ix_document_hidden",
        "document",
        ["hidden_since"],
        unique=False,
        postgresql_where=sa.text("hidden_from_patient"),
    )
    op.create_index(
        "ix_dossier_objection_until",
        "dossier",
        ["objection_until"],
        unique=False,
        postgresql_where=sa.text("state = 'informed'"),
    )
    op.create_index(
        "ix_dossier_purge_after", "dossier", ["purge_after"], unique=False, postgresql_where=sa.text("state = 'closed'")
    )
    op.add_column(
        "outbox",
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="not before; null until a delivery failed",
        ),
    )
    op.add_column(
        "outbox",
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
            comment="of the writing transaction: tells those who follow what is new",
        ),
    )
    op.create_index("ix_outbox_transaction", "outbox", ["transaction_id"], unique=False)
    op.add_column("patient", sa.Column("deceased_on", sa.Date(), nullable=True))
    op.add_column(
        "relation",
        sa.Column(
            "basis",
            sa.Text(),
            nullable=True,
            comment="of a representative: minor | guardianship | …; of an heir: his link",
        ),
    )
    _chains()
    op.add_column(
        "relation",
        sa.Column(
            "motive", sa.Text(), nullable=True, comment="of an heir: cause_of_death | memory | rights (L.1110-4 V)"
        ),
    )
    op.execute(
        "update document set hidden_since = hidden_until - interval '1 month'"
        " where hidden_from_patient and hidden_until is not null"
    )
    grants.read_and_add("erasure_certificate", "notice_delivery")
    grants.read_add_and_change(
        "document_withholding",
        "emergency_access",
        "emergency_objection",
        "erasure_request",
        "heirs_objection",
        "notice",
        "notice_watermark",
        "team_exclusion",
    )


def _chains() -> None:
    """Give each version its place, and each superseded one the status that it had: a reading tells who sees it so."""
    op.execute(
        "with recursive placed as ("
        " select patient_id, document_id, 1 as position from document where replaces is null"
        " union all"
        " select after.patient_id, after.document_id, placed.position + 1 from document as after"
        " join placed on placed.patient_id = after.patient_id and placed.document_id = after.replaces)"
        " update document set chain_position = placed.position from placed"
        " where placed.position > 1 and placed.patient_id = document.patient_id"
        " and placed.document_id = document.document_id"
    )
    op.drop_constraint(op.f("ck_document_status"), "document")
    op.execute(
        "update document set status = coalesce((select case version.act when 'archive' then 'archived' end"
        " from document_version as version where version.patient_id = document.patient_id"
        " and version.document_id = document.document_id and version.act in ('archive', 'unarchive')"
        " order by version.metadata_version desc limit 1), 'current') where status = 'superseded'"
    )
    op.create_check_constraint(op.f("ck_document_status"), "document", "status in ('current','archived','deleted')")
    op.alter_column(
        "document",
        "status",
        comment="current | archived | deleted; superseded depends on the reader",
        existing_comment="current | superseded | archived | deleted",
        existing_type=sa.Text(),
        existing_nullable=False,
    )
    op.alter_column(
        "document",
        "superseded_by",
        comment="a later version, which not everybody may know of: never shown",
        existing_type=sa.Uuid(),
        existing_nullable=True,
    )
    op.alter_column(
        "document_version",
        "act",
        comment="publish | mask | unmask | hide… | show… | archive | unarchive | delete | move",
        existing_comment="publish | supersede | mask | unmask | hide… | archive | delete | move",
        existing_type=sa.Text(),
        existing_nullable=False,
    )
    op.create_index("ix_journal_at", "journal", ["at", "line_id"], unique=False)
    op.create_index(
        "ix_journal_establishment",
        "journal",
        ["actor_establishment", "at", "line_id"],
        unique=False,
        postgresql_where=sa.text("actor_establishment is not null"),
    )
    op.create_index(
        "ix_journal_emergency",
        "journal",
        ["at", "line_id"],
        unique=False,
        postgresql_where=sa.text("mode <> 'normal' or action = 'break_glass'"),
    )
