"""Who is tied to a patient, who is kept out, and who came in by emergency. Every row is dated."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from passerelle.kernel import metadata

relation = Table(
    "relation",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("relation_id", Uuid, nullable=False),
    Column("relation", Text, nullable=False, comment="representative | attending_physician | authorized | …"),
    Column("subject", Text, nullable=False, comment="kind:id of the actor it is about"),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True), comment="exclusive; null: until withdrawn"),
    Column("recorded_by", Text, nullable=False),
    Column("basis", Text, comment="of a representative: minor | guardianship | …; of an heir: his link"),
    Column("motive", Text, comment="of an heir: cause_of_death | memory | rights (L.1110-4 V)"),
    Column("proof", Text),
    Column("withdrawn_by", Text),
    Column("place", Text, comment="FINESS: it holds for who acts from there, and from nowhere else"),
    PrimaryKeyConstraint("patient_id", "relation_id"),
    Index("ix_relation_subject", "patient_id", "subject"),
    comment="What ties someone to a patient, from when to when. Withdrawing sets valid_until.",
)

care_team = Table(
    "care_team",
    metadata.tenant,
    Column("team_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("establishment", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

care_team_member = Table(
    "care_team_member",
    metadata.tenant,
    Column("team_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False, comment="professional:<RPPS>"),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True)),
    Column("added_by", Text),
    Column("removed_by", Text),
    PrimaryKeyConstraint("team_id", "subject", "valid_from"),
    ForeignKeyConstraint(["team_id"], ["care_team.team_id"]),
    Index("ix_care_team_member_subject", "subject"),
)

team_consent = Table(
    "team_consent",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("consent_id", Uuid, nullable=False),
    Column("team_id", Uuid, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("informed_how", Text, nullable=False),
    Column("proof", Text, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True)),
    Column("withdrawn_by", Text),
    PrimaryKeyConstraint("patient_id", "consent_id"),
    ForeignKeyConstraint(["team_id"], ["care_team.team_id"]),
    comment="Initial informed consent that covers a whole team (Conseil d'État, 15 October 2025).",
)

team_exclusion = Table(
    "team_exclusion",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("exclusion_id", Uuid, nullable=False),
    Column("team_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False, comment="professional:<RPPS> of the member left out"),
    Column("because_of", Text, nullable=False, comment="kind:id of the blocked member at the root of it"),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True)),
    PrimaryKeyConstraint("patient_id", "exclusion_id"),
    ForeignKeyConstraint(["team_id"], ["care_team.team_id"]),
    Index("ix_team_exclusion_subject", "patient_id", "subject"),
    Index("ix_team_exclusion_team", "team_id", "subject"),
    comment="Members whom a consent does not reach: brought in by somebody whom the patient had blocked.",
)

block = Table(
    "block",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("block_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False, comment="professional:<RPPS>"),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True)),
    PrimaryKeyConstraint("patient_id", "block_id"),
    Index("ix_block_subject", "patient_id", "subject"),
)

emergency_objection = Table(
    "emergency_objection",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("objection_id", Uuid, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True)),
    Column("recorded_by", Text, nullable=False),
    Column("withdrawn_by", Text),
    PrimaryKeyConstraint("patient_id", "objection_id"),
    comment="The patient objects beforehand to any opening in an emergency (L.1111-17 I).",
)

emergency_access = Table(
    "emergency_access",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("access_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False, comment="professional:<RPPS>"),
    Column("name", Text, nullable=False, comment="of the professional, as he came in"),
    Column("profession", Text),
    Column("establishment", Text),
    Column("reason", Text, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True), nullable=False, comment="exclusive; brought forward when closed"),
    Column("review_due_at", DateTime(timezone=True), nullable=False),
    Column("reviewed_at", DateTime(timezone=True)),
    Column("reviewed_by", Text),
    Column("finding", Text, comment="justified | unjustified | to_be_followed_up"),
    Column("comment", Text),
    Column("origin", Text, comment="the network where the glass was broken; null: this one"),
    PrimaryKeyConstraint("patient_id", "access_id"),
    Index("ix_emergency_access_subject", "patient_id", "subject"),
    Index("ix_emergency_access_review", "review_due_at", postgresql_where=text("reviewed_at is null")),
    comment="A record opened by break-glass: why, until when, and what the review found.",
)

heirs_objection = Table(
    "heirs_objection",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("objection_id", Uuid, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True)),
    Column("recorded_by", Text, nullable=False),
    Column("withdrawn_by", Text),
    PrimaryKeyConstraint("patient_id", "objection_id"),
    comment="The patient does not want his heirs to ask for anything (L.1110-4 V: unless he willed otherwise).",
)
