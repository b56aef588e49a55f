"""The directory's tables about tenants."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, PrimaryKeyConstraint, Table, Text
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

home = Table(
    "home",
    metadata.directory,
    Column("person_key", Text, primary_key=True, comment="as in the locator"),
    Column("tenant_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False, comment="one more at each change"),
    Column("state", Text, nullable=False, comment="presumed | declared | moving | disputed"),
    Column("claimed_by", Text, comment="the network he moves to, or that says it is his home as well"),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state in ('presumed','declared','moving','disputed')", name="state"),
    comment="The network that holds a person's index, consents and masks.",
)

tenant_key = Table(
    "tenant_key",
    metadata.directory,
    Column("tenant_id", Text, nullable=False),
    Column("key_id", Text, nullable=False, comment="RFC 7638 thumbprint"),
    Column("use", Text, nullable=False, comment="sig | enc, as in a JWK"),
    Column("public", JSONB, nullable=False, comment="JWK (RFC 8037): Ed25519 to verify, X25519 to encrypt to"),
    Column("generation", BigInteger, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True), comment="exclusive; null: until the next generation is believed"),
    PrimaryKeyConstraint("tenant_id", "key_id"),
    CheckConstraint("use in ('sig','enc')", name="use"),
    comment="What the other networks verify a network's envelopes with and seal theirs to.",
)
