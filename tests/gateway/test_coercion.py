"""Variables read by what was made once are those that graphql-core reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    OperationDefinitionNode,
    get_variable_values,
    is_input_type,
    is_required_input_field,
    parse,
    type_from_ast,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle_graphql.coercion import Coercion
from passerelle_graphql.committed import committed
from passerelle_graphql.schema import schema

_SCHEMA = schema._schema
_WORDS = st.sampled_from(["", "a", "1980", "19800101", "2026-11-16", "2026-11-16T09:00:00Z", "269054958815780", "é"])
_NUMBERS = st.integers(-3, 60) | st.sampled_from([2**31 - 1, 2**31, -(2**31), 1.0, 1.5, 10**30])
_ODD = st.none() | st.booleans() | _NUMBERS | _WORDS | st.lists(_WORDS, max_size=2) | st.just({"no such": 1})


def _of(type_: GraphQLInputType) -> st.SearchStrategy[Any]:
    """Values of a type, an odd one among them from time to time."""
    if isinstance(type_, GraphQLNonNull):
        return _of(type_.of_type)
    if isinstance(type_, GraphQLList):
        plain: st.SearchStrategy[Any] = st.lists(_of(type_.of_type), max_size=2)
    elif isinstance(type_, GraphQLInputObjectType):
        plain = st.deferred(lambda: _object(type_))
    elif isinstance(type_, GraphQLEnumType):
        plain = st.sampled_from(sorted(type_.values))
    else:
        plain = {"Int": st.integers(0, 100), "Boolean": st.booleans()}.get(type_.name, _WORDS)
    return st.integers(0, 11).flatmap(lambda each: _ODD if each == 0 else st.none() if each == 1 else plain)


def _object(type_: GraphQLInputObjectType) -> st.SearchStrategy[Any]:
    required = {name: _of(each.type) for name, each in type_.fields.items() if is_required_input_field(each)}
    others = {name: _of(each.type) for name, each in type_.fields.items() if name not in required}
    if type_.is_one_of or not required:
        return st.lists(st.sampled_from(sorted(others)), max_size=2, unique=True).flatmap(
            lambda names: st.fixed_dictionaries({each: others[each] for each in names})
        )
    return st.fixed_dictionaries(required, optional=others)


def _operation(name: str) -> OperationDefinitionNode:
    return next(
        each
        for each in parse(committed()[name]).definitions
        if isinstance(each, OperationDefinitionNode) and each.name and each.name.value == name
    )


def _same(declared: OperationDefinitionNode, given_values: dict[str, Any]) -> bool:
    """Whether it was read without graphql-core; fails where the two differ."""
    nodes = declared.variable_definitions or ()
    ours = Coercion(_SCHEMA, nodes).read(json.loads(json.dumps(given_values)))
    theirs = get_variable_values(_SCHEMA, nodes, given_values)
    if ours is None:
        return False
    assert not isinstance(theirs, list), (given_values, theirs)
    assert ours == theirs.coerced
    assert repr(ours) == repr(theirs.coerced)  # True is 1 to ==
    return True


_OPERATIONS = [each for each in map(_operation, committed()) if each.variable_definitions]


def _given(declared: OperationDefinitionNode) -> st.SearchStrategy[dict[str, Any]]:
    of_each: dict[str, st.SearchStrategy[Any]] = {}
    for each in declared.variable_definitions or ():
        type_ = type_from_ast(_SCHEMA, each.type)
        assert is_input_type(type_)
        of_each[each.variable.name.value] = _of(type_)
    return st.fixed_dictionaries(of_each) | st.fixed_dictionaries({}, optional={**of_each, "unknown": _ODD})


_GIVEN = [(each, _given(each)) for each in _OPERATIONS]


def test_what_is_read_is_what_graphql_core_reads() -> None:
    without_it = 0

    @settings(max_examples=400)
    @given(data=st.data())
    def compare(data: st.DataObject) -> None:
        nonlocal without_it
        declared, values = data.draw(st.sampled_from(_GIVEN))
        without_it += _same(declared, data.draw(values))

    compare()

    assert without_it > 100


def test_plain_values_are_read_without_it() -> None:
    query = """query Q($id: ID!, $n: Int = 20, $after: String, $types: [String!], $all: Boolean! = true) {
      __typename }"""
    (declared,) = parse(query).definitions
    assert isinstance(declared, OperationDefinitionNode)
    for given_values in ({"id": "x"}, {"id": "x", "n": None, "after": "y", "types": ["a", "b"], "all": False}):
        assert _same(declared, given_values), given_values


@pytest.mark.parametrize("given_values", [{}, {"id": None}, {"id": 1}, {"id": "x", "n": True}, {"id": "x", "n": 1.0}])
def test_what_is_not_plain_is_left_to_it(given_values: dict[str, Any]) -> None:
    (declared,) = parse("query Q($id: ID!, $n: Int) { __typename }").definitions
    assert isinstance(declared, OperationDefinitionNode)
    assert Coercion(_SCHEMA, declared.variable_definitions or ()).read(given_values) is None
