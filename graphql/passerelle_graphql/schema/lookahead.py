"""What is asked below a field, read before it is resolved: one statement then answers the whole read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    InlineFragmentNode,
    SelectionSetNode,
    Undefined,
    value_from_ast,
)
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from passerelle_graphql.context import ResolverInfo


@dataclass(frozen=True, slots=True)
class Ahead:
    """One field below: its arguments as its resolver will get them, and the names of the fields below it."""

    arguments: dict[str, Any]
    names: frozenset[str]


def ahead(info: ResolverInfo, type_name: str, field_name: str) -> Ahead | None:
    """The first selection of `type_name.field_name` below the field that is being resolved."""
    raw = info._raw_info
    type_ = raw.schema.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)  # noqa: S101 - `type_name` is a name of ours
    definition = type_.fields[field_name]
    below = [
        each for node in raw.field_nodes for each in _fields(info, node.selection_set) if each.name.value == field_name
    ]
    if not below:
        return None
    chosen = below[0]
    variables = cast(dict[str, Any], raw.variable_values)  # Strawberry hands the plain coerced values
    given = {
        argument.name.value: value_from_ast(argument.value, definition.args[argument.name.value].type, variables)
        for argument in chosen.arguments or ()
    }
    field: StrawberryField = definition.extensions["strawberry-definition"]
    arguments = convert_arguments(
        {name: value for name, value in given.items() if value is not Undefined},
        field.arguments,
        scalar_registry=info.schema.schema_converter.scalar_registry,
        config=info.schema.config,
    )
    same = [each for each in below if _key(each) == _key(chosen)]
    return Ahead(arguments, frozenset(each.name.value for node in same for each in _fields(info, node.selection_set)))


def selects(info: ResolverInfo, field_name: str) -> bool:
    """Whether `field_name` is asked directly below the field that is being resolved."""
    return any(
        each.name.value == field_name
        for node in info._raw_info.field_nodes
        for each in _fields(info, node.selection_set)
    )


def _fields(info: ResolverInfo, selections: SelectionSetNode | None) -> Iterator[FieldNode]:
    if selections is None:
        return
    for each in selections.selections:
        if isinstance(each, FieldNode):
            yield each
        elif isinstance(each, InlineFragmentNode):
            yield from _fields(info, each.selection_set)
        elif isinstance(each, FragmentSpreadNode):
            yield from _fields(info, info._raw_info.fragments[each.name.value].selection_set)


def _key(node: FieldNode) -> str:
    return node.alias.value if node.alias else node.name.value
