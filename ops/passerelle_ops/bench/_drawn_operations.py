"""Invented operations over the graph: valid ones, and some that the rules of GraphQL refuse.

Aliases, fragments named and inline on unions, interfaces and objects, `@skip` and `@include`, several roots, variables
given, left out or null. Arguments come out of what exists as well as out of nowhere (`_drawn_arguments`). Choices come
from a `Draw`: hypothesis in the tests, a seed in `passerelle bench compile`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from graphql import (
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    parse,
    print_ast,
)

from passerelle_graphql.committed import committed
from passerelle_ops.bench._drawn_arguments import Arguments, Known
from passerelle_ops.bench._worlds import Draw

#: Names that the statements use themselves, words of SQL, of JSON and of GraphQL, and long ones.
ALIASES: Final = (
    "page", "given", "verdict", "found", "line", "patient", "passerelle_body", "select", "null", "true", "fragment",
    "query", "_", "_1", "x" * 300, "A", "data", "errors", "asking", "count", "nodes", "code", "id", "documents",
)  # fmt: skip
#: Roots that show what other reads write.
_OF_ITSELF: Final = frozenset({"journal", "journalSearch", "unusualAccesses"})
_FIELDS: Final = 60
_DIRECTIVES: Final = 40
_ALIASED: Final = 25
_DEEP: Final = 7
_YES_OR_NO: Final = (False, True)
_SELDOM: Final = (False,) * 5 + (True,)
_RARELY: Final = (False,) * 19 + (True,)
_MOSTLY: Final = (True,) * 9 + (False,)

#: What stands under each key of one place of the answer: the field, its arguments, its type.
_Keys: TypeAlias = dict[str, tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A document with the variables sent along."""

    text: str
    variables: Mapping[str, Any]
    name: str | None


def drawn_operation(draw: Draw, schema: GraphQLSchema, roots: Sequence[str], known: Known) -> Operation:
    """An operation on one root, or on a few."""
    return _Writer(draw, schema, known).operation(roots)


def _summary() -> str:
    """The fields that the database keeps written beside each document, as the committed operation asks for them."""
    found = (each for each in parse(committed()["OpenDossier"]).definitions if isinstance(each, FragmentDefinitionNode))
    sets: list[SelectionSetNode] = [each.selection_set for each in found if each.name.value == "DocumentSummary"]
    return " ".join(print_ast(each) for each in sets[0].selections)


