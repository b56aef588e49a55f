"""The pharmacy record and what was dispensed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from passerelle_ops.migrations import grants

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


# The serving role deletes nothing: it names classes and days, and what goes is counted where it cannot write.
_END_OF_STORAGE = """
create function end_pharmacy_storage(
  this_end uuid, this_at timestamptz, classes text[], days_since date[], days_until date[], today date, at_once integer
) returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  patients uuid[];
  dispensations uuid[];
begin
  with past as (
    select * from unnest(classes, days_since, days_until) as past(product_class, since, until)
  ), due as (
    select line.patient_id, line.dispensation_id, line.number
      from past join dispensation_line line using (product_class)
      where line.dispensed_on >= past.since and line.dispensed_on < past.until
      limit at_once
  ), erased as (
    delete from dispensation_line line using due
      where line.patient_id = due.patient_id and line.dispensation_id = due.dispensation_id
        and line.number = due.number
      returning line.*
  ), told as (
    insert into pharmacy_storage_end (end_id, what, at, erased, first_on, last_on)
      select this_end, product_class, this_at, count(*), min(dispensed_on), max(dispensed_on)
        from erased group by product_class
  )
  select array_agg(patient_id), array_agg(dispensation_id) into patients, dispensations
    from (select distinct patient_id, dispensation_id from erased) as touched;

  -- A dispensation goes with the last line of its last version; corrections of one number take turns by its first.
  perform from dispensation version
    where version.version = 1 and exists (
      select from unnest(patients, dispensations) as touched(patient_id, dispensation_id)
        join dispensation of_it using (patient_id, dispensation_id)
        where (of_it.patient_id, of_it.pharmacy, of_it.pharmacy_number)
          = (version.patient_id, version.pharmacy, version.pharmacy_number))
    for update;
  with number as (
    select distinct of_it.patient_id, of_it.pharmacy, of_it.pharmacy_number
      from unnest(patients, dispensations) as touched(patient_id, dispensation_id)
        join dispensation of_it using (patient_id, dispensation_id)
  ), gone as (
    delete from dispensation version using number
      where (version.patient_id, version.pharmacy, version.pharmacy_number)
          = (number.patient_id, number.pharmacy, number.pharmacy_number)
        and not exists (
          select from dispensation other join dispensation_line using (patient_id, dispensation_id)
            where (other.patient_id, other.pharmacy, other.pharmacy_number)
              = (number.patient_id, number.pharmacy, number.pharmacy_number))
      returning version.version
  )
  insert into pharmacy_storage_end (end_id, what, at, erased)
    select this_end, 'dispensation', this_at, count(*) from gone having count(*) > 0;

  with due as (
    select patient_id, act_id from pharmacy_record_act where kept_until < today limit at_once
  ), erased as (
    delete from pharmacy_record_act trace using due
      where trace.patient_id = due.patient_id and trace.act_id = due.act_id
      returning trace.kept_until
  )
  insert into pharmacy_storage_end (end_id, what, at, erased, first_on, last_on)
    select this_end, 'objection', this_at, count(*), min(kept_until), max(kept_until)
      from erased having count(*) > 0;
