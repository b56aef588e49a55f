"""The schema as it is committed, and the operations that go with it."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest
from graphql import FieldNode, OperationDefinitionNode, Visitor, build_schema, parse, visit

from passerelle.dossier import documents
from passerelle.kernel.messages import catalogue
from passerelle_graphql.committed import committed
from passerelle_graphql.export_sdl import COMMITTED, sdl
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation
from passerelle_graphql.schema import schema


def _acts() -> set[tuple[str, str]]:
    """Everything that the matrices let someone do."""
    found: set[tuple[str, str]] = set()
    for pack in files("passerelle_policies").joinpath("packs").iterdir():
        if (matrix := pack.joinpath("matrix.csv")).is_file():
            rows = csv.DictReader(matrix.read_text("utf-8").splitlines())
            found |= {(row["kind"], action) for row in rows for action in row["action"].split("|") if action != "*"}
    return {(kind, action) for kind, action in found if kind != "*"}


def test_the_committed_sdl_is_the_schema() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == sdl(), "run python -m passerelle_graphql.export_sdl"


def test_the_committed_sdl_builds() -> None:
    built = build_schema(COMMITTED.read_text(encoding="utf-8"))
    assert built.query_type is not None
    assert built.query_type.fields.keys() >= {"me", "patient", "dossier", "document", "journal", "authorizations"}


@pytest.mark.parametrize("name", committed())
def test_a_committed_operation_is_valid_and_within_the_limits(name: str) -> None:
    preparation = Preparation(schema, Limits(), introspection=False)

    document = preparation.document(committed()[name])

    assert name in document.operations


def test_every_root_field_has_a_committed_operation() -> None:
    used: set[str] = set()

    class Roots(Visitor):
        def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
            used.update(each.name.value for each in node.selection_set.selections if isinstance(each, FieldNode))

    for text in set(committed().values()):
        visit(parse(text), Roots())
    offered = {
        name
        for type_ in (schema._schema.query_type, schema._schema.mutation_type, schema._schema.subscription_type)
        if type_
        for name in type_.fields
    }
    assert used == offered


def test_every_union_says_what_may_go_wrong() -> None:
    """Every field that acts or reads answers with a union that a refusal belongs to."""
    query, mutation = schema._schema.query_type, schema._schema.mutation_type
    assert query is not None
    assert mutation is not None
    for name, field in {**query.fields, **mutation.fields}.items():
        if name != "me":
            named = str(field.type).rstrip("!")
            members = {each.name for each in getattr(schema._schema.type_map[named], "types", ())}
            assert members >= {"Refusal", "InvalidInput", "TryLater"}, name


@pytest.mark.parametrize(("kind", "action"), [*sorted(_acts()), (documents.CONTENT, "read")])
def test_the_patient_is_told_every_act_in_french(kind: str, action: str) -> None:
    assert f"JOURNAL_{kind}_{action}".upper() in catalogue()
