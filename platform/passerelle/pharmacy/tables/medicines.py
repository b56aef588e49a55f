"""Reference data: medicines (BDPM), their shortages, and which of them do not go together (ANSM).

Each import is an edition. Its rows are never changed: what changes is which edition of a source is in force.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from passerelle.kernel import metadata


def _edition() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["edition_id"], ["reference_edition.edition_id"])


reference_edition = Table(
    "reference_edition",
    metadata.tenant,
    Column("edition_id", Uuid, primary_key=True),
    Column("source", Text, nullable=False, comment="bdpm | interactions"),
    Column("dated", Date, nullable=False, comment="the day its publisher gives it"),
    Column("origin", Text, nullable=False, comment="published | starter (the small set that ships with us)"),
    Column("loaded_at", DateTime(timezone=True), nullable=False),
    Column("files", JSONB, nullable=False, comment="by file: lines read, kept, refused, and why"),
    Column("in_force_from", DateTime(timezone=True)),
    Column("in_force_until", DateTime(timezone=True), comment="null while in force"),
    Index(
        "ix_reference_edition_in_force",
        "source",
        unique=True,
        postgresql_where=text("in_force_from is not null and in_force_until is null"),
    ),
    comment="One import of one source. At most one of each source is in force.",
)

medicine = Table(
    "medicine",
    metadata.tenant,
    Column("edition_id", Uuid, nullable=False),
    Column("cis", Text(collation="C"), nullable=False),
    Column("name", Text, nullable=False),
    Column("search_name", Text(collation="C"), nullable=False, comment="folded: small letters without accents"),
    Column("search_words", Text(collation="C"), nullable=False, comment="words of the name and its substances, padded"),
    Column("form", Text, nullable=False),
    Column("routes", ARRAY(Text), nullable=False),
    Column("holder", Text, nullable=False),
    Column("is_marketed", Boolean, nullable=False),
    Column("atc", Text),
    Column("product_class", Text, nullable=False, comment="medicine | biologic | vaccine"),
    Column("generic_group", Text, comment="the first of its groups"),
    Column("generic_type", SmallInteger, comment="in that group; see generic_member"),
    Column("is_major_interest", Boolean, nullable=False, comment="MITM: of major therapeutic interest"),
    Column("conditions", ARRAY(Text), nullable=False, comment="of prescription and dispensing"),
    PrimaryKeyConstraint("edition_id", "cis"),
    _edition(),
    Index("ix_medicine_search_name", "edition_id", "search_name", "cis"),
    comment="A speciality, as the BDPM lists it. Append-only.",
)

medicine_word = Table(
    "medicine_word",
    metadata.tenant,
    Column("edition_id", Uuid, nullable=False),
    Column("word", Text(collation="C"), nullable=False),
    Column("cis", Text(collation="C"), nullable=False),
    PrimaryKeyConstraint("edition_id", "word", "cis"),
    _edition(),
    comment="Each folded word of a name or of a substance, by which medicines are searched. Append-only.",
)

generic_member = Table(
    "generic_member",
    metadata.tenant,
    Column("edition_id", Uuid, nullable=False),
    Column("generic_group", Text, nullable=False),
    Column("cis", Text(collation="C"), nullable=False),
    Column("generic_type", SmallInteger, nullable=False, comment="0 reference, 1 generic, 2 and 4 by complementarity"),
    Column("label", Text, nullable=False, comment="of the group"),
    PrimaryKeyConstraint("edition_id", "generic_group", "cis"),
    _edition(),
    Index("ix_generic_member_cis", "edition_id", "cis"),
    comment="The generic groups; a medicine that can be split may stand in several. Append-only.",
)

presentation = Table(
    "presentation",
    metadata.tenant,
    Column("edition_id", Uuid, nullable=False),
    Column("cip13", Text(collation="C"), nullable=False),
    Column("cip7", Text(collation="C"), nullable=False),
    Column("cis", Text(collation="C"), nullable=False),
    Column("label", Text, nullable=False),
    Column("is_marketed", Boolean, nullable=False),
    PrimaryKeyConstraint("edition_id", "cip13"),
    _edition(),
    Index("ix_presentation_cip7", "edition_id", "cip7"),
    Index("ix_presentation_cis", "edition_id", "cis"),
    comment="A box of a medicine. Append-only.",
)

medicine_substance = Table(
    "medicine_substance",
    metadata.tenant,
    Column("edition_id", Uuid, nullable=False),
    Column("cis", Text(collation="C"), nullable=False),
    Column("number", Integer, nullable=False, comment="order in the file, within the medicine"),
    Column("element", Text, nullable=False, comment="the part of the medicine it is in: comprimé, solvant…"),
    Column("substance_code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("search_name", Text(collation="C"), nullable=False, comment="folded"),
    Column(
        "known_as",
        ARRAY(Text(collation="C")),
        nullable=False,
        comment="folded names under which a thesaurus may list it",
    ),
    Column("strength", Text, nullable=False),
    Column("reference", Text, nullable=False, comment="what the strength is for: un comprimé, 2 ml…"),
    Column("nature", Text, nullable=False, comment="SA active substance | FT therapeutic fraction"),
    Column("link", Integer, nullable=False, comment="the same number: a substance and its fraction"),
    PrimaryKeyConstraint("edition_id", "cis", "number"),
    _edition(),
    Index("ix_medicine_substance_search_name", "edition_id", "search_name"),
    comment="What a medicine is made of. Append-only.",
)

shortage = Table(
    "shortage",
    metadata.tenant,
    Column("edition_id", Uuid, nullable=False),
    Column("cis", Text(collation="C"), nullable=False),
    Column("number", Integer, nullable=False, comment="order in the file, within the medicine"),
    Column("cip13", Text(collation="C"), comment="null: every box of it"),
    Column("status", Text, nullable=False, comment="out | strained | stopped | back"),
    Column("since", Date, nullable=False),
    Column("updated_on", Date),
    Column("expected_back", Date),
    Column("link", Text, nullable=False),
    PrimaryKeyConstraint("edition_id", "cis", "number"),
    _edition(),
    comment="What the ANSM says of its availability. Append-only.",
)

interaction = Table(
    "interaction",
    metadata.tenant,
    Column("edition_id", Uuid, nullable=False),
    Column("left", Text(collation="C"), nullable=False, comment="folded substance or family, not after right"),
    Column("right", Text(collation="C"), nullable=False, comment="folded substance or family"),
    Column(
        "level", SmallInteger, nullable=False, comment="4 contraindicated, 3 advised against, 2 caution, 1 to consider"
    ),
    Column("number", Integer, nullable=False, comment="line of the file"),
    Column("left_label", Text, nullable=False, comment="as published"),
    Column("right_label", Text, nullable=False, comment="as published"),
    Column("text", Text, nullable=False),
    Column("mechanism", Text, nullable=False),
    PrimaryKeyConstraint("edition_id", "left", "right", "level", "number"),
    _edition(),
    Index("ix_interaction_right", "edition_id", "right"),
    comment="One row for each level of a pair. Append-only.",
)

interaction_family = Table(
    "interaction_family",
    metadata.tenant,
    Column("edition_id", Uuid, nullable=False),
    Column("substance", Text(collation="C"), nullable=False, comment="folded"),
    Column("family", Text(collation="C"), nullable=False, comment="folded"),
    PrimaryKeyConstraint("edition_id", "substance", "family"),
    _edition(),
    Index("ix_interaction_family_family", "edition_id", "family"),
    comment="Which families of the interactions a substance belongs to. Append-only.",
)
