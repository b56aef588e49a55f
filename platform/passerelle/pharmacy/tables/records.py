"""The state of a patient's pharmacy record, and the trace of what brought it there."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from passerelle.kernel import metadata

pharmacy_record = Table(
    "pharmacy_record",
    metadata.tenant,
    Column("patient_id", Uuid, primary_key=True),
    Column("state", Text, nullable=False, comment="informed | open | objected | closed; none: no row"),
    Column("informed_at", DateTime(timezone=True)),
    Column("opens_on", Date, comment="the first day on which it may open by itself"),
    Column("opened_at", DateTime(timezone=True)),
    Column("objected_at", DateTime(timezone=True)),
    Column("objection_ends_on", Date, comment="until then nobody opens it but at the patient's wish"),
    Column("closed_at", DateTime(timezone=True)),
    CheckConstraint("state in ('informed','open','objected','closed')", name="state"),
    Index(
        "ix_pharmacy_record_opens_on",
        "opens_on",
        "patient_id",
        postgresql_where=text("state = 'informed'"),
    ),
    comment="The pharmacy record (DP) of a patient. What it holds is read while it is open, and only then.",
)

pharmacy_record_act = Table(
    "pharmacy_record_act",
    metadata.tenant,
    Column("patient_id", Uuid, nullable=False),
    Column("act_id", Uuid, nullable=False),
    Column("act", Text, nullable=False, comment="inform | open | object | close"),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False, comment="kind:id"),
    Column("place", Text, comment="FINESS from which it was done"),
    Column("basis", Text, nullable=False, comment="agreement | opt_out | objection | request"),
    Column("proof", Text),
    Column("kept_until", Date, comment="how long the trace of an objection is kept"),
    PrimaryKeyConstraint("patient_id", "act_id"),
    ForeignKeyConstraint(["patient_id"], ["pharmacy_record.patient_id"]),
    Index(
        "ix_pharmacy_record_act_kept_until",
        "kept_until",
        postgresql_where=text("kept_until is not null"),
    ),
    comment="Each act in the life of a pharmacy record, and the trace of an objection until its end.",
)