@dataclass(slots=True)
class _Writer:
    draw: Draw
    schema: GraphQLSchema
    known: Known
    arguments: Arguments = field(init=False)
    fragments: list[tuple[str, str, str]] = field(default_factory=list)
    keys: dict[tuple[str, ...], _Keys] = field(default_factory=dict)
    fields: int = 0
    aliases: int = 0
    directives: int = 0

    def __post_init__(self) -> None:
        self.arguments = Arguments(self.draw, self.known)

    def operation(self, roots: Sequence[str]) -> Operation:
        draw, query = self.draw, self.schema.query_type
        assert query is not None  # noqa: S101 - a schema has one
        asked = [draw.choose(roots) for _ in range(draw.choose((1, 1, 1, 1, 2, 3)))]
        # The roots of one operation run at once in the reference: a journal read beside another read shows it or not,
        # and one that fails leaves the others to be read behind the answer.
        if len(asked) > 1:
            asked = [each for each in asked if each not in _OF_ITSELF] or asked[:1]
        self.arguments.may_fail = len(asked) == 1 and draw.choose(_RARELY)
        pieces = [self._field(query.fields[each], each, (), 0) for each in asked]
        if draw.choose(_SELDOM):
            pieces = [self._fragment("Query", " ".join(pieces))]
        name = draw.choose((None, None, "Essai", "query", "on"))
        other = draw.choose(("", "", " query Other { me { kind } }")) if name else ""
        declared = self.arguments.declared()
        head = f"query {name or ''}{declared}" if name or declared else draw.choose(("", "query"))
        fragments = "".join(f" fragment {each} on {type_} {{ {body} }}" for each, type_, body in self.fragments)
        text = f"{head} {{ {' '.join(pieces)} }}{other}{fragments}"
        return Operation(text, self.arguments.given, name)

    # Fields.

    def _selection(self, type_: GraphQLNamedType, path: tuple[str, ...], depth: int) -> str:
        """What is asked of a type, without its braces."""
        if isinstance(type_, GraphQLUnionType):
            return self._of_union(type_, path, depth)
        assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)  # noqa: S101 - the rest has no fields
        pieces: list[str] = []
        if type_.name == "Document" and self.draw.choose(_SELDOM):
            pieces.append(self._whole(type_, path))
        for name in self._chosen(type_, depth):
            field = self._field(type_.fields[name], name, path, depth)
            pieces.append(self._wrapped(type_, field))
        if not pieces or self.draw.choose(_SELDOM):
            pieces.append(self._typename(path))
        return " ".join(pieces)

    def _of_union(self, type_: GraphQLUnionType, path: tuple[str, ...], depth: int) -> str:
        draw = self.draw
        members = [type_.types[0]] if draw.choose(_MOSTLY) else []
        members += [each for each in type_.types[1:] if draw.choose(_SELDOM)]
        of: list[GraphQLObjectType | GraphQLInterfaceType] = [*members]
        if draw.choose(_MOSTLY):
            problem = self.schema.type_map["Problem"]
            assert isinstance(problem, GraphQLInterfaceType)  # noqa: S101 - a name of ours
            of.insert(draw.choose((0, len(of))), problem)
        pieces = [self._typename(path)] if not of or draw.choose(_YES_OR_NO) else []
        for each in of:
            body = self._selection(each, path, depth)
            named = draw.choose(_SELDOM)
            pieces.append(self._fragment(each.name, body) if named else f"... on {each.name} {{ {body} }}")
        return " ".join(pieces)

    def _chosen(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> list[str]:
        if self.fields > _FIELDS:
            return []
        leaves = [name for name, each in type_.fields.items() if is_leaf_type(get_named_type(each.type))]
        if self.draw.choose(_SELDOM) and leaves:
            return leaves
        among = list(type_.fields) if depth < _DEEP else leaves
        # What has fields is where the work is.
        among += [each for each in among if each not in leaves] * 3
        chosen = [self.draw.choose(among) for _ in range(self.draw.choose((2, 3, 4, 5)))] if among else []
        if self.draw.choose(_SELDOM):
            return chosen
        # What has arguments is asked for once: twice with others is not compiled.
        return [each for at, each in enumerate(chosen) if not type_.fields[each].args or each not in chosen[:at]]

    def _field(self, graph: GraphQLField, name: str, path: tuple[str, ...], depth: int) -> str:
        self.fields += 1
        arguments = self.arguments.of_field(name, graph.args)
        key = self._key(name, arguments, graph, path)
        below = get_named_type(graph.type)
        body = "" if is_leaf_type(below) else f" {{ {self._selection(below, (*path, key), depth + 1)} }}"
        alias = f"{key}: " if key != name else ""
        return f"{alias}{name}{arguments}{self._directive()}{body}"

    def _key(self, name: str, arguments: str, graph: GraphQLField, path: tuple[str, ...]) -> str:
        """A response key that no other field of that place has."""
        taken, is_this = self.keys.setdefault(path, {}), (name, arguments, str(graph.type))
        key = self.draw.choose(ALIASES) if self.aliases < _ALIASED and self.draw.choose(_SELDOM) else name
        if taken.get(key, is_this) != is_this:
            key = f"{name}_{len(taken)}"
        self.aliases += key != name
        taken[key] = is_this
        return key

    def _typename(self, path: tuple[str, ...]) -> str:
        taken = self.keys.setdefault(path, {})
        key = self.draw.choose(("__typename", "__typename", "kind_of", "__x"))
        if taken.setdefault(key, ("__typename", "", "")) != ("__typename", "", ""):
            return "__typename"
        return "__typename" if key == "__typename" else f"{key}: __typename"

    def _whole(self, type_: GraphQLObjectType | GraphQLInterfaceType, path: tuple[str, ...]) -> str:
        """What the database keeps written, in its order: as it stands, or as part of more."""
        taken = self.keys.setdefault(path, {})
        if any(name in type_.fields and said[:2] != (name, "") for name, said in taken.items()):
            return self._typename(path)
        for name, graph in type_.fields.items():
            taken.setdefault(name, (name, "", str(graph.type)))
        self.fields += len(type_.fields)
        return self._wrapped(type_, _summary())

    # What stands round fields.

    def _wrapped(self, type_: GraphQLNamedType, body: str) -> str:
        form = self.draw.choose(("", "", "", "", "", "inline", "typed", "named", "again"))
        if form == "inline":
            return f"... {self._directive()} {{ {body} }}"
        if form == "typed":
            return f"... on {type_.name} {self._directive()} {{ {body} }}"
        if form == "named":
            return self._fragment(type_.name, body)
        if form == "again":
            known = [name for name, on, _ in self.fragments if on == type_.name]
            return f"{body} ...{self.draw.choose(known)}" if known else body
        return body

    def _fragment(self, type_name: str, body: str) -> str:
        name = f"F{len(self.fragments)}"
        self.fragments.append((name, type_name, body))
        return f"...{name}{self._directive()}"

    def _directive(self) -> str:
        if self.directives >= _DIRECTIVES or not self.draw.choose(_SELDOM):
            return ""
        self.directives += 1
        name = self.draw.choose(("skip", "include"))
        return f" @{name}(if: {self.arguments.switch()})"
