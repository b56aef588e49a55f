"""From the text of a request to an operation that may run: parsed, measured, validated; kept by its text.

What depends on the text alone is paid once. Variables are read, and the cost computed, for each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLFormattedError,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    StringValueNode,
    VariableDefinitionNode,
    Visitor,
    get_variable_values,
    is_input_type,
    parse,
    specified_rules,
    type_from_ast,
    validate,
    visit,
)
from strawberry.schema import Schema
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle_graphql import errors, limits
from passerelle_graphql.cost import PriceList
from passerelle_graphql.limits import Limits
from passerelle_graphql.requests import Parameters, is_text
from passerelle_graphql.sensitive import refuse_over_get
from passerelle_graphql.variables import misfits

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


class RequestErrors(Exception):
    """The request cannot be executed: what GraphQL calls request errors, ready to be shown."""

    def __init__(self, shown: list[GraphQLFormattedError]) -> None:
        super().__init__(f"{len(shown)} request errors")
        self.shown = shown


@dataclass(frozen=True, slots=True)
class Document:
    """A document that passed the limits and validation; `field_names` are those it asks for anywhere."""

    text: str
    ast: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    fragments: Mapping[str, FragmentDefinitionNode]
    field_names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One operation with its variables, ready to execute; `variables` are as they came."""

    document: Document
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]
    cost: int

    @property
    def name(self) -> str | None:
        return self.operation.name.value if self.operation.name else None


class Preparation:
    """Prepares the requests of one schema."""

    def __init__(self, schema: Schema, limits_: Limits, *, introspection: bool) -> None:
        self._schema = schema._schema
        self._limits = limits_
        self._prices = PriceList(self._schema)
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._hide_suggestions = not introspection
        self._kept: LRUCache[str, Document] = LRUCache(limits_.kept_operations)

    def prepare(self, parameters: Parameters) -> Prepared:
        """The operation to run.

        Raises `RequestErrors` for what the document or its variables have wrong; `LimitExceeded` is among them.
        `InvalidInput` MUTATION_OVER_GET and INS_OVER_GET for what a GET may not ask.
        """
        document = self.document(parameters.query)
        operation = _chosen(document, parameters.operation_name)
        if parameters.is_get:
            if operation.operation is not OperationType.QUERY:
                raise InvalidInput("MUTATION_OVER_GET")
            refuse_over_get(self._schema, document.ast, operation, parameters.query, parameters.rest)
        variables = self._variables(operation, parameters)
        cost = self._prices.operation(operation, document.fragments, variables)
        if cost > self._limits.cost:
            raise RequestErrors([errors.formatted(LimitExceeded("COST_EXCEEDED", cost=cost, limit=self._limits.cost))])
        return Prepared(document, operation, parameters.variables, cost)

    def document(self, text: str) -> Document:
        """A document that may be executed, from its text. Raises `RequestErrors`."""
        if (kept := self._kept.get(text)) is not None:
            return kept
        try:
            if len(text) > self._limits.document_chars:
                raise LimitExceeded("QUERY_TOO_LONG", limit=self._limits.document_chars)
            ast = parse(text, max_tokens=self._limits.tokens)
            limits.check(ast, self._limits)
            _check_texts(ast)
        except GraphQLSyntaxError as unreadable:
            raise RequestErrors([errors.syntax_error(unreadable, tokens=self._limits.tokens)]) from unreadable
        except InvalidInput as refused:
            raise RequestErrors([errors.formatted(refused)]) from refused
        faults = validate(self._schema, ast, self._rules, max_errors=20, hide_suggestions=self._hide_suggestions)
        if faults:
            raise RequestErrors(errors.validation_errors(faults))
        document = Document(
            text=text,
            ast=ast,
            operations={
                each.name.value if each.name else None: each
                for each in ast.definitions
                if isinstance(each, OperationDefinitionNode)
            },
            fragments={each.name.value: each for each in ast.definitions if isinstance(each, FragmentDefinitionNode)},
            field_names=_field_names(ast),
        )
        # A text that holds a content would fill the memory; variables are the place for one.
        if len(text) <= self._limits.kept_chars:
            self._kept[text] = document
        return document

    def _variables(self, operation: OperationDefinitionNode, parameters: Parameters) -> Mapping[str, Any]:
        coerced = get_variable_values(
            self._schema, operation.variable_definitions or (), dict(parameters.variables), max_errors=20
        )
        if isinstance(coerced, list):
            raise RequestErrors(errors.variable_errors(self._misfits(operation, parameters.variables)))
        return coerced.coerced

    def _misfits(
        self, operation: OperationDefinitionNode, given: Mapping[str, Any]
    ) -> dict[VariableDefinitionNode, list[str]]:
        found: dict[VariableDefinitionNode, list[str]] = {}
        declarations = operation.variable_definitions or ()
        for declared in declarations:
            type_, name = type_from_ast(self._schema, declared.type), declared.variable.name.value
            if is_input_type(type_) and (name in given or declared.default_value is None):
                found[declared] = misfits(given.get(name), type_, name)
        # What graphql-core alone refuses (nested too deeply) is in no one place.
        return found if any(found.values()) else {each: [each.variable.name.value] for each in declarations}


class _Fields(Visitor):
    """Gathers the names of the fields, whatever their alias."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.names.add(node.name.value)


def _field_names(ast: DocumentNode) -> frozenset[str]:
    gathered = _Fields()
    visit(ast, gathered)
    return frozenset(gathered.names)


class _Texts(Visitor):
    """Refuses a literal that no database stores and no JSON writes, however it was escaped."""

    def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
        if not is_text(node.value):
            raise InvalidInput("TEXT_INVALID")


def _check_texts(ast: DocumentNode) -> None:
    visit(ast, _Texts())


def _chosen(document: Document, name: str | None) -> OperationDefinitionNode:
    if name is not None:
        if name in document.operations:
            return document.operations[name]
        raise RequestErrors([errors.formatted(InvalidInput("OPERATION_UNKNOWN"))])
    if len(document.operations) == 1:
        return next(iter(document.operations.values()))
    raise RequestErrors([errors.formatted(InvalidInput("OPERATION_NAME_MISSING"))])
