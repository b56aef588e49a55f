"""What travels between networks: what is owed, what was taken in, where else a patient's things are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants
from passerelle_ops.migrations.summaries import document_summary

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

#: What is taken away from the release before, and why it can do without (docs/decisions/0146).
CONTRACTS = {
    "DropConstraint document ck_document_no_double_hiding": "Its acts refuse to hide twice by themselves, and it"
    " reads each mark alone: a document that is masked and hidden is shown to neither side.",
}


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.execute(sa.text(document_summary().replace(":", "\\:")))  # the same text, written quicker
    op.execute(sa.schema.CreateSequence(sa.Sequence("federation_version")))
    op.create_table(
        "federation_in",
        sa.Column("from_tenant", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="the sender's; an older one changes nothing"),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("from_tenant", "kind", "object_id", name=op.f("pk_federation_in")),
        comment="The newest state that was applied of what each network sent.",
    )
    op.create_table(
        "federation_out",
        sa.Column("to_tenant", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="of what travels; names the traveller that gathers and applies it",
        ),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False, comment="nil UUID when it concerns no patient"),
        sa.Column("priority", sa.SmallInteger(), nullable=False, comment="0 first: what narrows goes before what adds"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="the state owed, of federation_version"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, comment="of the oldest change not acknowledged"),
        sa.Column("sent_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="of the state owed"),
        sa.Column(
            "deferred",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="how often it was to come later",
        ),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acked_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("acked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "dead_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="no more attempts until somebody retries or drops it",
        ),
        sa.Column("code", sa.Text(), nullable=True, comment="why the other refused it, or why it is dead"),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="of what is said once, until acked; null for a state: read anew",
        ),
        sa.PrimaryKeyConstraint("to_tenant", "kind", "object_id", name=op.f("pk_federation_out")),
        comment="One row for each object that another network must know the newest state of.",
    )
    op.create_index(
        "ix_federation_out_owed",
        "federation_out",
        ["to_tenant", "priority", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("acked_version < version and dead_at is null"),
    )
    op.create_index(
        "ix_federation_out_dead",
        "federation_out",
        ["to_tenant", "dead_at"],
        unique=False,
        postgresql_where=sa.text("dead_at is not null"),
    )
    op.create_index(
        "ix_federation_out_patient",
        "federation_out",
        ["patient_id"],
        unique=False,
        postgresql_where=sa.text("acked_version < version"),
    )
    op.create_table(
        "federation_peer",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "heard_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="of the last envelope of it that was opened here",
        ),
        sa.Column(
            "as_of",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="its clock: what it changed until then was applied here",
        ),
        sa.Column(
            "away_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="it owes an answer since then; null when it answers",
        ),
        sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True, comment="next sign of life to give it"),
        sa.Column(
            "acked",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="states it acknowledged, ever",
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_federation_peer")),
        comment="The other networks, one row each, whether or not any patient is shared: the list betrays nothing.",
    )
    op.create_table(
        "patient_place",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column(
            "tenant_id", sa.Text(), nullable=False, comment="another network that holds something of this patient"
        ),
        sa.Column("is_home", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True, comment="exclusive; null: still"),
        sa.Column(
            "owed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when all that it is to have was owed; null: not yet",
        ),
        sa.PrimaryKeyConstraint("patient_id", "tenant_id", name=op.f("pk_patient_place")),
        comment="Where else a patient's things are, as the locator said last. No row is_home: home is here.",
    )
    op.create_index(
        "ix_patient_place_unowed",
        "patient_place",
        ["patient_id"],
        unique=False,
        postgresql_where=sa.text("owed_at is null"),
    )
    op.create_table(
        "patient_location",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("person_key", sa.Text(), nullable=False, comment="as in the locator, so that it can be answered"),
        sa.Column("located_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_patient_location")),
        sa.UniqueConstraint("person_key", name=op.f("uq_patient_location_person_key")),
        comment="Patients that the locator was told of.",
    )
    op.create_table(
        "home_move",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="of the directory's home when it was handed on"),
        sa.Column("from_tenant", sa.Text(), nullable=False),
        sa.Column("to_tenant", sa.Text(), nullable=False),
        sa.Column(
            "handed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="here decides no more; on the side that he leaves",
        ),
        sa.Column(
            "taken_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="here decides from then on; on the side that he comes to",
        ),
        sa.Column(
            "settled_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the directory says so too, and everybody is told",
        ),
        sa.PrimaryKeyConstraint("patient_id", "version", name=op.f("pk_home_move")),
        comment="The steps of a patient's move to another home, as each of the two networks took them.",
    )
    op.create_index(
        "ix_home_move_open",
        "home_move",
        ["patient_id"],
        unique=False,
        postgresql_where=sa.text("settled_at is null"),
    )
    op.create_table(
        "document_mark",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False, comment="origin: the network that keeps it; home: the patient's"),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="of this side's acts on it, from 1"),
        sa.Column(
            "seen", sa.BigInteger(), nullable=False, comment="the other side's version when this was decided; 0: none"
        ),
        sa.Column("masked", sa.Boolean(), nullable=True),
        sa.Column("hidden_from_patient", sa.Boolean(), nullable=True),
        sa.Column("hidden_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hidden_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hidden_from_representatives", sa.Boolean(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "side = 'home' or (masked is not null and hidden_from_patient is not null"
            " and hidden_from_representatives is not null and status is not null)",
            name=op.f("ck_document_mark_origin_decides_all"),
        ),
        sa.CheckConstraint("side in ('origin','home')", name=op.f("ck_document_mark_side")),
        sa.PrimaryKeyConstraint("patient_id", "document_id", "side", name=op.f("pk_document_mark")),
        comment="What each of two networks decided of a document; the document's row is what follows of both. Null:"
        " home left it to the origin.",
    )
    op.create_table(
        "document_twin",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False, comment="the one that is here, kept here or elsewhere"),
        sa.Column("network", sa.Text(), nullable=False, comment="another network that was fed the same content"),
        sa.Column("held_as", sa.Uuid(), nullable=False, comment="its document_id there"),
        sa.ForeignKeyConstraint(
            ["patient_id", "document_id"],
            ["document.patient_id", "document.document_id"],
            name=op.f("fk_document_twin_patient_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("patient_id", "document_id", "network", name=op.f("pk_document_twin")),
        comment="The same content under the same uniqueId, filed in two networks: one document at the patient's home.",
    )
    # Two networks may have decided one each, until home settles it; within one, the acts refuse it.
    op.drop_constraint(op.f("ck_document_no_double_hiding"), "document", type_="check")
    op.add_column(
        "document",
        sa.Column("origin", sa.Text(), nullable=True, comment="the network that keeps the document; null: this one"),
    )
    op.add_column(
        "document",
        sa.Column(
            "copy_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="how long content_name holds a copy of what is kept elsewhere",
        ),
    )
    op.create_index(
        "ix_document_copy",
        "document",
        ["copy_until"],
        unique=False,
        postgresql_where=sa.text("origin is not null and content_name <> ''"),
    )
    op.alter_column(
        "document",
        "content_name",
        existing_type=sa.TEXT(),
        comment="object name in the content store; empty when kept elsewhere",
        existing_comment="object name in the content store",
        existing_nullable=False,
    )
    op.add_column(
        "outbox",
        sa.Column(
            "addressed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was found which networks are to hear of it",
        ),
    )
    op.create_index(
        "ix_outbox_unaddressed", "outbox", ["at"], unique=False, postgresql_where=sa.text("addressed_at is null")
    )
    for table, said in (
        ("dispensation", "the network whose pharmacy dispensed it; null: this one"),
        ("recall", "the network that announced it; null: this one"),
        ("emergency_access", "the network where the glass was broken; null: this one"),
    ):
        op.add_column(table, sa.Column("origin", sa.Text(), nullable=True, comment=said))
    op.create_table(
        "recall_elsewhere",
        sa.Column("recall_id", sa.Uuid(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("waiting", "delivered", "acknowledged", "escalated")
        ),
        sa.Column("escalated_pharmacies", postgresql.ARRAY(sa.Text()), nullable=False, comment="FINESS"),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["recall_id"], ["recall.recall_id"], name=op.f("fk_recall_elsewhere_recall_id")),
        sa.PrimaryKeyConstraint("recall_id", "network", name=op.f("pk_recall_elsewhere")),
        comment="How many pharmacies of another network a recall of this one concerns, by how far it has come there.",
    )
    grants.read_add_and_change(
        *("federation_out", "federation_in", "federation_peer", "patient_place", "document_mark"),
        "document_twin",
        *("patient_location", "home_move", "recall_elsewhere"),
    )
    grants.draw("federation_version")
