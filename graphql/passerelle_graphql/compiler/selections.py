"""What an operation asks of a type: its fields in order, fragments spread, `@skip` and `@include` applied.

GraphQL, October 2021, §6.3.2 (CollectFields): a response key stands where it is first met, and gathers every
selection that is made under it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    print_ast,
    value_from_ast_untyped,
)


@dataclass(frozen=True, slots=True)
class Selected:
    """One field of an answer: under which key, which field, and every node of the document that asks for it."""

    key: str
    name: str
    nodes: tuple[FieldNode, ...]


class Selections:
    """The selections of one operation, for given values of the variables that its directives name."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ) -> None:
        self.schema = schema
        self._fragments = fragments
        self._variables = dict(variables)

    def of(self, type_: GraphQLObjectType, sets: Iterable[SelectionSetNode | None]) -> list[Selected]:
        """What is asked of an object of `type_` by selection sets taken together."""
        found: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for each in sets:
            if each is not None:
                self._collect(type_, each.selections, found, spread)
        return [Selected(key, nodes[0].name.value, tuple(nodes)) for key, nodes in found.items()]

    def below(self, type_: GraphQLObjectType, selected: Selected) -> list[Selected]:
        """What is asked of the object that a field gives."""
        return self.of(type_, (node.selection_set for node in selected.nodes))

    def spelled(self, type_: GraphQLObjectType, selected: Selected) -> str:
        """A field with all that is asked below it: two that are spelled alike are written alike."""
        arguments = ",".join(sorted(print_ast(each) for each in selected.nodes[0].arguments or ()))
        name = f"{selected.key}:{selected.name}({arguments})"
        field = type_.fields.get(selected.name)
        below = get_named_type(field.type) if field else None
        if not isinstance(below, GraphQLObjectType):
            return name
        return name + "{" + " ".join(self.spelled(below, each) for each in self.below(below, selected)) + "}"

    def _collect(
        self,
        type_: GraphQLObjectType,
        selections: Sequence[SelectionNode],
        found: dict[str, list[FieldNode]],
        spread: set[str],
    ) -> None:
        for each in selections:
            if not self._is_wanted(each.directives or ()):
                continue
            if isinstance(each, FieldNode):
                found.setdefault(each.alias.value if each.alias else each.name.value, []).append(each)
            elif isinstance(each, InlineFragmentNode):
                if each.type_condition is None or self._is_of(type_, each.type_condition.name.value):
                    self._collect(type_, each.selection_set.selections, found, spread)
            elif isinstance(each, FragmentSpreadNode) and each.name.value not in spread:
                spread.add(each.name.value)
                fragment = self._fragments[each.name.value]
                if self._is_of(type_, fragment.type_condition.name.value):
                    self._collect(type_, fragment.selection_set.selections, found, spread)

    def _is_of(self, type_: GraphQLObjectType, name: str) -> bool:
        if type_.name == name:
            return True
        other = self.schema.type_map.get(name)
        if not is_abstract_type(other):
            return False
        assert isinstance(other, GraphQLAbstractType)  # noqa: S101 - `is_abstract_type` is no type guard
        return self.schema.is_sub_type(other, type_)

    def _is_wanted(self, directives: Iterable[DirectiveNode]) -> bool:
        for directive in directives:
            name = directive.name.value
            if name not in ("skip", "include"):
                continue
            said = next(each.value for each in directive.arguments or () if each.name.value == "if")
            if bool(value_from_ast_untyped(said, self._variables)) is (name == "skip"):
                return False
        return True


def switches(sets: Iterable[SelectionSetNode]) -> frozenset[str]:
    """The variables that decide which fields are there."""
    return frozenset(_switches(sets))


def _switches(sets: Iterable[SelectionSetNode]) -> Iterator[str]:
    for each in (node for selection_set in sets for node in selection_set.selections):
        for directive in each.directives or ():
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    yield argument.value.name.value
        below = getattr(each, "selection_set", None)
        if below is not None:
            yield from _switches([below])
