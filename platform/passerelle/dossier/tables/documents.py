"""Documents: their entries, their histories, and what keeps one from someone."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from passerelle.kernel import metadata

_EMPTY_ARRAY = text("'{}'::text[]")
_EMPTY_LIST = text("'[]'::jsonb")

#: What the function behind `document.summary` is given: what is the same for whoever may read the document.
SUMMARIZED = (
    "document_id", "unique_id", "class_code", "class_label", "type_code", "type_label", "title", "mime_type", "masked",
    "by_patient", "service_start", "creation_time", "act_at", "filed_at", "size", "authors",
)  # fmt: skip

document = Table(
    "document",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False, comment="XDS logicalId: stable over metadata versions"),
    Column("entry_uuid", Uuid, nullable=False, comment="XDS entryUUID: new at each metadata version"),
    Column("metadata_version", Integer, nullable=False, server_default=text("1")),
    Column("unique_id", Text, nullable=False, comment="the producer's, stable per version of content"),
    Column("set_id", Text, comment="CDA setId of the chain, as given"),
    Column("version_number", Integer, comment="CDA versionNumber, as given"),
    Column("chain_id", Uuid, nullable=False, comment="document_id of the first version"),
    Column(
        "chain_position",
        Integer,
        nullable=False,
        server_default=text("1"),
        comment="a version is superseded for whoever sees one of a higher position",
    ),
    Column("replaces", Uuid, comment="document_id of the version before"),
    Column("superseded_by", Uuid, comment="a later version, which not everybody may know of: never shown"),
    Column("status", Text, nullable=False, comment="current | archived | deleted; superseded depends on the reader"),
    Column("class_code", Text, nullable=False),
    Column("class_label", Text, nullable=False),
    Column("type_code", Text, nullable=False),
    Column("type_label", Text, nullable=False),
    Column("format_code", Text),
    Column("mime_type", Text, nullable=False),
    Column("confidentiality", Text, nullable=False, server_default="N"),
    Column("masked", Boolean, nullable=False, server_default=text("false"), comment="MASQUE_PS"),
    Column(
        "hidden_from_patient",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="INVISIBLE_PATIENT",
    ),
    Column("hidden_since", DateTime(timezone=True), comment="beginning of the announcement period"),
    Column("hidden_until", DateTime(timezone=True), comment="end of the announcement period"),
    Column("hidden_from_representatives", Boolean, nullable=False, server_default=text("false")),
    Column("title", Text, nullable=False),
    Column("language", Text),
    Column(
        "authors",
        JSONB,
        nullable=False,
        server_default=_EMPTY_LIST,
        comment="[{kind, id, name, profession, specialty, role, structure: {id, name}}], as signed",
    ),
    Column(
        "author_ids",
        ARRAY(Text),
        nullable=False,
        server_default=_EMPTY_ARRAY,
        comment="RPPS of the authors and id of their structure; person_key of a patient who adds a document",
    ),
    Column("structure_id", Text, comment="FINESS (or other id) of the author's structure"),
    Column("facility_type", Text, comment="JDV_J02"),
    Column("practice_setting", Text, comment="JDV_J04"),
    Column("event_codes", JSONB, nullable=False, server_default=_EMPTY_LIST, comment="[{code, system, label}]"),
    Column("creation_time", Text, comment="HL7 time as given, any precision, also broken"),
    Column("service_start", Text, comment="as given"),
    Column("service_stop", Text, comment="as given"),
    Column("service_from", DateTime(timezone=True), comment="earliest instant service_start may mean"),
    Column("service_to", DateTime(timezone=True), comment="latest instant service_stop may mean"),
    Column("created_from", DateTime(timezone=True)),
    Column("created_to", DateTime(timezone=True)),
    Column(
        "act_at",
        DateTime(timezone=True),
        nullable=False,
        comment="what lists order by: service start, else creation, else filing",
    ),
    Column("by_patient", Boolean, nullable=False, server_default=text("false"), comment="added by the patient"),
    Column("submission_set_id", Uuid, nullable=False),
    Column("filed_at", DateTime(timezone=True), nullable=False),
    Column("filed_by", Text, nullable=False, comment="kind:id of the actor"),
    Column("size", BigInteger, nullable=False, comment="octets of the content in clear"),
    Column("sha256", Text, nullable=False, comment="of the content in clear, hexadecimal"),
    Column("content_name", Text, nullable=False, comment="object name in the content store; empty when kept elsewhere"),
    Column("origin", Text, comment="the network that keeps the document; null: this one"),
    Column(
        "copy_until", DateTime(timezone=True), comment="how long content_name holds a copy of what is kept elsewhere"
    ),
    Column(
        "summary",
        Text,
        Computed(f"document_summary({', '.join(SUMMARIZED)})", persisted=True),
        comment="members of a JSON object, as the gateway lists documents; holds what every reader of it may see",
    ),
    PrimaryKeyConstraint("patient_id", "document_id"),
    ForeignKeyConstraint(["patient_id"], ["dossier.patient_id"]),
    ForeignKeyConstraint(
        ["patient_id", "submission_set_id"], ["submission_set.patient_id", "submission_set.submission_set_id"]
    ),
    CheckConstraint("status in ('current','archived','deleted')", name="status"),
    Index("ix_document_newest", "patient_id", text("act_at desc"), text("document_id desc")),
    Index("ix_document_chain", "patient_id", "chain_id", "chain_position"),
    Index("ix_document_copy", "copy_until", postgresql_where=text("origin is not null and content_name <> ''")),
    Index("ix_document_hidden", "hidden_since", postgresql_where=text("hidden_from_patient")),
    # Looked up by id alone when a content URL or a node id is opened.
    Index("ix_document_document_id", "document_id", unique=True),
)

document_author = Table(
    "document_author",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("author_id", Text, nullable=False, comment="one of document.author_ids; drawn at random once purged"),
    Column("document_id", Uuid, nullable=False),
    PrimaryKeyConstraint("patient_id", "author_id", "document_id"),
    ForeignKeyConstraint(["patient_id", "document_id"], ["document.patient_id", "document.document_id"]),
    comment="Who wrote what: document.author_ids in the order in which a record asks for it.",
)

document_version = Table(
    "document_version",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    Column("metadata_version", Integer, nullable=False),
    Column("entry_uuid", Uuid, nullable=False),
    Column(
        "act",
        Text,
        nullable=False,
        comment="publish | mask | unmask | hide… | show… | archive | unarchive | delete | move",
    ),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("changed", JSONB, nullable=False, comment="{column: new value}"),
    PrimaryKeyConstraint("patient_id", "document_id", "metadata_version"),
    ForeignKeyConstraint(["patient_id", "document_id"], ["document.patient_id", "document.document_id"]),
    comment="Metadata history: one row for each entryUUID a document has had.",
)

document_mark = Table(
    "document_mark",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    Column("side", Text, nullable=False, comment="origin: the network that keeps it; home: the patient's"),
    Column("version", BigInteger, nullable=False, comment="of this side's acts on it, from 1"),
    Column("seen", BigInteger, nullable=False, comment="the other side's version when this was decided; 0: none"),
    Column("masked", Boolean),
    Column("hidden_from_patient", Boolean),
    Column("hidden_since", DateTime(timezone=True)),
    Column("hidden_until", DateTime(timezone=True)),
    Column("hidden_from_representatives", Boolean),
    Column("status", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("patient_id", "document_id", "side"),
    # No foreign key: what a former home decided is handed over before the document's entry comes.
    CheckConstraint(
        "side = 'home' or (masked is not null and hidden_from_patient is not null"
        " and hidden_from_representatives is not null and status is not null)",
        name="origin_decides_all",
    ),
    CheckConstraint("side in ('origin','home')", name="side"),
    comment="What each of two networks decided of a document; the document's row is what follows of both. Null:"
    " home left it to the origin.",
)

document_twin = Table(
    "document_twin",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False, comment="the one that is here, kept here or elsewhere"),
    Column("network", Text, nullable=False, comment="another network that was fed the same content"),
    Column("held_as", Uuid, nullable=False, comment="its document_id there"),
    PrimaryKeyConstraint("patient_id", "document_id", "network"),
    ForeignKeyConstraint(["patient_id", "document_id"], ["document.patient_id", "document.document_id"]),
    comment="The same content under the same uniqueId, filed in two networks: one document at the patient's home.",
)

document_key = Table(
    "document_key",
    metadata.tenant,
    Column("unique_id", Text, primary_key=True),
    Column("structure_id", Text, nullable=False, server_default=""),
    Column("sha256", Text, nullable=False),
    Column("patient_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    comment="One uniqueId names one content: what makes feeding idempotent.",
)

document_move = Table(
    "document_move",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False, comment="the wrong patient"),
    Column("move_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    Column("to_patient_id", Uuid, nullable=False),
    Column("to_document_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("patient_id", "move_id"),
)

set_aside = Table(
    "set_aside",
    metadata.tenant,
    Column("set_aside_id", Uuid, primary_key=True),
    Column("sha256", Text, nullable=False, unique=True, comment="of the file, which stays with its sender"),
    Column("unique_id", Text),
    Column("structure_id", Text),
    Column("code", Text, nullable=False, comment="what a person must settle"),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Column("last_seen_at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    comment="Files fed but not filed. Holds no content and no identity.",
)

document_withholding = Table(
    "document_withholding",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("withholding_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False, comment="professional:<RPPS> whom the document is kept from"),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True), comment="exclusive; null: until lifted"),
    Column("recorded_by", Text, nullable=False),
    Column("lifted_by", Text),
    PrimaryKeyConstraint("patient_id", "withholding_id"),
    ForeignKeyConstraint(["patient_id", "document_id"], ["document.patient_id", "document.document_id"]),
    Index("ix_document_withholding_subject", "patient_id", "subject"),
    comment="One document that the patient keeps from one professional; its author still sees it.",
)
