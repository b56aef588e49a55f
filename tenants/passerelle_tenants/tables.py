"""The directory's tables about tenants."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
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
    Column("person_key", Text, nullable=False, comment="INS under the installation's locator key; never the INS"),
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
    Column("state", Text, nullable=False, comment="presumed | declared | moving | handed | disputed"),
    Column("claimed_by", Text, comment="the network he moves to, or that says it is his home as well"),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state in ('presumed','declared','moving','handed','disputed')", name="state"),
    Index("ix_home_moving", "tenant_id", postgresql_where=text("state in ('moving','handed')")),
    comment="The network that holds a person's index, consents and masks.",
)

person_key_change = Table(
    "person_key_change",
    metadata.directory,
    Column("person_key", Text, primary_key=True, comment="of an INS that was replaced"),
    Column("now_key", Text, nullable=False, comment="of the INS that the same person has now"),
    Column("since", DateTime(timezone=True), nullable=False),
    Index("ix_person_key_change_now_key", "now_key"),
    comment="Persons whose INS was replaced by another: whoever knows the former key finds the person.",
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

tenant_role = Table(
    "tenant_role",
    metadata.directory,
    Column("role", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False, comment="*: all networks, of the installation's own role"),
    comment="Whose keys and addresses a role may write; of a role without a line, nobody's. Written by the owner.",
)

tenant_address = Table(
    "tenant_address",
    metadata.directory,
    Column("address", Text, primary_key=True, comment="as it stands in a path"),
    Column("tenant_id", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    comment="What a network is called by besides its id; the one of the newest instant is its address now.",
)

tenant_merge = Table(
    "tenant_merge",
    metadata.directory,
    Column("tenant_id", Text, primary_key=True, comment="the network that is merged into another"),
    Column("into_tenant", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("done_at", DateTime(timezone=True), comment="nothing is written there any more; null while it goes on"),
    CheckConstraint("tenant_id <> into_tenant", name="into_another"),
    comment="Networks that another one goes on for: whoever is at home there is to be at home here.",
)
