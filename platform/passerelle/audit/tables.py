"""The journal, its seals and the outbox rows of one tenant."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.kernel import metadata

#: As the partial indexes say it, so that they serve whoever asks in these words.
IS_EMERGENCY = "mode <> 'normal' or action = 'break_glass'"
IS_PRUNING = "kind = 'journal' and action = 'purge'"

# A line about nobody (an unknown actor at the door) is filed under the nil patient.
journal = Table(
    "journal",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False, comment="nil UUID when the line concerns no patient"),
    Column("line_id", BigInteger, Identity(always=True), nullable=False),
    Column(
        "transaction_id",
        Text,
        nullable=False,
        server_default=text("pg_current_xact_id()::text"),
        comment="xid8 of the writing transaction: gives the commit order to the sealing task",
    ),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False, comment="RPPS, FINESS, keyed hash of an INS, task name"),
    Column("actor_name", Text, nullable=False),
    Column("actor_profession", Text),
    Column("actor_establishment", Text),
    Column("software", Text, comment="client acting for the actor"),
    Column("action", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("document_id", Uuid),
    Column("outcome", Text, nullable=False, comment="allowed | refused"),
    Column("code", Text, comment="stable code of the refusal"),
    Column("rule", Text, nullable=False, comment="id of the rule that decided"),
    Column("pack", Text, nullable=False, comment="rule pack in force"),
    Column("mode", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("facts", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="facts the decision used"),
    PrimaryKeyConstraint("patient_id", "line_id"),
    Index("ix_journal_actor", "actor_id", "action", "at"),
    Index("ix_journal_at", "at", "line_id"),
    Index(
        "ix_journal_establishment",
        "actor_establishment",
        "at",
        "line_id",
        postgresql_where=text("actor_establishment is not null"),
    ),
    Index("ix_journal_emergency", "at", "line_id", postgresql_where=text(IS_EMERGENCY)),
    Index("ix_journal_pruning", "line_id", postgresql_where=text(IS_PRUNING)),
    Index("ix_journal_transaction", text("(transaction_id::bigint)")),
    comment="Append-only: the serving role may insert and select, nothing else. A new column takes nulls: what is"
    " sealed says nothing of it.",
)

journal_leaf = Table(
    "journal_leaf",
    metadata.tenant,
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False, comment="from 0, by commit"),
    Column("patient_id", Uuid, nullable=False),
    Column("line_id", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False, comment="RFC 9162 leaf of the line's canonical JSON"),
    Column("mark", LargeBinary, nullable=False, comment="keyed: of this hash for this line, then of its place too"),
    Column("subtrees", LargeBinary, comment="roots of the subtrees of 16, 256, 4096… leaves that end here"),
    UniqueConstraint("patient_id", "line_id"),
    comment="The journal's Merkle tree. Append-only.",
)

journal_seal = Table(
    "journal_seal",
    metadata.tenant,
    Column("tree_size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False),
    Column("previous_head", LargeBinary, nullable=False, comment="SHA-256 of the head before; zeros for the first"),
    Column("key_id", Text, nullable=False, comment="fingerprint of the public key"),
    Column("signature", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False, comment="roots of the complete subtrees, the largest first"),
    # Where the next batch begins: notes of ours, which no signature covers.
    Column("low_water", BigInteger, nullable=False, comment="transactions below are sealed, but those in flight"),
    Column("in_flight", ARRAY(BigInteger), nullable=False, comment="transactions below low_water then under way"),
    Column("cluster", Text, nullable=False, comment="whose transaction numbers these are; empty while catching up"),
    comment="The journal's signed heads, each holding the hash of the one before. Append-only.",
)

journal_key = Table(
    "journal_key",
    metadata.tenant,
    Column("key_id", Text, primary_key=True, comment="fingerprint of the key that signs since"),
    Column("former_id", Text, nullable=False, comment="of the one that signed before"),
    Column("statement", JSONB, nullable=False, comment="what both keys signed, and their signatures"),
    comment="Successions of the key that signs for the network. Append-only.",
)

journal_pruned_fact = Table(
    "journal_pruned_fact",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False, comment="what a person was shown; nil UUID for an act"),
    Column("actor_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("lines", BigInteger, nullable=False, comment="how many lines of the journal said so"),
    PrimaryKeyConstraint("patient_id", "document_id", "actor_id", "action"),
    comment="What must outlive the lines that were pruned. Written under the owning role; the serving role reads it.",
)

outbox = Table(
    "outbox",
    metadata.tenant,
    Column("event_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, comment="domain.fact, e.g. dossier.document_published"),
    Column("patient_id", Uuid, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("relayed_at", DateTime(timezone=True)),
    Column("attempts", BigInteger, nullable=False, server_default=text("0")),
    Column("next_attempt_at", DateTime(timezone=True), comment="not before; null until a delivery failed"),
    Column(
        "transaction_id",
        BigInteger,
        nullable=False,
        server_default=text("pg_current_xact_id()::text::bigint"),
        comment="of the writing transaction: tells those who follow what is new",
    ),
    Column("addressed_at", DateTime(timezone=True), comment="when it was found which networks are to hear of it"),
    Index("ix_outbox_transaction", "transaction_id"),
    Index("ix_outbox_unaddressed", "at", postgresql_where=text("addressed_at is null")),
    Index("ix_outbox_waiting", "at", postgresql_where=text("relayed_at is null")),
)

narrowing = Table(
    "narrowing",
    metadata.tenant,
    Column("narrowing_id", BigInteger, Identity(always=True), primary_key=True),
    Column("what", Text, nullable=False, comment="the table of the row that changed"),
    Column("said", JSONB(none_as_null=True), comment="what the row says since; null once the ledger outside has it"),
    Column(
        "at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()"), comment="of the server"
    ),
    Column("kept_at", DateTime(timezone=True), comment="when the ledger outside had it"),
    Index("ix_narrowing_waiting", "narrowing_id", postgresql_where=text("kept_at is null")),
    comment="What a restore must not undo, on its way out of this database. Triggers write it, in the act itself.",
)

directory_narrowing = narrowing.to_metadata(metadata.directory)
"""The same in the directory, whose ledger is its own."""
