"""Where a variable that is null fails a field: GraphQL, October 2021, §5.8.5 lets it stand there, §6.4.1 refuses it.

A nullable variable may stand where null may not when either of them has a default; null given for it is then found
out when the field is executed, or the directive read.
"""

from __future__ import annotations

from graphql import (
    DocumentNode,
    GraphQLNonNull,
    GraphQLSchema,
    NonNullTypeNode,
    OperationDefinitionNode,
    TypeInfo,
    ValidationContext,
)


def must_not_be_null(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> tuple[str, ...]:
    """The variables of a validated operation that may be null by their declaration and not where they stand."""
    nullable = {
        each.variable.name.value
        for each in operation.variable_definitions or ()
        if not isinstance(each.type, NonNullTypeNode)
    }
    if not nullable:
        return ()
    used = ValidationContext(schema, document, TypeInfo(schema), lambda _: None).get_recursive_variable_usages(
        operation
    )
    refused = {each.node.name.value for each in used if isinstance(each.type, GraphQLNonNull)}
    return tuple(sorted(nullable & refused))
