"""How much one request may ask, computed from the document alone (DESIGN §6, docs/decisions/0062).

Measured between parsing and validation, in one walk over each definition, so that a document built to make
validation slow is refused before it. Fragments are measured once, however often they are spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from passerelle.kernel.errors import LimitExceeded

_INTROSPECTION = ("__schema", "__type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The ceilings of one request. `cost` is in the unit of `cost.py`, the others count what they name."""

    body_bytes: int = 48 * 1024 * 1024  # 32 MiB of content in base64, and its metadata
    large_bodies_at_once: int = 4  # of more than 1 MiB, or of a size not told; each may take five times its size
    view_bytes: int = 24 * 1024 * 1024
    url_bytes: int = 16 * 1024
    document_chars: int = 128 * 1024
    tokens: int = 2_500
    depth: int = 14
    fields: int = 600
    fragments: int = 40  # validation compares them two by two
    aliases: int = 30
    directives: int = 50
    roots: int = 10
    cost: int = 20_000
    seconds: float = 30.0
    operations_at_once: int = 256  # in each process; what comes on top is told to come back
    kept_operations: int = 2_048  # documents, but for the registered ones, and their characters in sum
    kept_chars: int = 4 * 1024 * 1024
    kept_share: float = 1 / 32  # of both, for one actor of a network
    kept_document_chars: int = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What one operation asks, fragments spread out."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    roots: int = 0


def measure(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Measure:
    """The size of `operation`. A fragment that spreads itself counts once: validation names that fault."""
    return _Walk(fragments).selections(operation.selection_set)


def check(document: DocumentNode, limits: Limits) -> None:
    """Refuse a document any operation of which is over a ceiling. Raises `LimitExceeded`, naming the limit."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    _hold("TOO_MANY_FRAGMENTS", len(fragments), limits.fragments)
    walk = _Walk(fragments)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            size = walk.selections(definition.selection_set)
            _hold("QUERY_TOO_DEEP", size.depth, limits.depth)
            _hold("TOO_MANY_ROOTS", size.roots, limits.roots)
            _hold("TOO_MANY_FIELDS", size.fields, limits.fields)
            _hold("TOO_MANY_ALIASES", size.aliases, limits.aliases)
            _hold("TOO_MANY_DIRECTIVES", size.directives, limits.directives)


def _hold(code: str, value: int, limit: int) -> None:
    if value > limit:
        raise LimitExceeded(code, limit=limit)


class _Walk:
    """One pass over a document, remembering what each fragment measures."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, Measure] = {}
        self._open: set[str] = set()

    def selections(self, node: SelectionSetNode) -> Measure:
        depth = fields = aliases = directives = roots = 0
        for selection in node.selections:
            directives += len(selection.directives or ())
            if isinstance(selection, FieldNode):
                inside = self._field(selection)
                fields, roots = fields + 1, roots + 1
                aliases += selection.alias is not None
                depth = max(depth, 1 + inside.depth)
            else:
                inside = self._spread(selection)
                roots += inside.roots
                depth = max(depth, inside.depth)
            fields += inside.fields
            aliases += inside.aliases
            directives += inside.directives
        return Measure(depth=depth, fields=fields, aliases=aliases, directives=directives, roots=roots)

    def _field(self, field: FieldNode) -> Measure:
        # Introspection has its own ceiling in graphql-core (MaxIntrospectionDepthRule) and is off in production.
        if field.selection_set is None or field.name.value in _INTROSPECTION:
            return Measure()
        return self.selections(field.selection_set)

    def _spread(self, selection: object) -> Measure:
        if isinstance(selection, InlineFragmentNode):
            return self.selections(selection.selection_set)
        if not isinstance(selection, FragmentSpreadNode):
            return Measure()
        name = selection.name.value
        if name in self._known:
            return self._known[name]
        if name in self._open or name not in self._fragments:
            return Measure()
        self._open.add(name)
        size = self._known[name] = self.selections(self._fragments[name].selection_set)
        self._open.discard(name)
        return size
