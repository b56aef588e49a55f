"""What is taken for valid at a glance is valid by the rules of GraphQL §5, whatever is asked."""

from __future__ import annotations

import re

import pytest
from graphql import GraphQLSyntaxError, parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle_graphql.committed import committed
from passerelle_graphql.plainly_valid import is_plainly_valid
from passerelle_graphql.preparation import _RULES
from passerelle_graphql.schema import schema

GRAPH = schema._schema
ALONE = {
    name: text for name, text in committed().items() if len(re.findall(r"^(query|mutation)", text, re.MULTILINE)) == 1
}
QUERIES = {name: text for name, text in ALONE.items() if "mutation" not in text}
TOKEN = re.compile(r'[_A-Za-z][_0-9A-Za-z]*|\$|@|\.\.\.|"[^"\n]*"|[0-9]+|[{}()\[\]:!=]')
# What a text may be spoilt by: words of the schema, of these texts, and marks.
WORDS = [
    *sorted({word for text in QUERIES.values() for word in TOKEN.findall(text)} | set(GRAPH.type_map)),
    *("__schema { types { name } }", "@include(if: true)", "@skip(if: $first)", "@deprecated", "null", '"x"', "7"),
    *("$first: Int! = 3", "first: 2147483648", "...DocumentSummary", "[1]", "{rpps: null}", "1.5", "CURRENT"),
]


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_what_is_committed_is_plainly_valid(name: str) -> None:
    assert is_plainly_valid(GRAPH, parse(QUERIES[name]))


def _is_sound(text: str) -> bool:
    """Whether what is said of a text is not more than what the rules say; raises GraphQLSyntaxError."""
    document = parse(text)
    return not is_plainly_valid(GRAPH, document) or not validate(GRAPH, document, _RULES)


@st.composite
def _spoilt(draw: st.DrawFn) -> str:
    """A committed query with a few of its tokens left out, doubled or replaced."""
    tokens = TOKEN.findall(re.sub("#.*", "", QUERIES[draw(st.sampled_from(sorted(QUERIES)))]))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(tokens) - 1))
        match draw(st.sampled_from(["replaced", "added", "left out", "doubled", "renamed"])):
            case "replaced":
                tokens[place] = draw(st.sampled_from(WORDS))
            case "added":
                tokens.insert(place, draw(st.sampled_from(WORDS)))
            case "left out":
                del tokens[place]
            case "doubled":
                end = draw(st.integers(place, min(place + 12, len(tokens))))
                tokens[place:place] = tokens[place:end]
            case "renamed":
                tokens[place:place] = [draw(st.sampled_from(WORDS)), ":"]
    return " ".join(tokens)


@settings(max_examples=400)
@given(text=_spoilt())
def test_nothing_that_the_rules_refuse_is_plainly_valid(text: str) -> None:
    try:
        assert _is_sound(text)
    except GraphQLSyntaxError:
        return


NOT_VALID = [
    "{ me { id } me { __typename } } { me { __typename } }",
    "query A { me { __typename } } query A { me { __typename } }",
    "{ me }",
    "{ me { __typename { x } } }",
    "{ nothing { __typename } }",
    "query ($a: String) { me { __typename } }",
    "query { dossier(patientId: $a) { __typename } }",
    "query ($a: String) { dossier(patientId: $a) { __typename } }",
    "query ($a: ID) { dossier(patientId: $a) { __typename } }",
    "query ($a: ID!, $a: ID!) { dossier(patientId: $a) { __typename } }",
    "query ($a: Dossier) { dossier(patientId: $a) { __typename } }",
    "query ($a: Int = true) { me { __typename @include(if: $a) } }",
    "{ dossier { __typename } }",
    '{ dossier(patientId: "x", patientId: "x") { __typename } }',
    '{ dossier(patientId: "x", other: 1) { __typename } }',
    "{ dossier(patientId: true) { __typename } }",
    '{ dossier(patientId: "x") { state } }',
    '{ dossier(patientId: "x") { ... on Patient { id } } }',
    '{ dossier(patientId: "x") { ... on Nobody { id } } }',
    '{ dossier(patientId: "x") { ... on Dossier { a: state a: openedAt } } }',
    '{ dossier(patientId: "x") { ... on Dossier { a: state } ... on Problem { a: code } } }',
    '{ a: dossier(patientId: "x") { __typename } a: dossier(patientId: "y") { __typename } }',
    "{ me { ...a } } fragment a on Query { me { __typename } }",
    "{ me { ...a } }",
    "{ me { __typename } } fragment a on Query { me { __typename } }",
    "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
    "{ ...a } fragment a on Query { me { __typename } } fragment a on Query { me { __typename } }",
    "{ me @include { __typename } }",
    "{ me @include(if: true) @include(if: true) { __typename } }",
    '{ me @include(if: "x") { __typename } }',
    "{ me @nothing { __typename } }",
    "query @include(if: true) { me { __typename } }",
]


@pytest.mark.parametrize("text", NOT_VALID)
def test_what_the_rules_refuse_is_left_to_them(text: str) -> None:
    document = parse(text)
    assert validate(GRAPH, document, _RULES)
    assert not is_plainly_valid(GRAPH, document)
