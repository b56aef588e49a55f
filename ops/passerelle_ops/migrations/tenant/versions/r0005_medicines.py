"""Medicines and their interactions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from passerelle_ops.migrations import grants

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "reference_edition",
        sa.Column("edition_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="bdpm | interactions"),
        sa.Column("dated", sa.Date(), nullable=False, comment="the day its publisher gives it"),
        sa.Column(
            "origin", sa.Text(), nullable=False, comment="published | starter (the small set that ships with us)"
        ),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "files",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="by file: lines read, kept, refused, and why",
        ),
        sa.Column("in_force_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("in_force_until", sa.DateTime(timezone=True), nullable=True, comment="null while in force"),
        sa.PrimaryKeyConstraint("edition_id", name=op.f("pk_reference_edition")),
        comment="One import of one source. At most one of each source is in force.",
    )
    op.create_index(
        "ix_reference_edition_in_force",
        "reference_edition",
        ["source"],
        unique=True,
        postgresql_where=sa.text("in_force_from is not null and in_force_until is null"),
    )
    op.create_table(
        "medicine",
        sa.Column("edition_id", sa.Uuid(), nullable=False),
        sa.Column("cis", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "search_name", sa.Text(collation="C"), nullable=False, comment="folded: small letters without accents"
        ),
        sa.Column(
            "search_words",
            sa.Text(collation="C"),
            nullable=False,
            comment="words of the name and its substances, padded",
        ),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("routes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("is_marketed", sa.Boolean(), nullable=False),
        sa.Column("atc", sa.Text(), nullable=True),
        sa.Column("product_class", sa.Text(), nullable=False, comment="medicine | biologic | vaccine"),
        sa.Column("generic_group", sa.Text(), nullable=True, comment="the first of its groups"),
        sa.Column("generic_type", sa.SmallInteger(), nullable=True, comment="in that group; see generic_member"),
        sa.Column("is_major_interest", sa.Boolean(), nullable=False, comment="MITM: of major therapeutic interest"),
        sa.Column("conditions", postgresql.ARRAY(sa.Text()), nullable=False, comment="of prescription and dispensing"),
        sa.ForeignKeyConstraint(["edition_id"], ["reference_edition.edition_id"], name=op.f("fk_medicine_edition_id")),
        sa.PrimaryKeyConstraint("edition_id", "cis", name=op.f("pk_medicine")),
        comment="A speciality, as the BDPM lists it. Append-only.",
    )
    op.create_index("ix_medicine_search_name", "medicine", ["edition_id", "search_name", "cis"], unique=False)
    op.create_table(
        "medicine_word",
        sa.Column("edition_id", sa.Uuid(), nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("cis", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["reference_edition.edition_id"], name=op.f("fk_medicine_word_edition_id")
        ),
        sa.PrimaryKeyConstraint("edition_id", "word", "cis", name=op.f("pk_medicine_word")),
        comment="Each folded word of a name or of a substance, by which medicines are searched. Append-only.",
    )
    op.create_table(
        "generic_member",
        sa.Column("edition_id", sa.Uuid(), nullable=False),
        sa.Column("generic_group", sa.Text(), nullable=False),
        sa.Column("cis", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "generic_type",
            sa.SmallInteger(),
            nullable=False,
            comment="0 reference, 1 generic, 2 and 4 by complementarity",
        ),
        sa.Column("label", sa.Text(), nullable=False, comment="of the group"),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["reference_edition.edition_id"], name=op.f("fk_generic_member_edition_id")
        ),
        sa.PrimaryKeyConstraint("edition_id", "generic_group", "cis", name=op.f("pk_generic_member")),
        comment="The generic groups; a medicine that can be split may stand in several. Append-only.",
    )
    op.create_index("ix_generic_member_cis", "generic_member", ["edition_id", "cis"], unique=False)
    op.create_table(
        "presentation",
        sa.Column("edition_id", sa.Uuid(), nullable=False),
        sa.Column("cip13", sa.Text(collation="C"), nullable=False),
        sa.Column("cip7", sa.Text(collation="C"), nullable=False),
        sa.Column("cis", sa.Text(collation="C"), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("is_marketed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["reference_edition.edition_id"], name=op.f("fk_presentation_edition_id")
        ),
        sa.PrimaryKeyConstraint("edition_id", "cip13", name=op.f("pk_presentation")),
        comment="A box of a medicine. Append-only.",
    )
    op.create_index("ix_presentation_cip7", "presentation", ["edition_id", "cip7"], unique=False)
    op.create_index("ix_presentation_cis", "presentation", ["edition_id", "cis"], unique=False)
    op.create_table(
        "medicine_substance",
        sa.Column("edition_id", sa.Uuid(), nullable=False),
        sa.Column("cis", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="order in the file, within the medicine"),
        sa.Column(
            "element", sa.Text(), nullable=False, comment="the part of the medicine it is in: comprimé, solvant…"
        ),
        sa.Column("substance_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search_name", sa.Text(collation="C"), nullable=False, comment="folded"),
        sa.Column(
            "known_as",
            postgresql.ARRAY(sa.Text(collation="C")),
            nullable=False,
            comment="folded names under which a thesaurus may list it",
        ),
        sa.Column("strength", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="what the strength is for: un comprimé, 2 ml…"),
        sa.Column("nature", sa.Text(), nullable=False, comment="SA active substance | FT therapeutic fraction"),
        sa.Column("link", sa.Integer(), nullable=False, comment="the same number: a substance and its fraction"),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["reference_edition.edition_id"], name=op.f("fk_medicine_substance_edition_id")
        ),
        sa.PrimaryKeyConstraint("edition_id", "cis", "number", name=op.f("pk_medicine_substance")),
        comment="What a medicine is made of. Append-only.",
    )
    op.create_index(
        "ix_medicine_substance_search_name", "medicine_substance", ["edition_id", "search_name"], unique=False
    )
    op.create_table(
        "shortage",
        sa.Column("edition_id", sa.Uuid(), nullable=False),
        sa.Column("cis", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="order in the file, within the medicine"),
        sa.Column("cip13", sa.Text(collation="C"), nullable=True, comment="null: every box of it"),
        sa.Column("status", sa.Text(), nullable=False, comment="out | strained | stopped | back"),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("updated_on", sa.Date(), nullable=True),
        sa.Column("expected_back", sa.Date(), nullable=True),
        sa.Column("link", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["reference_edition.edition_id"], name=op.f("fk_shortage_edition_id")),
        sa.PrimaryKeyConstraint("edition_id", "cis", "number", name=op.f("pk_shortage")),
        comment="What the ANSM says of its availability. Append-only.",
    )
    op.create_table(
        "interaction",
        sa.Column("edition_id", sa.Uuid(), nullable=False),
        sa.Column(
            "left", sa.Text(collation="C"), nullable=False, comment="folded substance or family, not after right"
        ),
        sa.Column("right", sa.Text(collation="C"), nullable=False, comment="folded substance or family"),
        sa.Column(
            "level",
            sa.SmallInteger(),
            nullable=False,
            comment="4 contraindicated, 3 advised against, 2 caution, 1 to consider",
        ),
        sa.Column("number", sa.Integer(), nullable=False, comment="line of the file"),
        sa.Column("left_label", sa.Text(), nullable=False, comment="as published"),
        sa.Column("right_label", sa.Text(), nullable=False, comment="as published"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("mechanism", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["reference_edition.edition_id"], name=op.f("fk_interaction_edition_id")
        ),
        sa.PrimaryKeyConstraint("edition_id", "left", "right", "level", "number", name=op.f("pk_interaction")),
        comment="One row for each level of a pair. Append-only.",
    )
    op.create_index("ix_interaction_right", "interaction", ["edition_id", "right"], unique=False)
    op.create_table(
        "interaction_family",
        sa.Column("edition_id", sa.Uuid(), nullable=False),
        sa.Column("substance", sa.Text(collation="C"), nullable=False, comment="folded"),
        sa.Column("family", sa.Text(collation="C"), nullable=False, comment="folded"),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["reference_edition.edition_id"], name=op.f("fk_interaction_family_edition_id")
        ),
        sa.PrimaryKeyConstraint("edition_id", "substance", "family", name=op.f("pk_interaction_family")),
        comment="Which families of the interactions a substance belongs to. Append-only.",
    )
    op.create_index("ix_interaction_family_family", "interaction_family", ["edition_id", "family"], unique=False)

    grants.read_add_and_change("reference_edition")
    grants.read_and_add(
        "medicine",
        "medicine_word",
        "generic_member",
        "presentation",
        "medicine_substance",
        "shortage",
        "interaction",
        "interaction_family",
    )
