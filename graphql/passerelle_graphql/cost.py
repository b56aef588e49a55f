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
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    value_from_ast_untyped,
)

from passerelle_graphql.directives import Cost, ListSize


@dataclass(frozen=True, slots=True)
class Price:
    """What the schema says of one field."""

    weight: int
    size: ListSize | None


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

    def operation(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> int:
        """The most that `operation`, already validated, can cost with these variables."""
        root = self._schema.get_root_type(operation.operation)
        if root is None:
            return 0
        return _Bill(self, self._schema, fragments, variables).selections(operation.selection_set, root, {})


class _Bill:
    """The price of one operation, fragments remembered."""

    def __init__(
        self,
        prices: PriceList,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self._prices = prices
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._known: dict[tuple[str, tuple[tuple[str, int], ...]], int] = {}

    def selections(self, node: SelectionSetNode, parent: GraphQLNamedType, sizes: Mapping[str, int]) -> int:
        """`sizes` says how often the fields of a connection repeat, as its own arguments bound them."""
        total = 0
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                total += self._field(selection, parent, sizes)
            elif isinstance(selection, InlineFragmentNode):
                total += self.selections(selection.selection_set, self._narrowed(selection, parent), sizes)
            elif isinstance(selection, FragmentSpreadNode):
                total += self._spread(selection.name.value, parent, sizes)
        return total

    def _field(self, field: FieldNode, parent: GraphQLNamedType, sizes: Mapping[str, int]) -> int:
        name = field.name.value
        if name.startswith("__") or not isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)):
            return 0
        price = self._prices.of(parent, name)
        inside = 0
        if field.selection_set is not None:
            type_ = get_named_type(parent.fields[name].type)
            inner, times = self._sizes(price.size, field)
            inside = times * self.selections(field.selection_set, type_, inner)
        return sizes.get(name, 1) * (price.weight + inside)

    def _sizes(self, size: ListSize | None, field: FieldNode) -> tuple[dict[str, int], int]:
        if size is None:
            return {}, 1
        bound = size.assumed_size
        for argument in field.arguments or ():
            if argument.name.value in size.slicing_arguments:
                value = value_from_ast_untyped(argument.value, dict(self._variables))
                if isinstance(value, int) and not isinstance(value, bool):
                    bound = max(value, 0)
        if size.sized_fields:
            return dict.fromkeys(size.sized_fields, bound), 1
        return {}, bound

    def _narrowed(self, fragment: InlineFragmentNode, parent: GraphQLNamedType) -> GraphQLNamedType:
        if fragment.type_condition is None:
            return parent
        return self._schema.type_map.get(fragment.type_condition.name.value, parent)

    def _spread(self, name: str, parent: GraphQLNamedType, sizes: Mapping[str, int]) -> int:
        key = (name, tuple(sorted(sizes.items())))
        if key not in self._known:
            fragment = self._fragments[name]
            type_ = self._schema.type_map.get(fragment.type_condition.name.value, parent)
            self._known[key] = self.selections(fragment.selection_set, type_, sizes)
        return self._known[key]


_FREE = Price(0, None)


def _price(field: GraphQLField) -> Price:
    definition = field.extensions.get("strawberry-definition")
    marks = tuple(getattr(definition, "directives", None) or ())
    weight = next((int(each.weight) for each in marks if isinstance(each, Cost)), None)
    size = next((each for each in marks if isinstance(each, ListSize)), None)
    if weight is None:
        weight = 0 if is_leaf_type(get_named_type(field.type)) else 1
    return Price(weight, size)
