"""From the text of a request to an operation that may run: parsed, measured, validated, priced; kept by its text.

What depends on the text alone is paid once. Variables are read, and the price worked out, for each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLFormattedError,
    GraphQLSchema,
    GraphQLSyntaxError,
    IntValueNode,
    Node,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    StringValueNode,
    VariableDefinitionNode,
    get_variable_values,
    is_input_type,
    parse,
    specified_rules,
    type_from_ast,
    validate,
)
from graphql.language.ast import QUERY_DOCUMENT_KEYS
from strawberry.schema import Schema
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule

from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle_graphql import errors, limits
from passerelle_graphql.coercion import Coercion
from passerelle_graphql.cost import PriceList, Total
from passerelle_graphql.limits import Limits
from passerelle_graphql.one_of import OneOfRule
from passerelle_graphql.persisted import Kept, Owner, Registered, sha256
from passerelle_graphql.plainly_valid import is_plainly_valid
from passerelle_graphql.requests import Parameters, is_text
from passerelle_graphql.sensitive import looks_like_matricule, refuse_over_get, uses_identifying
from passerelle_graphql.variables import misfits

NOBODY: Final[Owner] = ("", "")
_NOT_FOUND: Final = "PersistedQueryNotFound"  # by which some clients know that they must send the document
_RULES = (*specified_rules, MaybeNullValidationRule, OneOfRule)
_SIZE_DIGITS: Final = 4  # of the numbers that a document for all may hold: sizes of pages


class RequestErrors(Exception):
    """The request cannot be executed: what GraphQL calls request errors, ready to be shown."""

    def __init__(self, shown: list[GraphQLFormattedError]) -> None:
        super().__init__(f"{len(shown)} request errors")
        self.shown = shown


@dataclass(frozen=True)
class Readied:
    """What one operation of a document needs for each request, made once."""

    schema: GraphQLSchema
    ast: DocumentNode
    node: OperationDefinitionNode
    variables: Coercion
    price: Total

    @cached_property
    def is_identifying(self) -> bool:
        """Looked for when a GET asks."""
        return uses_identifying(self.schema, self.ast, self.node)


@dataclass(frozen=True, slots=True)
class Document:
    """A document that passed the limits and validation; `field_names` are those it asks for anywhere.

    `for_all`: nothing in it can designate a person. `is_plain`: no variable of it stands where null may not and may be
    null (`plainly_valid`).
    """

    text: str
    ast: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    fragments: Mapping[str, FragmentDefinitionNode]
    field_names: frozenset[str]
    for_all: bool = False
    is_plain: bool = False
    readied: dict[str | None, Readied] = field(default_factory=dict)

    @classmethod
    def of(
        cls, text: str, ast: DocumentNode, *, field_names: frozenset[str], for_all: bool, is_plain: bool
    ) -> Document:
        """What `text` says, its definitions by their names."""
        found = ast.definitions
        return cls(
            text=text,
            ast=ast,
            operations={
                each.name.value if each.name else None: each
                for each in found
                if isinstance(each, OperationDefinitionNode)
            },
            fragments={each.name.value: each for each in found if isinstance(each, FragmentDefinitionNode)},
            field_names=field_names,
            for_all=for_all,
            is_plain=is_plain,
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """One operation with its variables, ready to execute: `variables` as they came, `coerced` as they were read."""

    document: Document
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]
    coerced: Mapping[str, Any]
    cost: int

    @property
    def name(self) -> str | None:
        return self.operation.name.value if self.operation.name else None


class Preparation:
    """Prepares the requests of one schema. Where `registered_only`, no other document runs."""

    def __init__(
        self,
        schema: Schema,
        limits_: Limits,
        *,
        introspection: bool,
        registered: Registered | None = None,
        registered_only: bool = False,
    ) -> None:
        self._schema: GraphQLSchema = schema._schema
        self._limits = limits_
        self._prices = PriceList(self._schema)
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._hide_suggestions = not introspection
        self._registered = registered or Registered()
        self._registered_only = registered_only
        self._lasting: dict[str, Document] = {}
        self.kept: Kept[Document] = Kept(
            count=limits_.kept_operations, chars=limits_.kept_chars, share=limits_.kept_share
        )

    def warm(self) -> None:
        """Make ready what is registered. Refused: OPERATIONS_UNREADABLE for one that the schema refuses."""
        for name, text in self._registered.by_name.items():
            try:
                document = self.document(text)
                self._readied(document, document.operations[name])
            except RequestErrors as refused:
                raise InvalidInput("OPERATIONS_UNREADABLE", file=name) from refused

    def prepare(self, parameters: Parameters, owner: Owner = NOBODY) -> Prepared:
        """The operation to run; `owner` is who asks.

        Raises `RequestErrors` for what the document or its variables have wrong; `LimitExceeded` is among them,
        PERSISTED_QUERY_NOT_FOUND and OPERATION_NOT_REGISTERED too.
        `InvalidInput` QUERY_MISSING and PERSISTED_QUERY_MISMATCH, MUTATION_OVER_GET and INS_OVER_GET for what a GET
        may not ask.
        """
        document = self._asked(parameters, owner)
        readied = self._readied(document, _chosen(document, parameters))
        operation = readied.node
        if parameters.is_get:
            if operation.operation is OperationType.MUTATION:
                raise InvalidInput("MUTATION_OVER_GET")
            refuse_over_get(parameters.query, parameters.rest, is_identifying=readied.is_identifying)
        read = readied.variables.read(parameters.variables)
        variables = self._variables(operation, parameters) if read is None else read
        cost = readied.price.of(variables)
        if cost > self._limits.cost:
            raise RequestErrors([errors.formatted(LimitExceeded("COST_EXCEEDED", cost=cost, limit=self._limits.cost))])
        return Prepared(document, operation, parameters.variables, variables, cost)

    def document(self, text: str, owner: Owner = NOBODY) -> Document:
        """A document that may be executed, from its text. Raises `RequestErrors`."""
        kept = self._lasting.get(text) or self.kept.by_text(text, owner)
        if kept is not None:
            return kept
        document = self._made(text)
        if text in self._registered.texts:
            self._lasting[text] = document
        # A text that holds a content would fill the memory; variables are the place for one.
        elif len(text) <= self._limits.kept_document_chars:
            self.kept.keep(text, document, owner, for_all=document.for_all)
        return document

    def _asked(self, parameters: Parameters, owner: Owner) -> Document:
        text, digest = parameters.query, parameters.sha256
        if not text:
            return self.document(self._named(parameters), owner)
        if digest is not None and sha256(text) != digest:
            raise InvalidInput("PERSISTED_QUERY_MISMATCH")
        if self._registered_only and text not in self._registered.texts:
            raise RequestErrors([errors.formatted(InvalidInput("OPERATION_NOT_REGISTERED"))])
        document = self.document(text, owner)
        if digest is not None:
            self.kept.keep_hash(digest, text)
        return document

    def _named(self, parameters: Parameters) -> str:
        """The text of a document that was not sent."""
        known, digest = self._registered, parameters.sha256
        if digest is not None:
            text, code = known.by_hash.get(digest) or self.kept.by_hash(digest), "PERSISTED_QUERY_NOT_FOUND"
        else:
            text, code = known.by_name.get(parameters.document_id or parameters.operation_name or ""), "QUERY_MISSING"
        if text is not None:
            return text
        if parameters.document_id is not None or self._registered_only:
            code = "OPERATION_NOT_REGISTERED"
        if code == "QUERY_MISSING":
            raise InvalidInput(code)
        shown = errors.formatted(InvalidInput(code))
        if code == "PERSISTED_QUERY_NOT_FOUND":
            shown["message"] = _NOT_FOUND
        raise RequestErrors([shown])

    def _made(self, text: str) -> Document:
        try:
            if len(text) > self._limits.document_chars:
                raise LimitExceeded("QUERY_TOO_LONG", limit=self._limits.document_chars)
            ast = parse(text, max_tokens=self._limits.tokens)
            limits.check(ast, self._limits)
            contents = _Contents()
            contents.gather(ast)
        except GraphQLSyntaxError as unreadable:
            raise RequestErrors([errors.syntax_error(unreadable, tokens=self._limits.tokens)]) from unreadable
        except InvalidInput as refused:
            raise RequestErrors([errors.formatted(refused)]) from refused
        is_plain = is_plainly_valid(self._schema, ast)
        if not is_plain:
            faults = validate(self._schema, ast, self._rules, max_errors=20, hide_suggestions=self._hide_suggestions)
            if faults:
                raise RequestErrors(errors.validation_errors(faults))
        return Document.of(
            text,
            ast,
            field_names=frozenset(contents.names),
            for_all=not contents.has_values and not looks_like_matricule(text),
            is_plain=is_plain,
        )

    def _readied(self, document: Document, operation: OperationDefinitionNode) -> Readied:
        name = operation.name.value if operation.name else None
        readied = document.readied.get(name)
        if readied is None:
            readied = document.readied[name] = Readied(
                schema=self._schema,
                ast=document.ast,
                node=operation,
                variables=Coercion(self._schema, operation.variable_definitions or ()),
                price=self._prices.total(operation, document.fragments),
            )
        return readied

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


class _Contents:
    """Gathers the names of the fields, whatever their alias, and whether the document holds values of its own.

    Refuses a literal that no database stores and no JSON writes, however it was escaped.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.has_values = False

    def gather(self, ast: DocumentNode) -> None:
        """Go through every node: `graphql.visit` does more, at ten times the price."""
        left: list[Node] = [ast]
        while left:
            node = left.pop()
            for key in QUERY_DOCUMENT_KEYS.get(node.kind, ()):
                below = getattr(node, key)
                if isinstance(below, Node):
                    left.append(below)
                elif isinstance(below, tuple):
                    left += below
            if isinstance(node, FieldNode):
                self.names.add(node.name.value)
            elif isinstance(node, IntValueNode):
                self.has_values = self.has_values or len(node.value) > _SIZE_DIGITS
            elif isinstance(node, StringValueNode):
                self.has_values = True
                if not is_text(node.value):
                    raise InvalidInput("TEXT_INVALID")


def _chosen(document: Document, parameters: Parameters) -> OperationDefinitionNode:
    name = parameters.operation_name
    if name is not None:
        if name in document.operations:
            return document.operations[name]
        raise RequestErrors([errors.formatted(InvalidInput("OPERATION_UNKNOWN"))])
    if len(document.operations) == 1:
        return next(iter(document.operations.values()))
    if parameters.document_id in document.operations and parameters.document_id is not None:
        return document.operations[parameters.document_id]
    raise RequestErrors([errors.formatted(InvalidInput("OPERATION_NAME_MISSING"))])
