"""The directory's tables about tenants."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.kernel import metadata

tenant = Table(
    "tenant",
    metadata.directory,
    Column("tenant_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("settings", JSONB, nullable=False, comment="the network's TOML as declared"),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

locator = Table(
    "locator",
    metadata.directory,
    Column("person_key", Text, nullable=False, comment="INS under the network's key; never the INS"),
    Column("tenant_id", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("person_key", "tenant_id"),
    comment="Which tenants hold something of a person.",
)
