"""A read whose statement gathers, and whose answer Python makes out of what was gathered.

For what is compared in Python with tables in memory: the facts, the decision, the journal line and the rows are one
statement as everywhere, its body is one late place, and what is selected is written without Strawberry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

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

#: Makes what is shown of a value.
Writer: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRoot(ReadRoot):
    """A read root whose object `answer` makes, as the resolver would, out of the `payload` of its statement."""

    payload: tuple[Sql, ...]
    answer: Callable[[Context, Sequence[Any]], Awaitable[object]]

    def body(self, builder: Builder, selected: Selected) -> Sql:
        """One place for the whole of what is selected."""
        write, answer = _object(builder, builder.type_of(self.shows), selected), self.answer

        async def made(context: Context, payloads: Sequence[Sequence[Any]]) -> dict[str, Any]:
            return {"answer": await answer(context, payloads[0])}

        late = Late(write=lambda _context, _values, found: as_json(write(found["answer"])), lookup=made)
        return builder.later(late, packed(*self.payload))


def _object(builder: Builder, type_: GraphQLObjectType, selected: Selected) -> Writer:
    """How an object is written, made once for an operation. NotCompiled for a field that has a resolver."""
    members: list[tuple[str, str, Writer | None]] = []
    typenames = []
    for each in builder.selections.below(type_, selected):
        if each.name == "__typename":
            typenames.append(each.key)
            members.append((each.key, "", None))
            continue
        field = type_.fields[each.name]
        declared = field.extensions["strawberry-definition"]
        if declared.base_resolver is not None:
            raise NotCompiled(f"{type_.name}.{each.name}")
        members.append((each.key, declared.python_name, _value(builder, field.type, each)))
    if typenames:
        name = type_.name
        return lambda value: {
            key: name if key in typenames else _shown(getattr(value, attribute), write)
            for key, attribute, write in members
        }
    return lambda value: {key: _shown(getattr(value, attribute), write) for key, attribute, write in members}


def _shown(value: Any, write: Writer | None) -> Any:
    return value if write is None or value is None else write(value)


def _value(builder: Builder, type_: GraphQLOutputType, selected: Selected) -> Writer | None:
    """How a value is written; none for one that is JSON already."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if isinstance(type_, GraphQLList):
        inner = _value(builder, type_.of_type, selected)
        return lambda some: [_shown(each, inner) for each in some]
    if type_ is GraphQLString:
        return None
    if isinstance(type_, (GraphQLScalarType, GraphQLEnumType)):
        return type_.serialize
    if isinstance(type_, GraphQLObjectType):
        return _object(builder, type_, selected)
    raise NotCompiled(str(type_))
