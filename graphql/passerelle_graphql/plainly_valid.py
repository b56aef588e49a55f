"""Queries valid at a glance: one walk in place of the thirty rules of GraphQL §5, which take ten times as long.

What is not plainly valid may be valid still: `validate` says so, and what is wrong. Left to it: acts and
subscriptions, introspection, directives but `@include` and `@skip`, literals but of the simplest kinds, a variable that
its default alone lets stand where null may not, and any key of an answer that two fields make, unless both are the same
leaf. A property test holds that `validate` finds nothing in what is plainly valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInputType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    GraphQLType,
    GraphQLUnionType,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_input_type,
    is_leaf_type,
    is_required_argument,
    is_type_sub_type_of,
    type_from_ast,
)
from graphql.utilities import do_types_overlap

_INT_DIGITS: Final = 9
_FIELDS_AT_MOST: Final = 2_000
_SWITCHES: Final = frozenset({"include", "skip"})
_Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType


def is_plainly_valid(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """Whether a document is one query, valid by GraphQL §5 beyond doubt."""
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    if len(operations) != 1 or len(fragments) + 1 != len(document.definitions) or schema.query_type is None:
        return False
    (operation,) = operations
    if operation.operation is not OperationType.QUERY or operation.directives:
        return False
    try:
        walk = _Walk(schema, fragments, _variables(schema, operation))
        walk.selections(operation.selection_set, schema.query_type, {}, frozenset())
    except _Doubt:
        return False
    return walk.used == set(walk.variables) and walk.spread == set(fragments)


class _Doubt(Exception):
    """It takes the rules themselves."""


def _variables(schema: GraphQLSchema, operation: OperationDefinitionNode) -> dict[str, GraphQLInputType]:
    found: dict[str, GraphQLInputType] = {}
    for each in operation.variable_definitions or ():
        type_, name = type_from_ast(schema, each.type), each.variable.name.value
        if name in found or each.directives or not is_input_type(type_):
            raise _Doubt
        if each.default_value is not None and not _is_plain(each.default_value, get_nullable_type(type_)):
            raise _Doubt
        found[name] = type_
    return found


class _Walk:
    """Through an operation, each fragment as often as it is spread."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, GraphQLInputType],
    ) -> None:
        self.variables = variables
        self.used: set[str] = set()
        self.spread: set[str] = set()
        self._schema = schema
        self._fragments = fragments
        self._fields = 0

    def selections(
        self, node: SelectionSetNode, parent: _Composite, leaves: dict[str, tuple[str, str]], within: frozenset[str]
    ) -> None:
        """`leaves`: of each key of the answer at this level, the field and its type; `within`: fragments being read."""
        for each in node.selections:
            self._switches(each.directives)
            if isinstance(each, FieldNode):
                self._field(each, parent, leaves, within)
            elif isinstance(each, InlineFragmentNode):
                narrowed = (
                    parent if each.type_condition is None else self._narrowed(each.type_condition.name.value, parent)
                )
                self.selections(each.selection_set, narrowed, leaves, within)
            elif isinstance(each, FragmentSpreadNode):
                self._spread(each.name.value, parent, leaves, within)
            else:
                raise _Doubt

    def _spread(
        self, name: str, parent: _Composite, leaves: dict[str, tuple[str, str]], within: frozenset[str]
    ) -> None:
        fragment = self._fragments.get(name)
        if fragment is None or name in within or fragment.directives or fragment.variable_definitions:
            raise _Doubt
        self.spread.add(name)
        narrowed = self._narrowed(fragment.type_condition.name.value, parent)
        self.selections(fragment.selection_set, narrowed, leaves, within | {name})

    def _narrowed(self, name: str, parent: _Composite) -> _Composite:
        type_ = self._schema.type_map.get(name)
        if not isinstance(type_, _Composite) or not do_types_overlap(self._schema, parent, type_):
            raise _Doubt
        return type_

    def _field(
        self, node: FieldNode, parent: _Composite, leaves: dict[str, tuple[str, str]], within: frozenset[str]
    ) -> None:
        self._fields += 1
        if self._fields > _FIELDS_AT_MOST:
            raise _Doubt
        name = node.name.value
        key = name if node.alias is None else node.alias.value
        if name == "__typename":
            type_, arguments = _TYPENAME, {}
        else:
            field = None if isinstance(parent, GraphQLUnionType) else parent.fields.get(name)
            if field is None:
                raise _Doubt
            type_, arguments = field.type, field.args
        self._arguments(node.arguments or (), arguments)
        below = get_named_type(type_)
        if is_leaf_type(below) and node.selection_set is None and not node.arguments:
            if leaves.setdefault(key, (name, str(type_))) != (name, str(type_)):
                raise _Doubt
            return
        if key in leaves or is_leaf_type(below) != (node.selection_set is None):
            raise _Doubt
        leaves[key] = _ONCE
        if node.selection_set is not None:
            assert isinstance(below, _Composite)  # noqa: S101 - no leaf, and of an answer
            self.selections(node.selection_set, below, {}, within)

    def _arguments(self, given: Iterable[ArgumentNode], known: Mapping[str, GraphQLArgument]) -> None:
        names: set[str] = set()
        for each in given:
            argument = known.get(each.name.value)
            if argument is None or each.name.value in names:
                raise _Doubt
            names.add(each.name.value)
            self._value(each.value, argument.type)
        if any(is_required_argument(argument) and name not in names for name, argument in known.items()):
            raise _Doubt

    def _value(self, node: ValueNode, type_: GraphQLInputType) -> None:
        if isinstance(node, VariableNode):
            declared = self.variables.get(node.name.value)
            if declared is None or not is_type_sub_type_of(self._schema, declared, type_):
                raise _Doubt
            self.used.add(node.name.value)
        elif not _is_plain(node, get_nullable_type(type_)):
            raise _Doubt

    def _switches(self, directives: Iterable[DirectiveNode] | None) -> None:
        seen: set[str] = set()
        for each in directives or ():
            name, arguments = each.name.value, each.arguments or ()
            if name not in _SWITCHES or name in seen or [one.name.value for one in arguments] != ["if"]:
                raise _Doubt
            seen.add(name)
            self._value(arguments[0].value, _SWITCH)


def _is_plain(node: ValueNode, type_: GraphQLType) -> bool:
    """A literal that its type takes whatever it says."""
    if isinstance(node, StringValueNode):
        return type_ is GraphQLString or type_ is GraphQLID
    if isinstance(node, IntValueNode):
        return type_ is GraphQLInt and len(node.value) <= _INT_DIGITS
    if isinstance(node, BooleanValueNode):
        return type_ is GraphQLBoolean
    return isinstance(node, EnumValueNode) and isinstance(type_, GraphQLEnumType) and node.value in type_.values


_TYPENAME: Final[GraphQLOutputType] = GraphQLNonNull(GraphQLString)
_SWITCH: Final[GraphQLInputType] = GraphQLNonNull(GraphQLBoolean)
_ONCE: Final = ("", "")  # no field is called so: nothing else may have the key
