"""Recalls of batches and alerts, and how far each has come, in each pharmacy and elsewhere. No patient is in them."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from passerelle.kernel import metadata

recall = Table(
    "recall",
    metadata.tenant,
    Column("recall_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False, comment="recall: of a product | alert: to every pharmacy"),
    Column("level", Text, nullable=False, comment="urgent | standard"),
    Column("cip13", Text, comment="of the product; null for an alert"),
    Column(
        "batches", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]"), comment="none: the whole product"
    ),
    Column("message", Text, nullable=False, comment="what to do, in the authority's words"),
    Column("source", Text, nullable=False, comment="the authority: ansm, dgs…"),
    Column("reference", Text, nullable=False, comment="the authority's own number"),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("issued_by", Text, nullable=False, comment="kind:id"),
    Column("closed_at", DateTime(timezone=True), comment="from then on it reaches nobody more, and stops nothing"),
    Column("closed_by", Text),
    Column("origin", Text, comment="the network that announced it; null: this one"),
    CheckConstraint("(kind = 'alert') = (cip13 is null)", name="product"),
    UniqueConstraint("source", "reference"),
    Index("ix_recall_running", "issued_at", postgresql_where=text("closed_at is null")),
)

recall_delivery = Table(
    "recall_delivery",
    metadata.tenant,
    Column("recall_id", ForeignKey("recall.recall_id"), nullable=False),
    Column("pharmacy", Text, nullable=False, comment="FINESS"),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("escalates_at", DateTime(timezone=True), nullable=False, comment="unless acknowledged before"),
    Column("delivered_at", DateTime(timezone=True)),
    Column("escalated_at", DateTime(timezone=True)),
    Column("acknowledged_at", DateTime(timezone=True)),
    Column("acknowledged_by", Text, comment="professional:<RPPS>"),
    Column(
        "state",
        Text,
        Computed(
            "case when acknowledged_at is not null then 'acknowledged' when escalated_at is not null then 'escalated'"
            " when delivered_at is not null then 'delivered' else 'issued' end",
            persisted=True,
        ),
        nullable=False,
    ),
    PrimaryKeyConstraint("recall_id", "pharmacy"),
    CheckConstraint("acknowledged_at is null or delivered_at is not null", name="delivered_first"),
    CheckConstraint("(acknowledged_at is null) = (acknowledged_by is null)", name="by_somebody"),
    Index("ix_recall_delivery_pharmacy", "pharmacy", text("issued_at desc"), "recall_id"),
    Index(
        "ix_recall_delivery_due",
        "escalates_at",
        postgresql_where=text("acknowledged_at is null and escalated_at is null"),
    ),
    Index("ix_recall_delivery_waiting", "pharmacy", postgresql_where=text("acknowledged_at is null")),
    comment="Each pharmacy that a recall concerns, once.",
)

recall_elsewhere = Table(
    "recall_elsewhere",
    metadata.tenant,
    Column("recall_id", ForeignKey("recall.recall_id"), nullable=False),
    Column("network", Text, nullable=False),
    *(Column(name, Integer, nullable=False) for name in ("waiting", "delivered", "acknowledged", "escalated")),
    Column("escalated_pharmacies", ARRAY(Text), nullable=False, comment="FINESS"),
    Column("told_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("recall_id", "network"),
    comment="How many pharmacies of another network a recall of this one concerns, by how far it has come there.",
)
