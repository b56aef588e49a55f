"""The variables of one operation, read as graphql-core reads them, at a tenth of its price (GraphQL §6.1.2).

How each one is read is made once, out of its declaration. A value that is not plainly of its type is left to
graphql-core, which knows the rest and says what is wrong: `Coercion.read` then gives nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from graphql import (
    GraphQLBoolean,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    VariableDefinitionNode,
    get_variable_values,
    is_input_type,
    is_leaf_type,
    is_required_input_field,
    type_from_ast,
)
from graphql.utilities.coerce_input_value import coerce_default_value

Reader: TypeAlias = Callable[[Any], Any]
"""Gives the coerced value, or `ASK`."""

ASK: Final = object()
_ABSENT: Final = object()
_INT: Final = 2**31


class Coercion:
    """Reads the variables of one operation."""

    def __init__(self, schema: GraphQLSchema, declared: Collection[VariableDefinitionNode]) -> None:
        self._readers: list[tuple[str, Reader, Any]] = []
        for each in declared:
            type_ = type_from_ast(schema, each.type)
            read = _reader(type_, frozenset()) if is_input_type(type_) else _ask
            self._readers.append((each.variable.name.value, read, _when_absent(schema, each)))

    def read(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The coerced variables; nothing when graphql-core is to be asked."""
        coerced: dict[str, Any] = {}
        for name, read, when_absent in self._readers:
            value = given.get(name, _ABSENT)
            value = when_absent if value is _ABSENT else read(value)
            if value is ASK:
                return None
            if value is not _ABSENT:
                coerced[name] = value
        return coerced


def _when_absent(schema: GraphQLSchema, declared: VariableDefinitionNode) -> Any:
    """What a variable is when it is not given: its default, nothing, or ASK."""
    read = get_variable_values(schema, (declared,), {})
    if isinstance(read, list):
        return ASK
    value = read.coerced.get(declared.variable.name.value, _ABSENT)
    return ASK if isinstance(value, list | dict) else value  # not one object for all requests


def _reader(type_: GraphQLInputType, around: frozenset[str]) -> Reader:
    if isinstance(type_, GraphQLNonNull):
        return _nullable(type_.of_type, around)

    read = _nullable(type_, around)
    return lambda value: None if value is None else read(value)


def _nullable(type_: GraphQLInputType, around: frozenset[str]) -> Reader:
    """How a value that is there is read; null is ASK."""
    if type_ is GraphQLString:
        return lambda value: value if type(value) is str else ASK
    if type_ is GraphQLID:
        return lambda value: value if type(value) is str else ASK
    if type_ is GraphQLBoolean:
        return lambda value: value if type(value) is bool else ASK
    if type_ is GraphQLInt:
        return lambda value: value if type(value) is int and -_INT <= value < _INT else ASK
    if isinstance(type_, GraphQLList):
        return _list(_reader(type_.of_type, around))
    if isinstance(type_, GraphQLInputObjectType):
        return _ask if type_.name in around or type_.is_one_of else _object(type_, around | {type_.name})
    return _leaf(type_) if is_leaf_type(type_) else _ask


def _leaf(type_: GraphQLLeafType) -> Reader:
    def read(value: Any) -> Any:
        if value is None:
            return ASK
        try:
            coerced = type_.coerce_input_value(value)
        except Exception:  # noqa: BLE001 - as graphql-core does
            return ASK
        return ASK if coerced is Undefined else coerced

    return read


def _list(read_item: Reader) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not list:
            return ASK
        items = [read_item(each) for each in value]
        return ASK if ASK in items else items

    return read


def _object(type_: GraphQLInputObjectType, around: frozenset[str]) -> Reader:
    readers = [
        (name, field.out_name or name, _reader(field.type, around), _when_left_out(field))
        for name, field in type_.fields.items()
    ]
    names = type_.fields.keys()

    def read(value: Any) -> Any:
        if type(value) is not dict or not value.keys() <= names:
            return ASK
        coerced: dict[str, Any] = {}
        for name, out_name, read_field, when_left_out in readers:
            each = value.get(name, _ABSENT)
            each = when_left_out if each is _ABSENT else read_field(each)
            if each is ASK:
                return ASK
            if each is not _ABSENT:
                coerced[out_name] = each
        try:
            return type_.out_type(coerced)
        except Exception:  # noqa: BLE001 - what Strawberry raises is for graphql-core to tell
            return ASK

    return read


def _when_left_out(field: GraphQLInputField) -> Any:
    if is_required_input_field(field):
        return ASK
    value = coerce_default_value(field)
    if value is Undefined:
        return _ABSENT
    return ASK if isinstance(value, list | dict) else value


def _ask(_: Any) -> Any:
    return ASK
