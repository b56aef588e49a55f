"""What schemathesis draws from the committed schema, made to name what exists and to show whatever is answered."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import schemathesis
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
    parse,
    visit,
)
from hypothesis import assume
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.graphql import nodes

from passerelle_graphql.export_sdl import sdl
from passerelle_graphql.schema import schema

BUILT: GraphQLSchema = schema._schema
_DRAWN_FROM = schemathesis.graphql.from_file(sdl(), config=SchemathesisConfig())
OPERATIONS = {f"{type_}.{field}": _DRAWN_FROM[type_][field] for type_ in _DRAWN_FROM for field in _DRAWN_FROM[type_]}
_WORDS = ("", "x", "ESSAI", "19800115", "10", "31-", "é", "0" * 300, "'; drop table patient; --")
_WRITTEN = st.characters(codec="utf-8", exclude_characters="\0")  # NUL has the whole refused: test_http
_INSTANTS = st.datetimes().filter(lambda at: 1 < at.year < 9999)


def draw_scalars(*, ids: Sequence[str], texts: Sequence[str]) -> None:
    """From here on the scalars of all cases are of these, and now and then of anything else."""
    for name, strategy in {
        "ID": st.sampled_from([*ids, "nothing"]).map(nodes.String),
        "String": (st.sampled_from([*_WORDS, *texts]) | st.text(_WRITTEN, max_size=20)).map(nodes.String),
        "Int": (st.integers(-2, 60) | st.integers(-(2**31), 2**31 - 1)).map(nodes.Int),
        "DateTime": _INSTANTS.map(lambda at: nodes.String(f"{at.isoformat()}Z")),
        "Decimal": st.decimals(allow_nan=False, allow_infinity=False).map(lambda each: nodes.String(str(each))),
        "Base64": st.binary(max_size=64).map(lambda octets: nodes.String(base64.b64encode(octets).decode())),
    }.items():
        schemathesis.graphql.scalar(name, strategy)


def completed(text: str) -> DocumentNode:
    """The operation with every branch of what may be answered, and one member of each input that takes one.

    Schemathesis picks few of the branches, so that most answers would be empty, and does not know of @oneOf.
    """
    info = TypeInfo(BUILT)
    document: DocumentNode = visit(parse(text), TypeInfoVisitor(info, _Completing(info)))
    return document


class _Completing(Visitor):
    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info

    def enter_object_value(self, node: ObjectValueNode, *_: object) -> ObjectValueNode | None:
        type_ = get_named_type(self._info.get_input_type())
        if not isinstance(type_, GraphQLInputObjectType) or not type_.extensions["strawberry-definition"].is_one_of:
            return None
        said = [each for each in node.fields if not isinstance(each.value, NullValueNode)]
        assume(said)
        return ObjectValueNode(fields=tuple(said[:1]))

    def enter_selection_set(self, node: SelectionSetNode, *_: object) -> SelectionSetNode | None:
        type_ = self._info.get_parent_type()
        if type_ is None or not is_abstract_type(type_):
            return None
        members = BUILT.get_possible_types(type_)
        taken = dict(_taken(node))
        wanted = [f"... on {each.name} {{ __typename {' '.join(_leaves(each, taken))} }}" for each in members]
        (added,) = parse(f"{{ {' '.join(wanted)} }}").definitions
        assert isinstance(added, OperationDefinitionNode)
        return SelectionSetNode(selections=(*node.selections, *added.selection_set.selections))


def _taken(node: SelectionSetNode) -> Iterator[tuple[str, str]]:
    """The names under which something is answered already, each with its type."""
    for each in node.selections:
        if isinstance(each, InlineFragmentNode) and each.type_condition is not None:
            fields: Any = getattr(BUILT.type_map[each.type_condition.name.value], "fields", {})
            for field in each.selection_set.selections:
                if isinstance(field, FieldNode) and field.name.value in fields:
                    yield (field.alias or field.name).value, str(fields[field.name.value].type)


def _leaves(type_: GraphQLObjectType, taken: dict[str, str]) -> Iterator[str]:
    """The plain fields of a type that can stand beside what is taken; takes them."""
    for name, field in type_.fields.items():
        is_plain = is_leaf_type(get_named_type(field.type)) and not any(map(is_required_argument, field.args.values()))
        if is_plain and taken.setdefault(name, str(field.type)) == str(field.type):
            yield name
