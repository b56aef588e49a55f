"""How Python writes a value of the schema as JSON: problems, and what is written late.

The value is what a resolver would return; only plain fields of it are shown, none that has a resolver.
"""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    is_leaf_type,
)

from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler.building import NotCompiled
from passerelle_graphql.compiler.selections import Selected, Selections


def written(selections: Selections, type_: GraphQLOutputType, selected: Selected, value: Any) -> bytes:
    """The JSON of a field's value."""
    return as_json(shown(selections, type_, selected, value))


def shown(selections: Selections, type_: GraphQLOutputType, selected: Selected, value: Any) -> Any:
    """What a field's value is shown as, for JSON to be made of. NotCompiled for a field that has a resolver."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if value is None:
        return None
    if isinstance(type_, GraphQLList):
        return [shown(selections, type_.of_type, selected, each) for each in value]
    if is_leaf_type(type_):
        assert isinstance(type_, (GraphQLScalarType, GraphQLEnumType))  # noqa: S101 - `is_leaf_type` is no type guard
        return type_.serialize(value)
    return shown_object(selections, selected, value)


def shown_object(selections: Selections, selected: Selected, value: Any) -> dict[str, Any]:
    """What an object of the schema is shown as. NotCompiled for a field that has a resolver."""
    name = type(value).__strawberry_definition__.name
    object_type = selections.schema.type_map[name]
    assert isinstance(object_type, GraphQLObjectType)  # noqa: S101 - a value is of an object type
    found: dict[str, Any] = {}
    for each in selections.below(object_type, selected):
        if each.name == "__typename":
            found[each.key] = name
            continue
        field = object_type.fields[each.name]
        declared = field.extensions["strawberry-definition"]
        if declared.base_resolver is not None:
            raise NotCompiled(f"{name}.{each.name}")
        found[each.key] = shown(selections, field.type, each, getattr(value, declared.python_name))
    return found
