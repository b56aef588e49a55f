"""What an operation may cost at most, from the schema and the arguments alone.

Never from statistics: a figure that depended on the data would tell how much there is of what the reader may not
see. `@listSize` says how many items a list counts for, `@cost` what a field costs on top; an object costs 1 and a
leaf nothing (GraphQL Cost Directive specification, weights by default).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
)

from passerelle_graphql.directives import Cost, ListSize


@dataclass(frozen=True, slots=True)
class Price:
    """What the schema says of one field."""

    weight: int
    size: ListSize | None


@dataclass(frozen=True, slots=True)
class Bound:
    """How often something repeats: the last of the variables `names` that is a number, else `otherwise`."""

    otherwise: int
    names: tuple[str, ...] = ()

    def of(self, variables: Mapping[str, Any]) -> int:
        for name in reversed(self.names):
            value = variables.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return max(value, 0)
        return self.otherwise


@dataclass(frozen=True, slots=True)
class Total:
    """What an operation costs, made once: a number, and what repeats as often as the variables say."""

    fixed: int = 0
    repeated: tuple[tuple[Bound, Total], ...] = ()

    def of(self, variables: Mapping[str, Any]) -> int:
        """The cost with these coerced variables."""
        total = self.fixed
        for bound, each in self.repeated:
            total += bound.of(variables) * each.of(variables)
        return total

    def plus(self, other: Total) -> Total:
        return Total(self.fixed + other.fixed, self.repeated + other.repeated)

    def times(self, bound: Bound) -> Total:
        if bound.names:
            return Total(0, ((bound, self),)) if self.fixed or self.repeated else self
        return Total(self.fixed * bound.otherwise, tuple((each, of.times(bound)) for each, of in self.repeated))


class PriceList:
    """The prices of a schema, gathered once."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._prices: dict[tuple[str, str], Price] = {}
        for type_ in schema.type_map.values():
            if isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType)) and not type_.name.startswith("__"):
                for name, field in type_.fields.items():
                    self._prices[type_.name, name] = _price(field)

    def of(self, type_: GraphQLNamedType, field: str) -> Price:
        return self._prices.get((type_.name, field), _FREE)

    def total(self, operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Total:
        """The most that `operation`, already validated, can cost, as its variables will say."""
        root = self._schema.get_root_type(operation.operation)
        if root is None:
            return Total()
        return _Bill(self, self._schema, fragments).selections(operation.selection_set, root, {})


class _Bill:
    """The price of one operation, fragments remembered."""

    def __init__(
        self, prices: PriceList, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]
    ) -> None:
        self._prices = prices
        self._schema = schema
        self._fragments = fragments
        self._known: dict[tuple[str, tuple[tuple[str, Bound], ...]], Total] = {}

    def selections(self, node: SelectionSetNode, parent: GraphQLNamedType, sizes: Mapping[str, Bound]) -> Total:
        """`sizes` says how often the fields of a connection repeat, as its own arguments bound them."""
        total = Total()
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                total = total.plus(self._field(selection, parent, sizes))
            elif isinstance(selection, InlineFragmentNode):
                total = total.plus(self.selections(selection.selection_set, self._narrowed(selection, parent), sizes))
            elif isinstance(selection, FragmentSpreadNode):
                total = total.plus(self._spread(selection.name.value, parent, sizes))
        return total

    def _field(self, field: FieldNode, parent: GraphQLNamedType, sizes: Mapping[str, Bound]) -> Total:
        name = field.name.value
        if name.startswith("__") or not isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)):
            return Total()
        price = self._prices.of(parent, name)
        total = Total(price.weight)
        if field.selection_set is not None:
            type_ = get_named_type(parent.fields[name].type)
            inner, times = _sizes(price.size, field)
            total = total.plus(self.selections(field.selection_set, type_, inner).times(times))
        return total.times(sizes.get(name, _ONCE))

    def _narrowed(self, fragment: InlineFragmentNode, parent: GraphQLNamedType) -> GraphQLNamedType:
        if fragment.type_condition is None:
            return parent
        return self._schema.type_map.get(fragment.type_condition.name.value, parent)

    def _spread(self, name: str, parent: GraphQLNamedType, sizes: Mapping[str, Bound]) -> Total:
        key = (name, tuple(sorted(sizes.items(), key=lambda each: each[0])))
        if key not in self._known:
            fragment = self._fragments[name]
            type_ = self._schema.type_map.get(fragment.type_condition.name.value, parent)
            self._known[key] = self.selections(fragment.selection_set, type_, sizes)
        return self._known[key]


def _sizes(size: ListSize | None, field: FieldNode) -> tuple[dict[str, Bound], Bound]:
    if size is None:
        return {}, _ONCE
    bound = Bound(size.assumed_size)
    for argument in field.arguments or ():
        if argument.name.value in size.slicing_arguments:
            if isinstance(argument.value, VariableNode):
                bound = Bound(bound.otherwise, (*bound.names, argument.value.name.value))
            elif isinstance(argument.value, IntValueNode):
                bound = Bound(max(int(argument.value.value), 0))
    if size.sized_fields:
        return dict.fromkeys(size.sized_fields, bound), _ONCE
    return {}, bound


_ONCE = Bound(1)
_FREE = Price(0, None)


def _price(field: GraphQLField) -> Price:
    definition = field.extensions.get("strawberry-definition")
    marks = tuple(getattr(definition, "directives", None) or ())
    weight = next((int(each.weight) for each in marks if isinstance(each, Cost)), None)
    size = next((each for each in marks if isinstance(each, ListSize)), None)
    if weight is None:
        weight = 0 if is_leaf_type(get_named_type(field.type)) else 1
    return Price(weight, size)
