"""Tumour boards, their sessions and cases, sheets, care plans and referrals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    _boards()
    _cases()
    _plans()
    _recourse()
    grants.read_add_and_change(
        *("coordination_centre", "board", "board_member", "board_session", "board_seat", "calendar_feed"),
        *("board_case", "case_attachment", "board_sheet", "care_plan", "care_plan_reminder"),
        *("recourse_referral", "recourse_case"),
    )


def _boards() -> None:
    """Boards, who sits on them, their sessions."""
    op.create_table(
        "coordination_centre",
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("establishment", sa.Text(), nullable=False, comment="FINESS"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("centre_id", name=op.f("pk_coordination_centre")),
        sa.UniqueConstraint("establishment", "name", name=op.f("uq_coordination_centre_establishment_name")),
        comment="Centre de coordination en cancérologie (3C).",
    )
    op.create_table(
        "board",
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="standard | recourse | rare_cancers | paediatric"),
        sa.Column("scope", sa.Text(), nullable=False, comment="organ | transversal"),
        sa.Column(
            "organ",
            sa.Text(),
            nullable=True,
            comment="organ system, as the sheet codes it; null for a transversal board",
        ),
        sa.Column("establishment", sa.Text(), nullable=False, comment="FINESS that declared it"),
        sa.Column("centre_id", sa.Uuid(), nullable=True, comment="3C that organises it"),
        sa.Column("network_number", sa.Text(), nullable=True, comment="national number of the network (RRC)"),
        sa.Column("manager_number", sa.Text(), nullable=True, comment="national number of whoever manages it"),
        sa.Column("board_number", sa.Text(), nullable=True, comment="national number of the board"),
        sa.Column("recurrence", sa.Text(), nullable=True, comment="RFC 5545 RRULE of its sessions"),
        sa.Column("duration_minutes", sa.Integer(), nullable=False),
        sa.Column("deputies", sa.Boolean(), nullable=False, comment="a deputy may sit for a member"),
        sa.Column("videoconference", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="declared | validated | suspended"),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("declared_by", sa.Text(), nullable=False, comment="kind:id"),
        sa.Column("validated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("validated_by", sa.Text(), nullable=True),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(scope = 'organ') = (organ is not null)", name=op.f("ck_board_organ")),
        sa.CheckConstraint("state in ('declared','validated','suspended')", name=op.f("ck_board_state")),
        sa.ForeignKeyConstraint(["centre_id"], ["coordination_centre.centre_id"], name=op.f("fk_board_centre_id")),
        sa.PrimaryKeyConstraint("board_id", name=op.f("pk_board")),
        sa.UniqueConstraint("establishment", "name", name=op.f("uq_board_establishment_name")),
        comment="Réunion de concertation pluridisciplinaire (RCP) as it is declared, validated and listed.",
    )
    op.create_table(
        "board_member",
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="professional:<RPPS>"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "specialty", sa.Text(), nullable=True, comment="the word that a quorum counts by; null for a secretary"
        ),
        sa.Column("specialty_code", sa.Text(), nullable=True, comment="TRE_R38 code, as the sheet shows it"),
        sa.Column("duty", sa.Text(), nullable=False, comment="coordinator | member | deputy | secretary"),
        sa.Column("deputy_of", sa.Uuid(), nullable=True, comment="member_id of the one he sits for"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True, comment="exclusive"),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.CheckConstraint("(duty = 'deputy') = (deputy_of is not null)", name=op.f("ck_board_member_deputy")),
        sa.CheckConstraint("(duty = 'secretary') = (specialty is null)", name=op.f("ck_board_member_specialty")),
        sa.CheckConstraint("duty in ('coordinator','member','deputy','secretary')", name=op.f("ck_board_member_duty")),
        sa.ForeignKeyConstraint(["board_id"], ["board.board_id"], name=op.f("fk_board_member_board_id")),
        sa.PrimaryKeyConstraint("board_id", "member_id", name=op.f("pk_board_member")),
        comment="Who sits on a board, with his specialty, from when to when.",
    )
    op.create_index("ix_board_member_subject", "board_member", ["subject", "board_id"], unique=False)
    op.create_table(
        "board_session",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("board_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="planned | open | held | held_without_quorum | cancelled"
        ),
        sa.Column("sequence", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="RFC 5545 SEQUENCE"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "opened_at", sa.DateTime(timezone=True), nullable=True, comment="its members read its cases from then on"
        ),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_by", sa.Text(), nullable=True),
        sa.Column(
            "quorum",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="how the quorum was judged, by which pack and upon whose attendance",
        ),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_because", sa.Text(), nullable=True),
        sa.Column(
            "closed_at", sa.DateTime(timezone=True), nullable=True, comment="its members read nothing more from then on"
        ),
        sa.CheckConstraint(
            "state in ('planned','open','held','held_without_quorum','cancelled')", name=op.f("ck_board_session_state")
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_board_session_times")),
        sa.ForeignKeyConstraint(["board_id"], ["board.board_id"], name=op.f("fk_board_session_board_id")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_board_session")),
    )
    op.create_index(
        "ix_board_session_due",
        "board_session",
        ["starts_at"],
        unique=False,
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_index(
        "uq_board_session_starts_at",
        "board_session",
        ["board_id", "starts_at"],
        unique=True,
        postgresql_where=sa.text("state <> 'cancelled'"),
    )
    op.create_table(
        "board_seat",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="professional:<RPPS>"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("specialty", sa.Text(), nullable=False),
        sa.Column("specialty_code", sa.Text(), nullable=True),
        sa.Column("duty", sa.Text(), nullable=False, comment="coordinator | member | deputy | guest"),
        sa.Column("answer", sa.Text(), nullable=False, comment="expected | excused"),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "signed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="attendance, signed by himself; never unsigned",
        ),
        sa.Column(
            "signature",
            sa.Text(),
            nullable=True,
            comment="SHA-256 of session, subject, specialty, instant, how he attended",
        ),
        sa.Column("is_remote", sa.Boolean(), nullable=True, comment="he attended by videoconference"),
        sa.Column("sits_for", sa.Text(), nullable=True, comment="subject of the member whose deputy he is"),
        sa.CheckConstraint("answer in ('expected','excused')", name=op.f("ck_board_seat_answer")),
        sa.CheckConstraint("(signed_at is null) = (signature is null)", name=op.f("ck_board_seat_signature")),
        sa.ForeignKeyConstraint(["session_id"], ["board_session.session_id"], name=op.f("fk_board_seat_session_id")),
        sa.PrimaryKeyConstraint("session_id", "subject", name=op.f("pk_board_seat")),
        comment="Who is expected at a session, and who signed that he was there.",
    )
    op.create_index("ix_board_seat_subject", "board_seat", ["subject", "session_id"], unique=False)
    op.create_table(
        "calendar_feed",
        sa.Column("feed_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="professional:<RPPS>"),
        sa.Column("key_hash", sa.Text(), nullable=False, comment="SHA-256 of the key in its address"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=True, comment="the hour whose readings are counted"),
        sa.Column("reads", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="in that hour"),
        sa.PrimaryKeyConstraint("feed_id", name=op.f("pk_calendar_feed")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_calendar_feed_key_hash")),
        comment="The address at which a member's calendar application reads his sessions, without any patient.",
    )
    op.create_index("ix_calendar_feed_subject", "calendar_feed", ["subject"], unique=False)


def _cases() -> None:
    """The cases before them, what is attached, and their sheets."""
    op.create_table(
        "board_case",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False, comment="professional:<RPPS> who registered it"),
        sa.Column("presenter", sa.Text(), nullable=False, comment="professional:<RPPS>"),
        sa.Column("question", sa.Text(), nullable=False, comment="what the board is asked"),
        sa.Column(
            "informed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the patient, of his case being discussed",
        ),
        sa.Column("informed_how", sa.Text(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column(
            "discussion", sa.Text(), nullable=False, comment="discussed | registered: an undisputed standard applies"
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="registered | heard | deferred | withdrawn"),
        sa.Column("deferred_from", sa.Uuid(), nullable=True, comment="case_id that this one carries on"),
        sa.Column("off_standard", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("off_standard_because", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="heard, deferred or withdrawn"),
        sa.CheckConstraint("discussion in ('discussed','registered')", name=op.f("ck_board_case_discussion")),
        sa.CheckConstraint("state in ('registered','heard','deferred','withdrawn')", name=op.f("ck_board_case_state")),
        sa.CheckConstraint("agreed", name=op.f("ck_board_case_agreed")),
        sa.ForeignKeyConstraint(["session_id"], ["board_session.session_id"], name=op.f("fk_board_case_session_id")),
        sa.PrimaryKeyConstraint("patient_id", "case_id", name=op.f("pk_board_case")),
        comment="A patient's case before a board, once for each session.",
    )
    op.create_index("ix_board_case_id", "board_case", ["case_id"], unique=True)
    op.create_index("ix_board_case_session", "board_case", ["session_id", "patient_id"], unique=False)
    op.create_index(
        "uq_board_case_registered",
        "board_case",
        ["patient_id", "session_id"],
        unique=True,
        postgresql_where=sa.text("state in ('registered','heard')"),
    )
    op.create_table(
        "case_attachment",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False, comment="of the shared record"),
        sa.Column("attached_by", sa.Text(), nullable=False),
        sa.Column("attached_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detached_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["patient_id", "case_id"],
            ["board_case.patient_id", "board_case.case_id"],
            name=op.f("fk_case_attachment_patient_id_case_id"),
        ),
        sa.PrimaryKeyConstraint("patient_id", "case_id", "document_id", name=op.f("pk_case_attachment")),
        comment="Documents of the record that the board may read for this case, and no others.",
    )
    op.create_table(
        "board_sheet",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="in_progress | done | approved | closed"),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the sheet, as oncology.sheet writes it",
        ),
        sa.Column(
            "missing",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="compulsory answers that it lacked when it was written; null: not told",
        ),
        sa.Column(
            "sources",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="by field that nobody wrote himself: the document that it was taken from",
        ),
        sa.Column(
            "revision", sa.Integer(), server_default=sa.text("1"), nullable=False, comment="of a sheet being written"
        ),
        sa.Column("correction_because", sa.Text(), nullable=True, comment="why this version was begun"),
        sa.Column("written_by", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True, comment="SHA-256 of the octets that were approved"),
        sa.Column("document_id", sa.Uuid(), nullable=True, comment="as filed in the shared record"),
        sa.Column(
            "attached",
            postgresql.ARRAY(sa.Uuid()),
            nullable=True,
            comment="documents of the record that the board had before it, when approved",
        ),
        sa.CheckConstraint(
            "(state in ('approved','closed')) = (approved_at is not null and approved_by is not null"
            " and fingerprint is not null and document_id is not null)",
            name=op.f("ck_board_sheet_approved"),
        ),
        sa.CheckConstraint("state in ('in_progress','done','approved','closed')", name=op.f("ck_board_sheet_state")),
        sa.ForeignKeyConstraint(
            ["patient_id", "case_id"],
            ["board_case.patient_id", "board_case.case_id"],
            name=op.f("fk_board_sheet_patient_id_case_id"),
        ),
        sa.PrimaryKeyConstraint("patient_id", "case_id", "version", name=op.f("pk_board_sheet")),
        sa.UniqueConstraint("patient_id", "document_id", name=op.f("uq_board_sheet_patient_id_document_id")),
        comment="Fiche RCP. An approved version never changes; a correction is another version.",
    )
    op.create_index(
        "uq_board_sheet_being_written",
        "board_sheet",
        ["patient_id", "case_id"],
        unique=True,
        postgresql_where=sa.text("state in ('in_progress','done')"),
    )


def _plans() -> None:
    """Care plans, and what they remind of."""
    op.create_table(
        "care_plan",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="care_plan (PPS) | aftercare_plan (PPAC)"),
        sa.Column("case_id", sa.Uuid(), nullable=True, comment="the case whose sheet it was derived from"),
        sa.Column("state", sa.Text(), nullable=False, comment="draft | issued"),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "revision", sa.Integer(), server_default=sa.text("1"), nullable=False, comment="of a draft being written"
        ),
        sa.Column("written_by", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("document_id", sa.Uuid(), nullable=True, comment="as filed in the shared record"),
        sa.CheckConstraint(
            "(state = 'issued') = (issued_at is not null and issued_by is not null and document_id is not null)",
            name=op.f("ck_care_plan_issued"),
        ),
        sa.CheckConstraint("kind in ('care_plan','aftercare_plan')", name=op.f("ck_care_plan_kind")),
        sa.CheckConstraint("state in ('draft','issued')", name=op.f("ck_care_plan_state")),
        sa.PrimaryKeyConstraint("patient_id", "plan_id", "version", name=op.f("pk_care_plan")),
        comment="Programme de soins (PPS), plan de l'après-cancer (PPAC). An issued version never changes.",
    )
    op.create_index(
        "uq_care_plan_draft",
        "care_plan",
        ["patient_id", "plan_id"],
        unique=True,
        postgresql_where=sa.text("state = 'draft'"),
    )
    op.create_table(
        "care_plan_reminder",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("reminder_id", sa.Uuid(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ended_at", sa.DateTime(timezone=True), nullable=True, comment="the plan that it belongs to was replaced"
        ),
        sa.PrimaryKeyConstraint("patient_id", "plan_id", "reminder_id", name=op.f("pk_care_plan_reminder")),
        comment="The steps of a follow-up schedule that the patient is told of when they come near.",
    )
    op.create_index(
        "ix_care_plan_reminder_due",
        "care_plan_reminder",
        ["due_on"],
        unique=False,
        postgresql_where=sa.text("told_at is null and ended_at is null"),
    )


def _recourse() -> None:
    """Cases that networks refer to one another."""
    op.create_table(
        "recourse_referral",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("to_network", sa.Text(), nullable=False, comment="tenant that is asked"),
        sa.Column("to_board", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="sent | received | declined | answered | withdrawn"),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declined_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state in ('sent','received','declined','answered','withdrawn')", name=op.f("ck_recourse_referral_state")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id", "case_id"],
            ["board_case.patient_id", "board_case.case_id"],
            name=op.f("fk_recourse_referral_patient_id_case_id"),
        ),
        sa.PrimaryKeyConstraint("patient_id", "referral_id", name=op.f("pk_recourse_referral")),
        comment="RCP de recours, where the patient is at home.",
    )
    op.create_index("ix_recourse_referral_id", "recourse_referral", ["referral_id"], unique=True)
    op.create_table(
        "recourse_case",
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("from_network", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True, comment="null for what came to nothing before it had one"),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=True,
            comment="the case, sealed under a key of its own; null once it was given back",
        ),
        sa.Column(
            "wrapped_key",
            sa.LargeBinary(),
            nullable=True,
            comment="null once it was given back: nothing opens a copy any more",
        ),
        sa.Column(
            "opinion",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="the sheet being written here; null once it was given back",
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="received | heard | returned | declined | withdrawn"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declined_because", sa.Text(), nullable=True, comment="a word, never a sentence"),
        sa.CheckConstraint(
            "(state in ('returned','declined','withdrawn'))"
            " = (sealed is null and wrapped_key is null and opinion is null)",
            name=op.f("ck_recourse_case_nothing_stays"),
        ),
        sa.CheckConstraint(
            "state in ('declined','withdrawn') or session_id is not null", name=op.f("ck_recourse_case_session")
        ),
        sa.CheckConstraint(
            "state in ('received','heard','returned','declined','withdrawn')", name=op.f("ck_recourse_case_state")
        ),
        sa.ForeignKeyConstraint(["session_id"], ["board_session.session_id"], name=op.f("fk_recourse_case_session_id")),
        sa.PrimaryKeyConstraint("referral_id", name=op.f("pk_recourse_case")),
        sa.UniqueConstraint("from_network", "referral_id", name=op.f("uq_recourse_case_from_network_referral_id")),
        comment="RCP de recours, where its experts are: a case lent for one session. Nothing of it stays at the end.",
    )
    op.create_index("ix_recourse_case_session", "recourse_case", ["session_id"], unique=False)
