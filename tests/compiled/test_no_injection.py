"""The SQL of a plan depends on the document alone, and only on the names that its grammar lets through."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle_graphql.compiler.plans import Plan, Plans
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation, RequestErrors
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import ROOTS, schema
from passerelle_ops.bench._alike import GRAPH, NAMES
from passerelle_ops.bench._drawn_arguments import HOSTILE
from passerelle_ops.bench._drawn_operations import ALIASES

PREPARATION = Preparation(schema, Limits(), introspection=False)
PLANS = Plans(schema, ROOTS, kept=64)
TEXTS = [each for each in HOSTILE if "\x00" not in each]
#: Text goes to these; what is of another type has no room for any.
_TEXTUAL = frozenset({"ID", "String"})
#: Each field with arguments below a root that the statement of the root binds.
BELOW = {"dossier": "... on Dossier { documents%s { totalCount nodes { title authors { familyName } } } }"}


def _plan(query: str, variables: Mapping[str, Any] | None = None) -> Plan:
    return PLANS.plan(PREPARATION.prepare(Parameters(query=query, variables=variables or {})))


def _sql(query: str, variables: Mapping[str, Any] | None = None) -> list[bytes]:
    return [each.statement.sql for each in _plan(query, variables).roots]


def _written(type_: GraphQLInputType, text: Callable[[GraphQLInputType], str]) -> str | None:
    """A value of a type in which each text is what `text` gives; nothing for a type that holds none."""
    if isinstance(type_, GraphQLNonNull):
        return _written(type_.of_type, text)
    if isinstance(type_, GraphQLList):
        item = _written(type_.of_type, text)
        return f"[{item}, {item}]" if item else None
    if isinstance(type_, GraphQLInputObjectType):
        only = 1 if type_.extensions["strawberry-definition"].is_one_of else None
        fields = {name: _written(each.type, text) for name, each in list(type_.fields.items())[:only]}
        inside = [f"{name}: {value}" for name, value in fields.items() if value]
        return f"{{{', '.join(inside)}}}" if inside else None
    return text(type_) if str(type_) in _TEXTUAL else None


def _arguments(arguments: Mapping[str, Any], text: Callable[[GraphQLInputType], str]) -> str:
    needed = {"DateTime!": '"2026-11-01T00:00:00Z"', "Date!": '"2026-11-01"'}
    values = {name: _written(each.type, text) or needed.get(str(each.type), "") for name, each in arguments.items()}
    inside = [f"{name}: {value}" for name, value in values.items() if value]
    return f"({', '.join(inside)})" if inside else ""


def _everywhere(root: str, text: Callable[[GraphQLInputType], str]) -> str:
    """An operation on a root with a text in every place that takes one."""
    assert GRAPH.query_type is not None
    field = GRAPH.query_type.fields[root]
    type_, inside = get_named_type(field.type), "__typename"
    if isinstance(type_, GraphQLUnionType):
        inside += " ... on Problem { code message }"
    if root in BELOW:
        below = type_.types[0] if isinstance(type_, GraphQLUnionType) else type_
        assert isinstance(below, GraphQLObjectType)
        inside += " " + BELOW[root] % _arguments(below.fields["documents"].args, text)
    return f"{root}{_arguments(field.args, text)} {{ {inside} }}"


def _literal(value: str) -> Callable[[GraphQLInputType], str]:
    return lambda _type: json.dumps(value, ensure_ascii=False)


def _with_variables(root: str) -> str:
    declared: list[str] = []

    def text(type_: GraphQLInputType) -> str:
        declared.append(f"$v{len(declared)}: {type_}!")
        return f"$v{len(declared) - 1}"

    body = _everywhere(root, text)
    head = f"query ({', '.join(declared)})" if declared else "query"
    return f"{head} {{ {body} }}"


@pytest.mark.parametrize("root", sorted(set(NAMES)))
def test_no_text_reaches_the_statement(root: str) -> None:
    harmless = _sql(f"{{ {_everywhere(root, _literal('x'))} }}")
    for value in TEXTS:
        assert _sql(f"{{ {_everywhere(root, _literal(value))} }}") == harmless
    given = _with_variables(root)
    assert _sql(given, {f"v{number}": "x" for number in range(given.count("$") // 2)}) == harmless


@pytest.mark.parametrize("root", sorted(set(NAMES)))
def test_variables_choose_among_no_plans(root: str) -> None:
    query = _with_variables(root)
    names = [f"v{number}" for number in range(query.count("$") // 2)]
    first = _plan(query, dict.fromkeys(names, "x"))
    assert all(_plan(query, dict.fromkeys(names, value)) is first for value in TEXTS)


@settings(max_examples=25)
@given(root=st.sampled_from(NAMES), value=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20))
def test_nor_does_any_other_text(root: str, value: str) -> None:
    assert _sql(f"{{ {_everywhere(root, _literal(value))} }}") == _sql(f"{{ {_everywhere(root, _literal('x'))} }}")


NO_NAMES = ["é", "a-b", "a.b", "'", '"a"', "a'b", "$a", "1a", "a;", "ａ", "😀", "a\u200d", "\x01", "%s"]
ALIASED = '{ one: dossier(patientId: "x") { ... on Dossier { two: state four: documents { three: totalCount } } } }'


@settings(max_examples=40)
@given(
    name=(st.sampled_from(ALIASES) | st.from_regex(r"[_A-Za-z][_0-9A-Za-z]{0,40}", fullmatch=True)).filter(
        lambda name: name != "four"
    )
)
def test_an_alias_is_a_key_of_the_answer_and_nothing_else(name: str) -> None:
    harmless, (aliased,) = _sql(ALIASED)[0], _sql(ALIASED.replace("two", name).replace("three", name))
    key = f'"{name}":'.encode()
    assert aliased == harmless.replace(b'"two":', key).replace(b'"three":', key)


@pytest.mark.parametrize("name", NO_NAMES)
def test_another_name_is_no_name(name: str) -> None:
    with pytest.raises(RequestErrors) as refused:
        _plan(ALIASED.replace("two", name))
    assert refused.value.shown[0]["extensions"]["code"] in {"GRAPHQL_SYNTAX", "GRAPHQL_INVALID"}
