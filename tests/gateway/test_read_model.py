"""An object shows the same of a row, whatever else is asked of it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from passerelle.dossier import reading
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation
from passerelle_graphql.read_model import columns_of, shape
from passerelle_graphql.schema import schema
from passerelle_graphql.schema.documents import Document

_AT = "2026-11-10T09:30:00+01:00"
ROW = {
    **dict.fromkeys(reading.SHOWN, "texte"),
    **{name: str(uuid4()) for name in ("document_id", "entry_uuid", "submission_set_id")},
    **dict.fromkeys(("act_at", "filed_at", "hidden_until"), _AT),
    "status": "current",
    "authors": [{"kind": "patient", "family_name": "ESSAI"}],
    "event_codes": [{"code": "C50"}],
}
NAMES = {
    field.python_name: schema.config.name_converter.get_graphql_name(field)
    for field in Document.__strawberry_definition__.fields  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("name", columns_of(Document))
def test_a_field_asked_alone_shows_what_it_shows_among_all(name: str) -> None:
    alone = shape(Document, ROW, frozenset({NAMES[name]}))
    assert getattr(alone, name) == getattr(shape(Document, ROW), name)


@pytest.mark.parametrize("name", ["contentUrl", "viewUrl"])
def test_an_address_has_the_id_that_it_is_made_of(name: str) -> None:
    alone = shape(Document, ROW, frozenset({name}))
    assert (alone.id, alone.mime_type) == (shape(Document, ROW).id, "texte")


def test_what_nobody_asks_for_is_not_made() -> None:
    assert "authors" not in vars(shape(Document, ROW, frozenset({"id", "title"})))


def test_fields_are_known_by_their_names_in_fragments_under_aliases_and_conditions() -> None:
    text = """
        query A($yes: Boolean!) { document(id: "x") { ... on OpenedDocument { document { ...Some titre: title } } } }
        query B { document(id: "x") { ... on OpenedDocument { document { logicalId } } } }
        fragment Some on Document { le: filedAt @include(if: $yes) ... @skip(if: $yes) { authors { qui: rpps } } }
    """
    prepared = Preparation(schema, Limits(), introspection=False).document(text)
    assert prepared.field_names == {"document", "title", "logicalId", "filedAt", "authors", "rpps"}
