"""A read whose statement gathers, and whose answer Python makes out of what was gathered.

For what is compared in Python with tables in memory: the facts, the decision, the journal line and the rows are one
statement as everywhere, its body is one late place, and what is selected is written without Strawberry.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
)

from passerelle.kernel.context import Context
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler.building import Builder, NotCompiled, packed
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.roots import ReadRoot
from passerelle_graphql.compiler.selections import Selected
from passerelle_graphql.compiler.shapes import Sql

#: Makes JSON of a value; what was written of an object stands in the second for as long as one answer is made.
Writer: TypeAlias = Callable[[Any, dict[tuple[int, int], tuple[Any, str]]], str]
_quoted: Final = json.encoder.encode_basestring


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRoot(ReadRoot):
    """A read root whose object `answer` makes out of the `payload` of its statement.

    It need not be of the type that `shows` names, but has the attributes of its fields, and so on below.
    """

    payload: tuple[Sql, ...]
    answer: Callable[[Context, Sequence[Any]], Awaitable[object]]

    def body(self, builder: Builder, selected: Selected) -> Sql:
        """One place for the whole of what is selected."""
        write, answer = _object(builder, builder.type_of(self.shows), selected), self.answer

        async def made(context: Context, payloads: Sequence[Sequence[Any]]) -> dict[str, Any]:
            return {"answer": await answer(context, payloads[0])}

        late = Late(write=lambda _context, _values, found: write(found["answer"], {}).encode(), lookup=made)
        return builder.later(late, packed(*self.payload))


def _object(builder: Builder, type_: GraphQLObjectType, selected: Selected) -> Writer:
    """How an object is written, made once for an operation. NotCompiled for a field that has a resolver."""
    members: list[tuple[str, str, Writer]] = []
    for each in builder.selections.below(type_, selected):
        if each.name == "__typename":
            members.append((f'"{each.key}":', "__class__", lambda _value, _written: f'"{type_.name}"'))
            continue
        field = type_.fields[each.name]
        declared = field.extensions["strawberry-definition"]
        if declared.base_resolver is not None:
            raise NotCompiled(f"{type_.name}.{each.name}")
        members.append((f'"{each.key}":', declared.python_name, _value(builder, field.type, each)))
    number = id(members)

    def write(value: Any, written: dict[tuple[int, int], tuple[Any, str]]) -> str:
        place = number, id(value)
        known = written.get(place)
        if known is None:
            pieces = []
            for key, name, shown in members:
                told = getattr(value, name)
                pieces.append(key + ("null" if told is None else shown(told, written)))
            known = written[place] = value, f"{{{','.join(pieces)}}}"  # kept, so that no other gets its identity
        return known[1]

    return write


def _value(builder: Builder, type_: GraphQLOutputType, selected: Selected) -> Writer:
    """How a value that is there is written."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if isinstance(type_, GraphQLList):
        inner = _value(builder, type_.of_type, selected)
        return lambda some, written: f"[{','.join([inner(each, written) for each in some])}]"
    if type_ is GraphQLString:
        return lambda value, _written: _quoted(value)
    if isinstance(type_, GraphQLEnumType):
        words = {each.value: _quoted(type_.serialize(each.value)) for each in type_.values.values()}
        return lambda value, _written: words[value]
    if isinstance(type_, GraphQLScalarType):
        serialize = type_.serialize
        return lambda value, _written: as_json(serialize(value)).decode()
    if isinstance(type_, GraphQLObjectType):
        return _object(builder, type_, selected)
    raise NotCompiled(str(type_))
