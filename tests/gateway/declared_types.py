"""Whether an answer is of the types that its operation declares: every field asked for and no other, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    is_abstract_type,
)

_PLAIN = {"Boolean": bool, "Int": int, "Float": float, "String": str, "ID": str}


def is_of_declared_types(schema: GraphQLSchema, document: DocumentNode, data: Any) -> bool:
    """`data` may answer `document`, which holds one operation, without named fragments and directives."""
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    root = schema.get_root_type(operation.operation)
    assert root is not None
    return _Answers(schema).fits(GraphQLNonNull(root), data, [operation.selection_set])


class _Answers:
    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    def fits(self, type_: GraphQLOutputType, value: Any, inside: list[SelectionSetNode]) -> bool:
        if isinstance(type_, GraphQLNonNull):
            return value is not None and self.fits(type_.of_type, value, inside)
        if value is None:
            return True
        if isinstance(type_, GraphQLList):
            return isinstance(value, list) and all(self.fits(type_.of_type, each, inside) for each in value)
        if isinstance(type_, GraphQLEnumType):
            return value in type_.values
        if isinstance(type_, GraphQLScalarType):
            return _is_scalar(type_, value)
        return any(self._is_object(each, value, inside) for each in self._possible(type_))

    def _possible(self, type_: Any) -> Iterable[GraphQLObjectType]:
        return self._schema.get_possible_types(type_) if is_abstract_type(type_) else [type_]

    def _is_object(self, type_: GraphQLObjectType, value: Any, inside: list[SelectionSetNode]) -> bool:
        asked: dict[str, list[FieldNode]] = {}
        for each in inside:
            for field in self._fields(type_, each):
                asked.setdefault((field.alias or field.name).value, []).append(field)
        if not isinstance(value, dict) or list(value) != list(asked):
            return False
        return all(self._is_field(type_, value[key], fields) for key, fields in asked.items())

    def _is_field(self, type_: GraphQLObjectType, value: Any, fields: list[FieldNode]) -> bool:
        name = fields[0].name.value
        if name == "__typename":
            return bool(value == type_.name)
        inside = [each.selection_set for each in fields if each.selection_set is not None]
        return self.fits(type_.fields[name].type, value, inside)

    def _fields(self, type_: GraphQLObjectType, selections: SelectionSetNode) -> Iterator[FieldNode]:
        for each in selections.selections:
            assert isinstance(each, FieldNode | InlineFragmentNode)
            assert not each.directives
            if isinstance(each, FieldNode):
                yield each
            elif each.type_condition is None or self._is_a(type_, each.type_condition.name.value):
                yield from self._fields(type_, each.selection_set)

    def _is_a(self, type_: GraphQLObjectType, name: str) -> bool:
        return type_ in self._possible(self._schema.type_map[name])


def _is_scalar(type_: GraphQLScalarType, value: Any) -> bool:
    if type_.name in _PLAIN:
        return type(value) is _PLAIN[type_.name]
    try:
        type_.parse_value(value)
    except (GraphQLError, ValueError, TypeError):
        return False
    return isinstance(value, str)
