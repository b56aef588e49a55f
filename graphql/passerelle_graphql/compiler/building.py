"""A selection over declared fields becomes one text expression.

A declared field is a `Shape`: given the builder and what is selected, it writes JSON. What a type declares
(`declared`) is turned into shapes over a row: a mapping from column name to expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLNamedType,
    GraphQLObjectType,
    parse,
    print_ast,
)

from passerelle_graphql.compiler.late import Late, together
from passerelle_graphql.compiler.selections import Selected, Selections
from passerelle_graphql.compiler.shapes import Sql, joined


class NotCompiled(Exception):
    """Something that has no declaration for SQL: the reference executor answers instead. Says what, for developers.

    `is_expected`: an act, or the schema itself, which are the reference executor's to answer.
    """

    def __init__(self, what: str, *, is_expected: bool = False) -> None:
        super().__init__(what)
        self.is_expected = is_expected


@dataclass(slots=True)
class Builder:
    """What one root of an operation is made into.

    `late` are the places that Python fills; `arguments` are the nodes of the fields below whose arguments the
    statement binds; `needs` are the optional parts of the root's frame that the text refers to. `uses_kept`: what the
    database keeps beside rows stands for what it is written of.
    """

    selections: Selections
    late: list[Late] = field(default_factory=list)
    arguments: dict[str, FieldNode] = field(default_factory=dict)
    needs: set[str] = field(default_factory=set)
    uses_kept: bool = True
    _places: dict[str, tuple[Late, Sql]] = field(default_factory=dict)

    def object(self, type_name: str, fields: Mapping[str, Shape], selected: Selected) -> Sql:
        """The JSON object of what is selected of `type_name`, out of its fields by their names in the graph."""
        below = self.selections.below(self.type_of(type_name), selected)
        kept = fields.kept if self.uses_kept and isinstance(fields, WithKept) else None
        return joined([(False, "{"), *self._members(type_name, fields, below, kept), (False, "}")])

    def members(self, type_name: str, fields: Mapping[str, Shape], below: Sequence[Selected]) -> Sql:
        """The members of such an object, between its braces."""
        return joined(self._members(type_name, fields, below, None))

    def _members(
        self, type_name: str, fields: Mapping[str, Shape], below: Sequence[Selected], kept: Kept | None
    ) -> list[tuple[bool, str]]:
        pieces: list[tuple[bool, str]] = []
        spelled = [self.selections.spelled(self.type_of(type_name), each) for each in below] if kept else []
        at = 0
        while at < len(below):
            each, comma = below[at], "," if at else ""
            if kept and spelled[at : at + len(run := kept.run(self.selections))] == run:
                pieces += [(False, comma), (True, kept.column)]
                at += len(run)
                continue
            pieces.append((False, f'{comma}"{each.key}":'))
            if each.name == "__typename":
                pieces.append((False, f'"{type_name}"'))
            elif (shape := fields.get(each.name)) is not None:
                self._add(pieces, shape(self, each))
            else:
                raise NotCompiled(f"{type_name}.{each.name}")
            at += 1
        return pieces

    def _add(self, pieces: list[tuple[bool, str]], written: Sql) -> None:
        """A member's value; with the value before it, where both are places of the same columns, one place."""
        here = self._places.get(written)
        before = self._places.get(pieces[-2][1]) if len(pieces) > 1 else None
        both = together(before[0], pieces[-1][1], here[0]) if before and here and before[1] == here[1] else None
        if here is None or both is None:
            pieces.append((True, written))
        else:
            pieces[-2:] = [(True, self.later(both, here[1]))]

    def binds(self, name: str, selected: Selected) -> None:
        """The statement binds the arguments of this field; asked twice with different ones, it is not compiled."""
        node, known = selected.nodes[0], self.arguments.get(name)
        if known is not None and _arguments(known) != _arguments(node):
            raise NotCompiled(f"{name} twice")
        self.arguments[name] = node

    def later(self, late: Late, payload: Sql) -> Sql:
        """A place for Python to fill, that carries `payload`: JSON, in which no control character stands bare."""
        self.late.append(late)
        written = Sql(f"'\x01{len(self.late) - 1}\x02' || {payload} || '\x01'")
        self._places[written] = late, payload
        return written

    def type_of(self, name: str) -> GraphQLObjectType:
        """The object type of that name."""
        found: GraphQLNamedType | None = self.selections.schema.type_map.get(name)
        if not isinstance(found, GraphQLObjectType):
            raise NotCompiled(name)
        return found


