"""How Python writes a value of the schema as JSON: problems, and what is written late.

The value is what a resolver would return, or has the attributes of its fields, and so on below; only plain fields of it
are shown, none that has a resolver.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    GraphQLUnionType,
)

from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler.building import NotCompiled
from passerelle_graphql.compiler.selections import Selected, Selections

#: Makes JSON of a value; what was written of an object stands in the second for as long as one answer is made.
Writer: TypeAlias = Callable[[Any, dict[tuple[int, int], tuple[Any, str]]], str]
_quoted: Final = json.encoder.encode_basestring


def written(selections: Selections, type_: GraphQLOutputType, selected: Selected, value: Any) -> bytes:
    """The JSON of a field's value. NotCompiled as `writer`."""
    return b"null" if value is None else writer(selections, type_, selected)(value, {}).encode()


def writer(selections: Selections, type_: GraphQLOutputType, selected: Selected) -> Writer:
    """How a value that is there is written. NotCompiled for a field below that has a resolver."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if isinstance(type_, GraphQLList):
        inner = writer(selections, type_.of_type, selected)
        return lambda some, known: f"[{','.join([inner(each, known) for each in some])}]"
    if type_ is GraphQLString:
        return lambda value, _known: _quoted(value)
    if isinstance(type_, GraphQLEnumType):
        words = {each.value: _quoted(type_.serialize(each.value)) for each in type_.values.values()}
        return lambda value, _known: words[value]
    if isinstance(type_, GraphQLScalarType):
        serialize = type_.serialize
        return lambda value, _known: as_json(serialize(value)).decode()
    if isinstance(type_, GraphQLObjectType):
        return _object_writer(selections, type_, selected)
    if isinstance(type_, GraphQLUnionType):
        return _union_writer(selections, type_, selected)
    raise NotCompiled(str(type_))


def _union_writer(selections: Selections, type_: GraphQLUnionType, selected: Selected) -> Writer:
    members = {each.name: each for each in type_.types}

    def write(value: Any, known: dict[tuple[int, int], tuple[Any, str]]) -> str:
        of = members[type(value).__strawberry_definition__.name]
        return _object_writer(selections, of, selected)(value, known)

    return write


def _object_writer(selections: Selections, type_: GraphQLObjectType, selected: Selected) -> Writer:
    members: list[tuple[str, str, Writer]] = []
    for each in selections.below(type_, selected):
        if each.name == "__typename":
            members.append((f'"{each.key}":', "__class__", lambda _value, _known: f'"{type_.name}"'))
            continue
        field = type_.fields[each.name]
        declared = field.extensions["strawberry-definition"]
        if declared.base_resolver is not None:
            raise NotCompiled(f"{type_.name}.{each.name}")
        members.append((f'"{each.key}":', declared.python_name, writer(selections, field.type, each)))
    number = id(members)

    def write(value: Any, known: dict[tuple[int, int], tuple[Any, str]]) -> str:
        place = number, id(value)
        told = known.get(place)
        if told is None:
            pieces = []
            for key, name, shown in members:
                held = getattr(value, name)
                pieces.append(key + ("null" if held is None else shown(held, known)))
            told = known[place] = value, f"{{{','.join(pieces)}}}"  # kept, so that no other gets its identity
        return told[1]

    return write
