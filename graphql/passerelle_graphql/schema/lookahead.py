"""What is asked below a field, read before it is resolved: one statement then answers the whole read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import GraphQLObjectType, Undefined, get_named_type, value_from_ast
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from passerelle_graphql.compiler.selections import Selections
from passerelle_graphql.context import ResolverInfo


@dataclass(frozen=True, slots=True)
class Ahead:
    """One field below: its arguments as its resolver will get them, and the names of the fields below it."""

    arguments: dict[str, Any]
    names: frozenset[str]


def ahead(info: ResolverInfo, type_name: str, field_name: str) -> Ahead | None:
    """The first selection of `type_name.field_name` below the field that is being resolved, if it will be."""
    raw, selections = info._raw_info, _selections(info)
    type_ = _object_type(info, type_name)
    definition = type_.fields[field_name]
    below = selections.of(type_, (node.selection_set for node in raw.field_nodes))
    chosen = next((each for each in below if each.name == field_name), None)
    if chosen is None:
        return None
    given = {
        argument.name.value: value_from_ast(
            argument.value, definition.args[argument.name.value].type, dict(_variables(info))
        )
        for argument in chosen.nodes[0].arguments or ()
    }
    field: StrawberryField = definition.extensions["strawberry-definition"]
    arguments = convert_arguments(
        {name: value for name, value in given.items() if value is not Undefined},
        field.arguments,
        scalar_registry=info.schema.schema_converter.scalar_registry,
        config=info.schema.config,
    )
    inside = selections.below(_object_type(info, get_named_type(definition.type).name), chosen)
    return Ahead(arguments, frozenset(each.name for each in inside))


def selects(info: ResolverInfo, field_name: str) -> bool:
    """Whether `field_name` is asked directly below the field that is being resolved, which gives one type."""
    raw = info._raw_info
    type_ = _object_type(info, get_named_type(raw.return_type).name)
    below = _selections(info).of(type_, (node.selection_set for node in raw.field_nodes))
    return any(each.name == field_name for each in below)


def _selections(info: ResolverInfo) -> Selections:
    return Selections(info._raw_info.schema, info._raw_info.fragments, _variables(info))


def _variables(info: ResolverInfo) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], info._raw_info.variable_values)  # Strawberry hands the plain coerced values


def _object_type(info: ResolverInfo, name: str) -> GraphQLObjectType:
    found = info._raw_info.schema.type_map[name]
    assert isinstance(found, GraphQLObjectType)  # noqa: S101 - a name of ours
    return found
