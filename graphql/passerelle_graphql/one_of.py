"""A variable in a oneOf input is not null (GraphQL, September 2025, §5.8.5).

Strawberry's own rule looks a variable up among those of the operation that it walked through last, and fails on a
fragment that another operation, or one further down, spreads: here each operation is asked for all that it uses.
"""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLInputObjectType,
    NonNullTypeNode,
    ObjectValueNode,
    OperationDefinitionNode,
    VariableNode,
    get_nullable_type,
)
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule


class OneOfRule(OneOfInputValidationRule):
    """Strawberry's rule on literals, and the one on variables for each operation."""

    def validate_one_of(self, node: ObjectValueNode, type: Any) -> None:  # noqa: A002 - Strawberry's signature
        if len(node.fields) == 1 and isinstance(node.fields[0].value, VariableNode):
            return
        super().validate_one_of(node, type)

    def leave_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        declared = {each.variable.name.value: each.type for each in node.variable_definitions or ()}
        for usage in self.context.get_recursive_variable_usages(node):
            name, parent = usage.node.name.value, get_nullable_type(usage.parent_type)
            if not isinstance(parent, GraphQLInputObjectType):
                continue
            is_one_of = parent.extensions["strawberry-definition"].is_one_of
            if is_one_of and name in declared and not isinstance(declared[name], NonNullTypeNode):
                said = f"Variable '{name}' must be non-nullable to be used for OneOf Input Object '{parent}'."
                self.report_error(StrawberryInputCoercionError(said, nodes=[usage.node]))
