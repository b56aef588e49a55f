"""No INS in a URL: what designates a person is refused over GET (DESIGN §6, docs/decisions/0063).

Two checks. The schema marks every argument that designates a person (`@identifying`): an operation that uses one is
refused whatever its value. And nothing that looks like a matricule may stand anywhere in the URL, for a client can
put one where no argument asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    visit,
)
from graphql.language import DocumentNode, FragmentDefinitionNode

from passerelle.kernel.errors import InvalidInput
from passerelle_graphql.directives import Identifying
from passerelle_graphql.requests import texts_in

# Sex, year, month (also the fictitious ones), department (2A, 2B), commune and order; the key may be missing.
_MATRICULE = re.compile(
    r"(?<!\d)[1-478]\s?\d{2}\s?\d{2}\s?(?:\d{2}|2[AB])\s?\d{3}\s?\d{3}(?:\s?\d{2})?(?!\d)", re.IGNORECASE
)


def looks_like_matricule(text: str) -> bool:
    """Whether a text holds what may be an INS, with or without its key, grouped or not."""
    return _MATRICULE.search(text) is not None


def refuse_over_get(url_text: str, rest: Mapping[str, Any], *, is_identifying: bool) -> None:
    """Raises INS_OVER_GET when the operation needs what designates a person, or the URL holds it."""
    if is_identifying or looks_like_matricule(url_text):
        raise InvalidInput("INS_OVER_GET")
    if any(looks_like_matricule(text) for text in texts_in(dict(rest))):
        raise InvalidInput("INS_OVER_GET")


def uses_identifying(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> bool:
    """Whether an operation gives an argument that designates a person, or holds one that does."""
    finder = _Finder(TypeInfo(schema))
    for definition in document.definitions:
        if definition is operation or isinstance(definition, FragmentDefinitionNode):
            visit(definition, TypeInfoVisitor(finder.types, finder))
    return finder.found


class _Finder(Visitor):
    """Looks for a field one of whose given arguments is, or holds, an identifying value."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self.types = types
        self.found = False

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        definition = self.types.get_field_def()
        for argument in node.arguments or ():
            given = definition.args.get(argument.name.value) if definition is not None else None
            if given is not None and (_is_marked(given) or _holds_marked(get_named_type(given.type), frozenset())):
                self.found = True


def _is_marked(element: GraphQLArgument | GraphQLInputField) -> bool:
    definition = element.extensions.get("strawberry-definition")
    return any(isinstance(each, Identifying) for each in getattr(definition, "directives", None) or ())


def _holds_marked(type_: GraphQLNamedType, seen: frozenset[str]) -> bool:
    if not isinstance(type_, GraphQLInputObjectType) or type_.name in seen:
        return False
    return any(
        _is_marked(each) or _holds_marked(get_named_type(each.type), seen | {type_.name})
        for each in type_.fields.values()
    )