#: How one field is written.
Shape: TypeAlias = Callable[[Builder, Selected], Sql]
#: The columns that a type's fields are made of.
Row: TypeAlias = Mapping[str, Sql]


class Kept:
    """A run of members that the database keeps beside each row, written as a generated column.

    It stands for the fields of a fragment of ours, whenever an operation asks for them in that order without aliases.
    """

    def __init__(self, column: Sql, type_name: str, fragment: str, document: str) -> None:
        """`fragment` names the one that is meant, in the text of a GraphQL document."""
        self.column = column
        self.type_name = type_name
        self._fragment = next(
            each
            for each in parse(document).definitions
            if isinstance(each, FragmentDefinitionNode) and each.name.value == fragment
        )
        self._run: list[str] | None = None

    def members(self, selections: Selections) -> list[Selected]:
        """What the fragment asks for."""
        return selections.of(self._type(selections), [self._fragment.selection_set])

    def run(self, selections: Selections) -> list[str]:
        """The same, spelled."""
        if self._run is None:
            self._run = [selections.spelled(self._type(selections), each) for each in self.members(selections)]
        return self._run

    def _type(self, selections: Selections) -> GraphQLObjectType:
        type_ = selections.schema.type_map[self.type_name]
        assert isinstance(type_, GraphQLObjectType)  # noqa: S101 - a name of ours
        return type_


class WithKept(dict[str, Shape]):
    """The fields of a type over a row that keeps some of its members."""

    def __init__(self, fields: Mapping[str, Shape], kept: Kept) -> None:
        super().__init__(fields)
        self.kept = kept


def row_of(name: str, columns: tuple[str, ...]) -> Row:
    """The columns of a table, a CTE or an alias."""
    return {each: Sql(f"{name}.{each}") for each in columns}


def leaf(sql: Sql) -> Shape:
    """A field without fields."""
    return lambda _builder, _selected: sql


def entity(type_name: str, fields: Mapping[str, Shape], *, when: Sql | None = None) -> Shape:
    """An object of the same row; null unless `when` holds."""

    def written(builder: Builder, selected: Selected) -> Sql:
        shown = builder.object(type_name, fields, selected)
        return shown if when is None else Sql(f"case when {when} then {shown} else 'null' end")

    return written


def found(type_name: str, fields: Mapping[str, Shape], rows: Sql) -> Shape:
    """An object of another row: `rows` is what follows FROM, and gives one or none; null then."""

    def written(builder: Builder, selected: Selected) -> Sql:
        return Sql(f"coalesce((select {builder.object(type_name, fields, selected)} from {rows}), 'null')")

    return written


def listed(type_name: str, fields: Mapping[str, Shape], rows: Sql, order: Sql) -> Shape:
    """A list of objects: `rows` is what follows FROM; empty when there is none."""

    def written(builder: Builder, selected: Selected) -> Sql:
        shown = builder.object(type_name, fields, selected)
        return Sql(f"'[' || coalesce((select string_agg({shown}, ',' order by {order}) from {rows}), '') || ']'")

    return written


def later(late: Callable[[Builder, Selected], Late], *columns: Sql) -> Shape:
    """A field that Python writes afterwards, out of columns."""
    return later_out_of(late, packed(*columns))


def later_out_of(late: Callable[[Builder, Selected], Late], payload: Sql) -> Shape:
    """The same, out of columns that are `packed` already."""
    return lambda builder, selected: builder.later(late(builder, selected), payload)


def packed(*columns: Sql) -> Sql:
    """Columns as what a late place carries."""
    return Sql(f"json_build_array({', '.join(columns)})::text")


def unless_null(column: Sql, shape: Shape) -> Shape:
    """Null where a column is, without a look at the rest."""
    return lambda builder, selected: Sql(f"case when {column} is null then 'null' else {shape(builder, selected)} end")


def needing(part: str, shape: Shape) -> Shape:
    """A shape that refers to an optional part of the frame."""

    def written(builder: Builder, selected: Selected) -> Sql:
        builder.needs.add(part)
        return shape(builder, selected)

    return written


def _arguments(node: FieldNode) -> str:
    return ",".join(sorted(print_ast(each) for each in node.arguments or ()))
