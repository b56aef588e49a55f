"""Notices and their deliveries, in one tenant's database."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
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
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.kernel import metadata

notice = Table(
    "notice",
    metadata.tenant,
    Column("recipient", Text, nullable=False, comment="kind:id of whom it tells: person:<key>, professional:<RPPS>"),
    Column("notice_id", Uuid, nullable=False),
    Column("key", Text, nullable=False, comment="what it is about, once: a second notice of the same key is none"),
    Column("kind", Text, nullable=False, comment="break_glass | announcement_due | announcement_shown | newcomer | …"),
    Column("patient_id", Uuid, nullable=False),
    Column("about", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="ids and words of the sentence"),
    Column("posted_at", DateTime(timezone=True), nullable=False),
    Column("read_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("recipient", "notice_id"),
    Index("ix_notice_key", "recipient", "key", unique=True),
    Index("ix_notice_newest", "recipient", text("posted_at desc"), text("notice_id desc")),
    Index("ix_notice_patient", "patient_id"),
)

notice_delivery = Table(
    "notice_delivery",
    metadata.tenant,
    Column("recipient", Text, nullable=False),
    Column("notice_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False, comment="inbox | mssante | …"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("proof", Text, nullable=False, comment="what the channel answered"),
    PrimaryKeyConstraint("recipient", "notice_id", "channel"),
    ForeignKeyConstraint(["recipient", "notice_id"], ["notice.recipient", "notice.notice_id"]),
    comment="Append-only: the proof that a notice reached its recipient, channel by channel.",
)

notice_watermark = Table(
    "notice_watermark",
    metadata.tenant,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False, comment="leaf of the journal up to which lines were examined"),
    comment="How far each task that makes notices out of the journal has come.",
)
