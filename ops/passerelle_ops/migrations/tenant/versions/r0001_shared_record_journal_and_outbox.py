"""Shared record journal and outbox."""

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
        "block",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("block_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="professional:<RPPS>"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("patient_id", "block_id", name=op.f("pk_block")),
    )
    op.create_index("ix_block_subject", "block", ["patient_id", "subject"], unique=False)
    op.create_table(
        "care_team",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("establishment", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_care_team")),
    )
    op.create_table(
        "document_key",
        sa.Column("unique_id", sa.Text(), nullable=False),
        sa.Column("structure_id", sa.Text(), server_default="", nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("unique_id", name=op.f("pk_document_key")),
        comment="One uniqueId names one content: what makes feeding idempotent.",
    )
    op.create_table(
        "document_move",
        sa.Column("patient_id", sa.Uuid(), nullable=False, comment="the wrong patient"),
        sa.Column("move_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("to_patient_id", sa.Uuid(), nullable=False),
        sa.Column("to_document_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", "move_id", name=op.f("pk_document_move")),
    )
    op.create_table(
        "dossier",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="informed | open | suspended | closed | purged"),
        sa.Column("informed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("objection_until", sa.DateTime(timezone=True), nullable=True, comment="end of the opt-out delay"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "purge_after", sa.DateTime(timezone=True), nullable=True, comment="end of retention of a closed record"
        ),
        sa.Column(
            "wrapped_key",
            sa.LargeBinary(),
            nullable=True,
            comment="the dossier's key under the tenant's; null once purged",
        ),
        sa.CheckConstraint("state in ('informed','open','suspended','closed','purged')", name=op.f("ck_dossier_state")),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_dossier")),
    )
    op.create_table(
        "journal",
        sa.Column("patient_id", sa.Uuid(), nullable=False, comment="nil UUID when the line concerns no patient"),
        sa.Column("line_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "transaction_id",
            sa.Text(),
            server_default=sa.text("pg_current_xact_id()::text"),
            nullable=False,
            comment="xid8 of the writing transaction: gives the commit order to the sealing task",
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False, comment="RPPS, FINESS, keyed hash of an INS, task name"),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("actor_profession", sa.Text(), nullable=True),
        sa.Column("actor_establishment", sa.Text(), nullable=True),
        sa.Column("software", sa.Text(), nullable=True, comment="client acting for the actor"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False, comment="allowed | refused"),
        sa.Column("code", sa.Text(), nullable=True, comment="stable code of the refusal"),
        sa.Column("rule", sa.Text(), nullable=False, comment="id of the rule that decided"),
        sa.Column("pack", sa.Text(), nullable=False, comment="rule pack in force"),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column(
            "facts",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="facts the decision used",
        ),
        sa.PrimaryKeyConstraint("patient_id", "line_id", name=op.f("pk_journal")),
        comment="Append-only: the serving role may insert and select, nothing else.",
    )
    op.create_index("ix_journal_actor", "journal", ["actor_id", "action", "at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="domain.fact, e.g. dossier.document_published"),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("relayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_waiting", "outbox", ["at"], unique=False, postgresql_where=sa.text("relayed_at is null"))
    op.create_table(
        "patient",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column(
            "person_key", sa.Text(), nullable=True, comment="keyed hash of the current INS; null while none is known"
        ),
        sa.Column("ins_oid", sa.Text(), nullable=True),
        sa.Column("ins_value", sa.Text(), nullable=True, comment="matricule as given, 13 or 15 characters"),
        sa.Column("ins_status", sa.Text(), nullable=False, comment="provisional | retrieved | validated | qualified"),
        sa.Column("family_name", sa.Text(), nullable=True, comment="birth name"),
        sa.Column("used_name", sa.Text(), nullable=True),
        sa.Column("given_names", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("birth_date", sa.Text(), nullable=True, comment="HL7 date as given, any precision"),
        sa.Column("sex", sa.Text(), nullable=True, comment="M | F | U"),
        sa.Column("birth_place", sa.Text(), nullable=True, comment="INSEE code"),
        sa.Column(
            "search_name",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="family names folded: no accent, lower case",
        ),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "ins_status in ('provisional','retrieved','validated','qualified')", name=op.f("ck_patient_ins_status")
        ),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_patient")),
        sa.UniqueConstraint("person_key", name=op.f("uq_patient_person_key")),
    )
    op.create_index("ix_patient_traits", "patient", ["search_name", "birth_date"], unique=False)
    op.create_table(
        "relation",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("relation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "relation", sa.Text(), nullable=False, comment="representative | attending_physician | authorized | …"
        ),
        sa.Column("subject", sa.Text(), nullable=False, comment="kind:id of the actor it is about"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True, comment="exclusive; null: until withdrawn"),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("patient_id", "relation_id", name=op.f("pk_relation")),
        comment="What ties someone to a patient, from when to when. Withdrawing sets valid_until.",
    )
    op.create_index("ix_relation_subject", "relation", ["patient_id", "subject"], unique=False)
    op.create_table(
        "set_aside",
        sa.Column("set_aside_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the file, which stays with its sender"),
        sa.Column("unique_id", sa.Text(), nullable=True),
        sa.Column("structure_id", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False, comment="what a person must settle"),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("set_aside_id", name=op.f("pk_set_aside")),
        sa.UniqueConstraint("sha256", name=op.f("uq_set_aside_sha256")),
        comment="Files fed but not filed. Holds no content and no identity.",
    )
    op.create_table(
        "care_team_member",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="professional:<RPPS>"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["care_team.team_id"], name=op.f("fk_care_team_member_team_id")),
        sa.PrimaryKeyConstraint("team_id", "subject", "valid_from", name=op.f("pk_care_team_member")),
    )
    op.create_index("ix_care_team_member_subject", "care_team_member", ["subject"], unique=False)
    op.create_table(
        "dossier_act",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("act_id", sa.Uuid(), nullable=False),
        sa.Column(
            "act", sa.Text(), nullable=False, comment="inform | open | suspend | resume | close | reopen | purge"
        ),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=True, comment="consent | opt_out | request | retention | fraud…"),
        sa.Column("proof", sa.Text(), nullable=True, comment="how consent, its absence or the reason was established"),
        sa.ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"], name=op.f("fk_dossier_act_patient_id")),
        sa.PrimaryKeyConstraint("patient_id", "act_id", name=op.f("pk_dossier_act")),
        comment="The life of a record, act by act. Consent or its absence stays here with date and proof.",
    )
    op.create_table(
        "identity_warning",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("warning_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False, comment="INS_KEY_WRONG, INS_WITHOUT_KEY, TRAITS_DIFFER…"),
        sa.Column("source", sa.Text(), nullable=False, comment="what carried it: document uniqueId, registration"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.patient_id"], name=op.f("fk_identity_warning_patient_id")),
        sa.PrimaryKeyConstraint("patient_id", "warning_id", name=op.f("pk_identity_warning")),
        sa.UniqueConstraint("patient_id", "code", "source", name=op.f("uq_identity_warning_patient_id_code_source")),
    )
    op.create_table(
        "patient_identifier",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("oid", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "is_dead",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="INS-C: kept, never matched on",
        ),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.patient_id"], name=op.f("fk_patient_identifier_patient_id")),
        sa.PrimaryKeyConstraint("patient_id", "oid", "value", name=op.f("pk_patient_identifier")),
        comment="Every identifier under which a source knew the patient.",
    )
    op.create_index("ix_patient_identifier_value", "patient_identifier", ["oid", "value"], unique=False)
    op.create_table(
        "submission_set",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("submission_set_id", sa.Uuid(), nullable=False),
        sa.Column("unique_id", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False, comment="OID or URI of the sending system"),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True, comment="JDV_J03 content type code"),
        sa.Column("author", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"], name=op.f("fk_submission_set_patient_id")),
        sa.PrimaryKeyConstraint("patient_id", "submission_set_id", name=op.f("pk_submission_set")),
    )
    op.create_table(
        "team_consent",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("consent_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("informed_how", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["care_team.team_id"], name=op.f("fk_team_consent_team_id")),
        sa.PrimaryKeyConstraint("patient_id", "consent_id", name=op.f("pk_team_consent")),
        comment="Initial informed consent that covers a whole team (Conseil d'État, 15 October 2025).",
    )
    op.create_table(
        "document",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False, comment="XDS logicalId: stable over metadata versions"),
        sa.Column("entry_uuid", sa.Uuid(), nullable=False, comment="XDS entryUUID: new at each metadata version"),
        sa.Column("metadata_version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("unique_id", sa.Text(), nullable=False, comment="the producer's, stable per version of content"),
        sa.Column("set_id", sa.Text(), nullable=True, comment="CDA setId of the chain, as given"),
        sa.Column("version_number", sa.Integer(), nullable=True, comment="CDA versionNumber, as given"),
        sa.Column("chain_id", sa.Uuid(), nullable=False, comment="document_id of the first version"),
        sa.Column("replaces", sa.Uuid(), nullable=True, comment="document_id of the version before"),
        sa.Column("superseded_by", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False, comment="current | superseded | archived | deleted"),
        sa.Column("class_code", sa.Text(), nullable=False),
        sa.Column("class_label", sa.Text(), nullable=False),
        sa.Column("type_code", sa.Text(), nullable=False),
        sa.Column("type_label", sa.Text(), nullable=False),
        sa.Column("format_code", sa.Text(), nullable=True),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("confidentiality", sa.Text(), server_default="N", nullable=False),
        sa.Column("masked", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="MASQUE_PS"),
        sa.Column(
            "hidden_from_patient",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="INVISIBLE_PATIENT",
        ),
        sa.Column("hidden_until", sa.DateTime(timezone=True), nullable=True, comment="end of the announcement period"),
        sa.Column("hidden_from_representatives", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column(
            "authors",
            postgresql.JSONB(),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
            comment="[{kind, id, name, profession, specialty, role, structure: {id, name}}], as signed",
        ),
        sa.Column(
            "author_ids",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'::text[]"),
            nullable=False,
            comment="RPPS of the authors and id of their structure; person_key of a patient who adds a document",
        ),
        sa.Column("structure_id", sa.Text(), nullable=True, comment="FINESS (or other id) of the author's structure"),
        sa.Column("facility_type", sa.Text(), nullable=True, comment="JDV_J02"),
        sa.Column("practice_setting", sa.Text(), nullable=True, comment="JDV_J04"),
        sa.Column(
            "event_codes",
            postgresql.JSONB(),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
            comment="[{code, system, label}]",
        ),
        sa.Column("creation_time", sa.Text(), nullable=True, comment="HL7 time as given, any precision, also broken"),
        sa.Column("service_start", sa.Text(), nullable=True, comment="as given"),
        sa.Column("service_stop", sa.Text(), nullable=True, comment="as given"),
        sa.Column(
            "service_from", sa.DateTime(timezone=True), nullable=True, comment="earliest instant service_start may mean"
        ),
        sa.Column(
            "service_to", sa.DateTime(timezone=True), nullable=True, comment="latest instant service_stop may mean"
        ),
        sa.Column("created_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "act_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="what lists order by: service start, else creation, else filing",
        ),
        sa.Column(
            "by_patient", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="added by the patient"
        ),
        sa.Column("submission_set_id", sa.Uuid(), nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("filed_by", sa.Text(), nullable=False, comment="kind:id of the actor"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="octets of the content in clear"),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the content in clear, hexadecimal"),
        sa.Column("content_name", sa.Text(), nullable=False, comment="object name in the content store"),
        sa.CheckConstraint("status in ('current','superseded','archived','deleted')", name=op.f("ck_document_status")),
        sa.CheckConstraint("not (masked and hidden_from_patient)", name=op.f("ck_document_no_double_hiding")),
        sa.ForeignKeyConstraint(
            ["patient_id", "submission_set_id"],
            ["submission_set.patient_id", "submission_set.submission_set_id"],
            name=op.f("fk_document_patient_id_submission_set_id"),
        ),
        sa.ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"], name=op.f("fk_document_patient_id")),
        sa.PrimaryKeyConstraint("patient_id", "document_id", name=op.f("pk_document")),
    )
    op.create_index("ix_document_chain", "document", ["patient_id", "chain_id"], unique=False)
    op.create_index("ix_document_document_id", "document", ["document_id"], unique=True)
    op.create_index(
        "ix_document_newest",
        "document",
        ["patient_id", sa.literal_column("act_at desc"), sa.literal_column("document_id desc")],
        unique=False,
    )
    op.create_table(
        "document_author",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column(
            "author_id", sa.Text(), nullable=False, comment="one of document.author_ids; drawn at random once purged"
        ),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id", "document_id"],
            ["document.patient_id", "document.document_id"],
            name=op.f("fk_document_author_patient_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("patient_id", "author_id", "document_id", name=op.f("pk_document_author")),
        comment="Who wrote what: document.author_ids in the order in which a record asks for it.",
    )
    op.create_table(
        "document_version",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("metadata_version", sa.Integer(), nullable=False),
        sa.Column("entry_uuid", sa.Uuid(), nullable=False),
        sa.Column(
            "act",
            sa.Text(),
            nullable=False,
            comment="publish | supersede | mask | unmask | hide… | archive | delete | move",
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("changed", postgresql.JSONB(), nullable=False, comment="{column: new value}"),
        sa.ForeignKeyConstraint(
            ["patient_id", "document_id"],
            ["document.patient_id", "document.document_id"],
            name=op.f("fk_document_version_patient_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("patient_id", "document_id", "metadata_version", name=op.f("pk_document_version")),
        comment="Metadata history: one row for each entryUUID a document has had.",
    )
    grants.open_schema()
    grants.read_and_add("journal")
    grants.read_add_and_change(
        "block",
        "care_team",
        "care_team_member",
        "document",
        "document_author",
        "document_key",
        "document_move",
        "document_version",
        "dossier",
        "dossier_act",
        "identity_warning",
        "outbox",
        "patient",
        "patient_identifier",
        "relation",
        "set_aside",
        "submission_set",
        "team_consent",
    )