end $$
"""


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.add_column(
        "relation",
        sa.Column("place", sa.Text(), comment="FINESS: it holds for who acts from there, and from nowhere else"),
    )
    op.create_table(
        "pharmacy_record",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="informed | open | objected | closed; none: no row"),
        sa.Column("informed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opens_on", sa.Date(), nullable=True, comment="the first day on which it may open by itself"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("objected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "objection_ends_on",
            sa.Date(),
            nullable=True,
            comment="until then nobody opens it but at the patient's wish",
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('informed','open','objected','closed')", name=op.f("ck_pharmacy_record_state")),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_pharmacy_record")),
        comment="The pharmacy record (DP) of a patient. What it holds is read while it is open, and only then.",
    )
    op.create_index(
        "ix_pharmacy_record_opens_on",
        "pharmacy_record",
        ["opens_on", "patient_id"],
        unique=False,
        postgresql_where=sa.text("state = 'informed'"),
    )
    op.create_table(
        "pharmacy_record_act",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("act_id", sa.Uuid(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False, comment="inform | open | object | close"),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False, comment="kind:id"),
        sa.Column("place", sa.Text(), nullable=True, comment="FINESS from which it was done"),
        sa.Column("basis", sa.Text(), nullable=False, comment="agreement | opt_out | objection | request"),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("kept_until", sa.Date(), nullable=True, comment="how long the trace of an objection is kept"),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["pharmacy_record.patient_id"], name=op.f("fk_pharmacy_record_act_patient_id")
        ),
        sa.PrimaryKeyConstraint("patient_id", "act_id", name=op.f("pk_pharmacy_record_act")),
        comment="Each act in the life of a pharmacy record, and the trace of an objection until its end.",
    )
    op.create_index(
        "ix_pharmacy_record_act_kept_until",
        "pharmacy_record_act",
        ["kept_until"],
        unique=False,
        postgresql_where=sa.text("kept_until is not null"),
    )
    op.create_table(
        "dispensation",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("dispensation_id", sa.Uuid(), nullable=False),
        sa.Column("pharmacy", sa.Text(), nullable=False, comment="FINESS"),
        sa.Column("pharmacy_number", sa.Text(), nullable=False, comment="the pharmacy's own number"),
        sa.Column("version", sa.Integer(), nullable=False, comment="from 1; each correction is one more"),
        sa.Column("status", sa.Text(), nullable=False, comment="current | corrected | cancelled"),
        sa.Column("dispensed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dispensed_by", sa.Text(), nullable=False, comment="kind:id"),
        sa.Column("prescriber_rpps", sa.Text(), nullable=True),
        sa.Column("prescriber_name", sa.Text(), nullable=True),
        sa.Column("prescribed_on", sa.Date(), nullable=True),
        sa.Column("prescription_number", sa.Text(), nullable=True, comment="of the prescription that it answers"),
        sa.Column(
            "document_version",
            sa.Integer(),
            nullable=True,
            comment="of the document that it came as, if it did and that has one",
        ),
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="mark of what was sent, which nobody but the network can make",
        ),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="when it was corrected or cancelled"),
        sa.Column("ended_by", sa.Text(), nullable=True, comment="kind:id"),
        sa.Column("end_reason", sa.Text(), nullable=True, comment="why it was corrected or cancelled"),
        sa.CheckConstraint("status in ('current','corrected','cancelled')", name=op.f("ck_dispensation_status")),
        sa.PrimaryKeyConstraint("patient_id", "dispensation_id", name=op.f("pk_dispensation")),
        sa.UniqueConstraint(
            "pharmacy", "pharmacy_number", "version", name=op.f("uq_dispensation_pharmacy_pharmacy_number_version")
        ),
        comment="One version of one dispensation. Append-only but for its end.",
    )
    op.create_table(
        "dispensation_line",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("dispensation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="from 1, in the order given"),
        sa.Column("product_class", sa.Text(), nullable=False, comment="medicine | biologic | vaccine | device"),
        sa.Column("cip13", sa.Text(collation="C"), nullable=True),
        sa.Column("cis", sa.Text(collation="C"), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column(
            "substances",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="folded names, as the table of that day had them",
        ),
        sa.Column("atc", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("dose_text", sa.Text(), nullable=True),
        sa.Column("days", sa.Integer(), nullable=True, comment="for how many days it lasts"),
        sa.Column("batch", sa.Text(collation="C"), nullable=True),
        sa.Column("is_prescribed", sa.Boolean(), nullable=False),
        sa.Column("dispensed_on", sa.Date(), nullable=False, comment="legal day of dispensed_at"),
        sa.CheckConstraint(
            "product_class in ('medicine','biologic','vaccine','device')",
            name=op.f("ck_dispensation_line_product_class"),
        ),
        sa.ForeignKeyConstraint(
            ["patient_id", "dispensation_id"],
            ["dispensation.patient_id", "dispensation.dispensation_id"],
            name=op.f("fk_dispensation_line_patient_id_dispensation_id"),
        ),
        sa.PrimaryKeyConstraint("patient_id", "dispensation_id", "number", name=op.f("pk_dispensation_line")),
        comment="One product of one dispensation. Append-only.",
    )
    op.create_index(
        "ix_dispensation_line_dispensed_on", "dispensation_line", ["patient_id", "dispensed_on"], unique=False
    )
    op.create_index(
        "ix_dispensation_line_batch",
        "dispensation_line",
        ["cip13", sa.text("upper(replace(batch, ' ', ''))")],
        unique=False,
    )
    op.create_index(
        "ix_dispensation_line_product_class", "dispensation_line", ["product_class", "dispensed_on"], unique=False
    )
    op.create_table(
        "pharmacy_storage_end",
        sa.Column("end_id", sa.Uuid(), nullable=False),
        sa.Column(
            "what",
            sa.Text(),
            nullable=False,
            comment="medicine | biologic | vaccine | device: lines; dispensation; objection; override",
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False, comment="how many"),
        sa.Column("first_on", sa.Date(), nullable=True, comment="the oldest day among them"),
        sa.Column("last_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("end_id", "what", name=op.f("pk_pharmacy_storage_end")),
        comment="What was erased at the end of its storage. Written by the functions that erase alone.",
    )
    grants.read_and_add("pharmacy_record_act", "dispensation_line")
    grants.read_add_and_change("pharmacy_record", "dispensation")
    grants.read("pharmacy_storage_end")
    op.execute(_END_OF_STORAGE)
    grants.call("end_pharmacy_storage(uuid, timestamptz, text[], date[], date[], date, integer)")
