"""Cases referred to a board of another network, on the side that asks and on the side that answers."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.kernel import metadata

recourse_referral = Table(
    "recourse_referral",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("referral_id", Uuid, nullable=False),
    Column("case_id", Uuid, nullable=False),
    Column("to_network", Text, nullable=False, comment="tenant that is asked"),
    Column("to_board", Uuid, nullable=False),
    Column("state", Text, nullable=False, comment="sent | received | declined | answered | withdrawn"),
    Column("sent_at", DateTime(timezone=True), nullable=False),
    Column("sent_by", Text, nullable=False),
    Column("received_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("declined_because", Text),
    CheckConstraint("state in ('sent','received','declined','answered','withdrawn')", name="state"),
    PrimaryKeyConstraint("patient_id", "referral_id"),
    ForeignKeyConstraint(["patient_id", "case_id"], ["board_case.patient_id", "board_case.case_id"]),
    Index("ix_recourse_referral_id", "referral_id", unique=True),
    comment="RCP de recours, where the patient is at home.",
)

recourse_case = Table(
    "recourse_case",
    metadata.tenant,
    Column("referral_id", Uuid, primary_key=True),
    Column("from_network", Text, nullable=False),
    Column("session_id", Uuid, comment="null for what came to nothing before it had one"),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("sealed", LargeBinary, comment="the case, sealed under a key of its own; null once it was given back"),
    Column("wrapped_key", LargeBinary, comment="null once it was given back: nothing opens a copy any more"),
    Column("opinion", JSONB, comment="the sheet being written here; null once it was given back"),
    Column("state", Text, nullable=False, comment="received | heard | returned | declined | withdrawn"),
    Column("ended_at", DateTime(timezone=True)),
    Column("declined_because", Text, comment="a word, never a sentence"),
    CheckConstraint("state in ('received','heard','returned','declined','withdrawn')", name="state"),
    CheckConstraint(
        "(state in ('returned','declined','withdrawn')) = (sealed is null and wrapped_key is null and opinion is null)",
        name="nothing_stays",
    ),
    CheckConstraint("state in ('declined','withdrawn') or session_id is not null", name="session"),
    ForeignKeyConstraint(["session_id"], ["board_session.session_id"]),
    UniqueConstraint("from_network", "referral_id"),
    Index("ix_recourse_case_session", "session_id"),
    comment="RCP de recours, where its experts are: a case lent for one session. Nothing of it stays at the end.",
)
