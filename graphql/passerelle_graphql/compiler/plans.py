"""An operation's statements, made once and kept: by its text, its name, and the switches of its directives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLScalarType,
    OperationType,
    Undefined,
    VariableNode,
    value_from_ast,
)
from graphql.type import get_named_type
from strawberry.schema import Schema

from passerelle_graphql.compiler.arguments import Conversion, conversion
from passerelle_graphql.compiler.building import Builder, NotCompiled
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.nulls import must_not_be_null
from passerelle_graphql.compiler.roots import ReadRoot, Written
from passerelle_graphql.compiler.selections import Selected, Selections, switches
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.preparation import Prepared

_SHAPES_AT_MOST: Final = 16
_PLANS_AT_MOST: Final = 64
#: Reads the arguments of one field out of the variables of a request, as its resolver would get them.
Reader = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RootPlan:
    """One root field of an operation: its text and what is needed round it.

    `statements` are those made so far, by the shapes of the requests that came.
    """

    key: str
    selected: Selected
    root: ReadRoot
    field: GraphQLField
    body: Sql
    needs: frozenset[str]
    statements: dict[frozenset[str], Written]
    late: Sequence[Late]
    selections: Selections
    arguments: Reader
    below: Mapping[str, Reader]

    @property
    def statement(self) -> Written:
        """That of a plain request."""
        return self.statement_for(frozenset())

    def statement_for(self, shape: frozenset[str]) -> Written:
        """That of a request of this shape."""
        known = self.statements.get(shape)
        if known is None:
            if len(self.statements) > _SHAPES_AT_MOST:
                self.statements.clear()
            known = self.statements[shape] = self.root.frame(self.needs | shape).statement(self.body)
        return known


@dataclass(frozen=True, slots=True)
class Plan:
    """The roots of an operation; `order` are the keys of the answer, those of `typenames` among them."""

    roots: Sequence[RootPlan]
    order: Sequence[str]
    typenames: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Operation:
    """The variables that its plans depend on, those that must not be null, and its plans by the former."""

    switches: tuple[str, ...]
    never_null: tuple[str, ...]
    plans: dict[tuple[Any, ...], Plan | NotCompiled] = field(default_factory=dict)


class Plans:
    """The plans of one schema; those of at most `kept` operations are kept, the least recently asked for leaves first.

    Without `uses_kept`, what rows keep written is not used: a measure's bar.
    """

    def __init__(self, schema: Schema, roots: Sequence[ReadRoot], *, kept: int, uses_kept: bool = True) -> None:
        self._uses_kept = uses_kept
        self._strawberry = schema
        self._schema = schema._schema
        self._roots = {each.name: each for each in roots}
        self._most = kept
        self._kept: dict[tuple[str, str | None], _Operation] = {}

    def plan(self, prepared: Prepared) -> Plan:
        """The plan of a prepared operation. NotCompiled when it has none."""
        asked = self._operation(prepared)
        for each in asked.never_null:
            if prepared.coerced.get(each, "") is None:
                raise NotCompiled("null where it fails a field")
        flags = tuple([prepared.coerced.get(each) for each in asked.switches])
        known = asked.plans.get(flags)
        if known is None:
            try:
                known = self._made(prepared, dict(zip(asked.switches, flags, strict=True)))
            except NotCompiled as reason:
                known = reason.with_traceback(None)  # whose frames hold the values of this request
            if len(asked.plans) >= _PLANS_AT_MOST:
                asked.plans.clear()
            asked.plans[flags] = known
        if isinstance(known, NotCompiled):
            raise NotCompiled(*known.args, is_expected=known.is_expected)
        return known

    def _operation(self, prepared: Prepared) -> _Operation:
        kept, key = self._kept, (prepared.document.text, prepared.name)
        known = kept.pop(key, None)
        if known is None:
            document, operation = prepared.document, prepared.operation
            sets = [operation.selection_set, *(each.selection_set for each in document.fragments.values())]
            never_null = () if document.is_plain else must_not_be_null(self._schema, document.ast, operation)
            known = _Operation(tuple(sorted(switches(sets))), never_null)
            if len(kept) >= self._most:
                del kept[next(iter(kept))]
        kept[key] = known  # last
        return known

    def _made(self, prepared: Prepared, flags: Mapping[str, Any]) -> Plan:
        operation = prepared.operation
        if operation.operation is not OperationType.QUERY:
            raise NotCompiled(operation.operation.value, is_expected=True)
        query = self._schema.query_type
        assert query is not None  # noqa: S101 - a schema has one
        selections = Selections(self._schema, prepared.document.fragments, flags)
        asked = selections.of(query, [operation.selection_set])
        typenames = frozenset(each.key for each in asked if each.name == "__typename")
        roots = [self._root(query, selections, each) for each in asked if each.key not in typenames]
        return Plan(roots, [each.key for each in asked], typenames)

    def _root(self, query: GraphQLObjectType, selections: Selections, selected: Selected) -> RootPlan:
        root = self._roots.get(selected.name)
        if root is None:
            raise NotCompiled(f"Query.{selected.name}", is_expected=selected.name.startswith("__"))
        builder = Builder(selections, uses_kept=self._uses_kept)
        body = root.body(builder, selected)
        needs = frozenset(builder.needs)
        field = query.fields[selected.name]
        return RootPlan(
            key=selected.key,
            selected=selected,
            root=root,
            field=field,
            body=body,
            needs=needs,
            statements={frozenset(): root.frame(needs).statement(body)},
            late=builder.late,
            selections=selections,
            arguments=self._reader(field, selected.nodes[0]),
            below={name: self._reader(self._field_of(name), node) for name, node in builder.arguments.items()},
        )

    def _field_of(self, name: str) -> GraphQLField:
        """The field that `Type.field` names."""
        type_name, _, field_name = name.partition(".")
        type_ = self._schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)  # noqa: S101 - a name of ours
        field: GraphQLField = type_.fields[field_name]
        return field

    def _reader(self, field: GraphQLField, node: FieldNode) -> Reader:
        declared = field.extensions["strawberry-definition"]
        to_name = self._strawberry.config.name_converter.from_argument
        names = {each.graphql_name or to_name(each): each.python_name for each in declared.arguments}
        variables: list[tuple[str, str]] = []
        written: list[tuple[str, Callable[[dict[str, Any]], Any]]] = []
        to_convert: dict[str, Conversion] = {}
        types = {each.graphql_name or to_name(each): each.type for each in declared.arguments}
        for each in node.arguments or ():
            name, type_ = each.name.value, field.args[each.name.value].type
            if not isinstance(get_named_type(type_), GraphQLScalarType):
                scalars = self._strawberry.schema_converter.scalar_registry
                to_convert[name] = conversion(types[name], self._strawberry.config, scalars)
            if isinstance(each.value, VariableNode):
                variables.append((name, each.value.name.value))
            else:
                written.append((name, _reading(each.value, type_)))

        def read(given: Mapping[str, Any]) -> Mapping[str, Any]:
            found = {name: given[variable] for name, variable in variables if variable in given}
            for name, value in written:
                found[name] = value(dict(given))
            return {
                names[name]: to_convert[name](value) if name in to_convert else value
                for name, value in found.items()
                if value is not Undefined
            }

        return read


def _reading(node: Any, type_: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda given: value_from_ast(node, type_, given)
