"""A variable in a oneOf input, wherever the operation that gives it stands in the document."""

from __future__ import annotations

import pytest

from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation, RequestErrors
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import schema

SPREAD = "fragment Found on Query { patient(by: {ins: $ins}) { __typename } }"
OTHER = "query Other { me { kind } }"
GIVEN = {"ins": {"oid": "1.2.250.1.213.1.4.10", "value": "280019900000178"}}


def _prepared(query: str) -> None:
    preparation = Preparation(schema, Limits(), introspection=False)
    preparation.prepare(Parameters(query=query, operation_name="It", variables=GIVEN))


def test_a_fragment_may_come_before_the_operation_and_another_operation_after() -> None:
    for order in ((SPREAD, "{it}", OTHER), ("{it}", OTHER, SPREAD), (OTHER, SPREAD, "{it}")):
        _prepared(" ".join(order).replace("{it}", "query It($ins: InsInput!) { ...Found }"))


def test_one_that_may_be_null_is_refused_wherever_it_stands() -> None:
    for order in ((SPREAD, "{it}", OTHER), ("{it}", OTHER, SPREAD)):
        with pytest.raises(RequestErrors) as refused:
            _prepared(" ".join(order).replace("{it}", "query It($ins: InsInput) { ...Found }"))
        assert [each["extensions"]["code"] for each in refused.value.shown] == ["GRAPHQL_INVALID"]
        assert "non-nullable" in refused.value.shown[0]["message"]


def test_a_literal_names_one_and_only_one() -> None:
    for said in ("{}", '{ins: {oid: "1", value: "1"}, traits: {familyName: "A", birthDate: "1980"}}'):
        with pytest.raises(RequestErrors):
            _prepared(f"query It {{ patient(by: {said}) {{ __typename }} }}")
