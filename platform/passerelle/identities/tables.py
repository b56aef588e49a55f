"""Patients (one tenant's database); professionals and establishments (the directory)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from passerelle.kernel import metadata

patient = Table(
    "patient",
    metadata.tenant,
    Column("patient_id", Uuid, primary_key=True),
    Column("person_key", Text, unique=True, comment="keyed hash of the current INS; null while none is known"),
    Column("ins_oid", Text),
    Column("ins_value", Text, comment="matricule as given, 13 or 15 characters"),
    Column("ins_status", Text, nullable=False, comment="provisional | retrieved | validated | qualified"),
    Column("family_name", Text, comment="birth name"),
    Column("used_name", Text),
    Column("given_names", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("birth_date", Text, comment="HL7 date as given, any precision"),
    Column("sex", Text, comment="M | F | U"),
    Column("birth_place", Text, comment="INSEE code"),
    Column("deceased_on", Date),
    Column(
        "search_name",
        Text,
        nullable=False,
        server_default="",
        comment="family names folded: no accent, lower case",
    ),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("ins_status in ('provisional','retrieved','validated','qualified')", name="ins_status"),
    Index("ix_patient_traits", "search_name", "birth_date"),
)

patient_identifier = Table(
    "patient_identifier",
    metadata.tenant,
    Column("patient_id", ForeignKey("patient.patient_id"), nullable=False),
    Column("oid", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column(
        "is_dead",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="INS-C: kept, never matched on",
    ),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("patient_id", "oid", "value"),
    Index("ix_patient_identifier_value", "oid", "value"),
    comment="Every identifier under which a source knew the patient.",
)

identity_warning = Table(
    "identity_warning",
    metadata.tenant,
    Column("patient_id", ForeignKey("patient.patient_id"), nullable=False),
    Column("warning_id", Uuid, nullable=False),
    Column("code", Text, nullable=False, comment="INS_KEY_WRONG, INS_WITHOUT_KEY, TRAITS_DIFFER…"),
    Column("source", Text, nullable=False, comment="what carried it: document uniqueId, registration"),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("patient_id", "warning_id"),
    UniqueConstraint("patient_id", "code", "source"),
)

establishment = Table(
    "establishment",
    metadata.directory,
    Column("finess", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("basin", Text, nullable=False, comment="health basin (bassin de santé)"),
    Column("tenant_id", Text, nullable=False),
    Column("category", Text, comment="facility type, JDV_J02"),
    Index("ix_establishment_tenant_id", "tenant_id", "basin"),
)

professional = Table(
    "professional",
    metadata.directory,
    Column("rpps", Text, primary_key=True, comment="11 digits"),
    Column("family_name", Text, nullable=False),
    Column("given_name", Text, nullable=False),
    Column("profession", Text, nullable=False, comment="TRE_G15 (or TRE_R94/R95 for non-health)"),
    Column("specialty", Text, comment="TRE_R38"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
)

practice = Table(
    "practice",
    metadata.directory,
    Column("rpps", ForeignKey("professional.rpps"), nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("finess", Text, nullable=False, server_default="", comment="empty for a practice of one's own"),
    PrimaryKeyConstraint("rpps", "tenant_id", "finess"),
    comment="Where a professional works, and so which tenants know him.",
)

token_revocation = Table(
    "token_revocation",
    metadata.directory,
    Column("place", BigInteger, Identity(always=True), primary_key=True),
    Column("mark", Text, nullable=False, comment="SHA-256 of what is denied: a token, a jti or a sub of an issuer"),
    Column("revoked_at", DateTime(timezone=True), nullable=False, comment="a subject's later tokens are believed"),
    Column("until", DateTime(timezone=True), comment="when the token expires by itself; null when that is not known"),
    comment="Tokens that are believed no more. Append-only.",
)
