"""What a tenant owes to others, what it took in from them, and where else its patients' things are."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    Label,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    literal_column,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.kernel import metadata

#: The order of this tenant's states: a later state of an object has a higher number, whatever the clocks say.
federation_version = Sequence("federation_version", metadata=metadata.tenant)

federation_out = Table(
    "federation_out",
    metadata.tenant,
    Column("to_tenant", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="of what travels; names the traveller that gathers and applies it"),
    Column("object_id", Uuid, nullable=False),
    Column("patient_id", Uuid, nullable=False, comment="nil UUID when it concerns no patient"),
    Column("priority", SmallInteger, nullable=False, comment="0 first: what narrows goes before what adds"),
    Column("version", BigInteger, nullable=False, comment="the state owed, of federation_version"),
    Column("since", DateTime(timezone=True), nullable=False, comment="of the oldest change not acknowledged"),
    Column("sent_version", BigInteger, nullable=False, server_default=text("0")),
    Column("sent_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="of the state owed"),
    Column("deferred", Integer, nullable=False, server_default=text("0"), comment="how often it was to come later"),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("acked_version", BigInteger, nullable=False, server_default=text("0")),
    Column("acked_at", DateTime(timezone=True)),
    Column("dead_at", DateTime(timezone=True), comment="no more attempts until somebody retries or drops it"),
    Column("code", Text, comment="why the other refused it, or why it is dead"),
    Column("payload", JSONB, comment="of what is said once, until acked; null for a state: read anew"),
    PrimaryKeyConstraint("to_tenant", "kind", "object_id"),
    Index(
        "ix_federation_out_owed",
        "to_tenant",
        "priority",
        "next_attempt_at",
        postgresql_where=text("acked_version < version and dead_at is null"),
    ),
    Index("ix_federation_out_dead", "to_tenant", "dead_at", postgresql_where=text("dead_at is not null")),
    Index("ix_federation_out_patient", "patient_id", postgresql_where=text("acked_version < version")),
    comment="One row for each object that another network must know the newest state of.",
)

#: A row of it by its place, which needs no index, whatever PostgreSQL believes of a table that was empty just now. One
#: that somebody changed in between is not found there, and is taken up the next time.
ROW: Final[Label[str]] = literal_column("federation_out.ctid", Text()).label("place")

#: A value to select: the commit does not wait for the disk. For what a crash may undo, as it is only said again: that
#: a state was sent, and that it was acknowledged.
HASTY: Final = func.set_config("synchronous_commit", "off", true()).label("hasty")

federation_in = Table(
    "federation_in",
    metadata.tenant,
    Column("from_tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("object_id", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False, comment="the sender's; an older one changes nothing"),
    Column("applied_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("from_tenant", "kind", "object_id"),
    comment="The newest state that was applied of what each network sent.",
)

federation_peer = Table(
    "federation_peer",
    metadata.tenant,
    Column("tenant_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("heard_at", DateTime(timezone=True), comment="of the last envelope of it that was opened here"),
    Column("as_of", DateTime(timezone=True), comment="its clock: what it changed until then was applied here"),
    Column("away_since", DateTime(timezone=True), comment="it owes an answer since then; null when it answers"),
    Column("probe_at", DateTime(timezone=True), comment="next sign of life to give it"),
    Column("acked", BigInteger, nullable=False, server_default=text("0"), comment="states it acknowledged, ever"),
    comment="The other networks, one row each, whether or not any patient is shared: the list betrays nothing.",
)

patient_place = Table(
    "patient_place",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("tenant_id", Text, nullable=False, comment="another network that holds something of this patient"),
    Column("is_home", Boolean, nullable=False, server_default=text("false")),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), comment="exclusive; null: still"),
    Column("owed_at", DateTime(timezone=True), comment="when all that it is to have was owed; null: not yet"),
    PrimaryKeyConstraint("patient_id", "tenant_id"),
    Index("ix_patient_place_unowed", "patient_id", postgresql_where=text("owed_at is null")),
    comment="Where else a patient's things are, as the locator said last. No row is_home: home is here.",
)

patient_location = Table(
    "patient_location",
    metadata.tenant,
    Column("patient_id", Uuid, primary_key=True),
    Column("person_key", Text, nullable=False, unique=True, comment="as in the locator, so that it can be answered"),
    Column("located_at", DateTime(timezone=True), nullable=False),
    comment="Patients that the locator was told of.",
)

home_move = Table(
    "home_move",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False, comment="of the directory's home when it was handed on"),
    Column("from_tenant", Text, nullable=False),
    Column("to_tenant", Text, nullable=False),
    Column("handed_at", DateTime(timezone=True), comment="here decides no more; on the side that he leaves"),
    Column("taken_at", DateTime(timezone=True), comment="here decides from then on; on the side that he comes to"),
    Column("settled_at", DateTime(timezone=True), comment="the directory says so too, and everybody is told"),
    PrimaryKeyConstraint("patient_id", "version"),
    Index("ix_home_move_open", "patient_id", postgresql_where=text("settled_at is null")),
    comment="The steps of a patient's move to another home, as each of the two networks took them.",
)
