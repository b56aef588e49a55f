"""How Python writes a value of the schema as JSON: problems, and what is written late.

The value is what a resolver would return, or has the attributes of its fields, and so on below; only plain fields of it
are shown, none that has a resolver.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
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

from passerelle.kernel.context import Context
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler.building import Builder, NotCompiled, Shape, later
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.selections import Selected, Selections
from passerelle_graphql.compiler.shapes import Sql

#: Makes JSON of a value that is there.
Writer: TypeAlias = Callable[[Any], str]
#: Makes a writer for one answer, which writes an object once however often it stands there.
Beginning: TypeAlias = Callable[[], Writer]
_quoted: Final = json.encoder.encode_basestring


def written(selections: Selections, type_: GraphQLOutputType, selected: Selected, value: Any) -> bytes:
    """The JSON of a field's value. NotCompiled as `writer`."""
    return b"null" if value is None else writer(selections, type_, selected)(value).encode()


def made(
    type_name: str,
    field: str,
    make: Callable[..., object],
    *columns: Sql,
    lookup: Callable[[Context, Sequence[Sequence[Any]]], Awaitable[Mapping[str, Any]]] | None = None,
) -> Shape:
    """A field of a type that Python makes out of columns: `make` is given the context and each of them, or with a
    `lookup` what it found and each of them."""

    def late(builder: Builder, selected: Selected) -> Late:
        type_ = builder.type_of(type_name).fields[field].type

        def write(context: Context, values: Sequence[Any], found: Mapping[str, Any]) -> bytes:
            return written(builder.selections, type_, selected, make(context if lookup is None else found, *values))

        return Late(write=write, lookup=lookup)

    return later(late, *columns)


def writer(selections: Selections, type_: GraphQLOutputType, selected: Selected) -> Writer:
    """How a value that is there is written. NotCompiled for a field below that has a resolver."""
    begin = _beginning(selections, type_, selected)
    return lambda value: begin()(value)


def _beginning(selections: Selections, type_: GraphQLOutputType, selected: Selected) -> Beginning:
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if isinstance(type_, GraphQLList):
        return _list(_beginning(selections, type_.of_type, selected))
    if type_ is GraphQLString:
        return lambda: _quoted
    if isinstance(type_, GraphQLEnumType):
        words = {each.value: _quoted(type_.serialize(each.value)) for each in type_.values.values()}
        return lambda: words.__getitem__
    if isinstance(type_, GraphQLScalarType):
        serialize = type_.serialize
        return lambda: lambda value: _plain(serialize(value))
    if isinstance(type_, GraphQLObjectType):
        return _object(selections, type_, selected)
    if isinstance(type_, GraphQLUnionType):
        return _union(selections, type_, selected)
    raise NotCompiled(str(type_))


def _plain(value: Any) -> str:
    if type(value) is str:
        return _quoted(value)
    return str(value) if type(value) is int else as_json(value).decode()


def _list(begin: Beginning) -> Beginning:
    def begun() -> Writer:
        known: dict[int, tuple[Any, str]] = {}
        write_one = begin()

        def write(some: Any) -> str:
            told = known.get(id(some))
            if told is None:
                told = known[id(some)] = some, f"[{','.join(map(write_one, some))}]"
            return told[1]

        return write

    return begun


def _union(selections: Selections, type_: GraphQLUnionType, selected: Selected) -> Beginning:
    members = {each.name: each for each in type_.types}

    def write(value: Any) -> str:
        of = members[type(value).__strawberry_definition__.name]
        return _object(selections, of, selected)()(value)

    return lambda: write


def _object(selections: Selections, type_: GraphQLObjectType, selected: Selected) -> Beginning:
    keys: list[str] = []
    members: list[tuple[str, Beginning]] = []
    for each in selections.below(type_, selected):
        keys.append(f'"{each.key}":%s')
        if each.name == "__typename":
            members.append(("__class__", lambda: lambda _: f'"{type_.name}"'))
            continue
        field = type_.fields[each.name]
        declared = field.extensions["strawberry-definition"]
        if declared.base_resolver is not None:
            raise NotCompiled(f"{type_.name}.{each.name}")
        members.append((declared.python_name, _beginning(selections, field.type, each)))
    template = f"{{{','.join(keys)}}}"

    def begun() -> Writer:
        known: dict[int, tuple[Any, str]] = {}
        shown = [(name, begin()) for name, begin in members]

        def write(value: Any) -> str:
            told = known.get(id(value))
            if told is None:
                pieces = [
                    "null" if (held := getattr(value, name)) is None else write_held(held) for name, write_held in shown
                ]
                told = known[id(value)] = value, template % tuple(pieces)  # kept, so that no other gets its identity
            return told[1]

        return write

    return begun
