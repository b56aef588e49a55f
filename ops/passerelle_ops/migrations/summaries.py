"""The function behind `document.summary`: written by the gateway's own compiler, so that what is kept beside a row is
what it would write of it, octet by octet (docs/decisions/0103)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, event

from passerelle.dossier import tables as dossier
from passerelle.kernel import metadata

if TYPE_CHECKING:
    from passerelle_graphql.compiler.building import Builder
    from passerelle_graphql.compiler.selections import Selected
    from passerelle_graphql.compiler.shapes import Sql

_TYPES = {"authors": "jsonb", "masked": "boolean", "by_patient": "boolean", "size": "bigint", "document_id": "uuid"}
_INSTANTS = ("act_at", "filed_at")


def document_summary() -> str:
    """`create or replace function document_summary(…)`, for the lists of codes of today.

    Immutable as far as a row is concerned: its labels come from lists that change by publication, and then a
    revision replaces it and writes the rows anew (a test says when).
    """
    # The face takes seconds to load, and nothing needs it where every database is at its newest revision.
    from passerelle_graphql.compiler.building import Builder
    from passerelle_graphql.compiler.selections import Selections
    from passerelle_graphql.compiler.shapes import Sql
    from passerelle_graphql.schema import schema
    from passerelle_graphql.schema.documents import KEPT, author_fields, document_fields

    builder, authors = Builder(Selections(schema._schema, {}, {})), ""

    def one_by_one(within: Builder, selected: Selected) -> Sql:
        nonlocal authors
        authors = within.object("Author", author_fields(), selected)
        return Sql("'[' || author.written || ']'")

    columns = {name: Sql(f"given_{name}") for name in dossier.SUMMARIZED}
    fields = document_fields({**columns}) | {"authors": one_by_one}
    text = builder.members("Document", fields, KEPT.members(builder.selections))
    given = ", ".join(f"given_{name} {_type_of(name)}" for name in dossier.SUMMARIZED)
    # Expressions alone: PostgreSQL reads them once for each connection, and starts no query for each row.
    return (
        f"create or replace function document_summary({given}) returns text"
        f" language plpgsql immutable parallel safe as $body$"
        f" <<author>> declare value jsonb; written text := '';"
        f" begin for number in 0 .. jsonb_array_length(given_authors) - 1 loop value := given_authors -> number;"
        f" written := written || case when number > 0 then ',' else '' end || {authors}; end loop;"
        f" return {text}; end author $body$"
    )


def _type_of(name: str) -> str:
    return "timestamp with time zone" if name in _INSTANTS else _TYPES.get(name, "text")


@event.listens_for(metadata.tenant, "before_create")
def _create_functions(_schema: MetaData, connection: Connection, **_options: object) -> None:
    connection.exec_driver_sql(document_summary().replace("%", "%%"))
