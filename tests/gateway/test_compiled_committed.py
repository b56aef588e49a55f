"""Every committed query compiles, but for what asks more than the network's own database."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from graphql import NonNullTypeNode, OperationDefinitionNode, OperationType, parse, print_ast

from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.requests import Parameters
from tests.gateway.serving import Serving

_GIVEN: dict[str, Any] = {
    "ID!": node_id(Node.PATIENT, UUID(int=1)),
    "String!": "motif",
    "Date!": "2026-11-01",
    "DateTime!": "2026-11-01T00:00:00Z",
    "ActInput!": {"code": "3016-3", "system": "2.16.840.1.113883.6.1"},
    "[BasketLineInput!]!": [{"label": "essai"}],
    "PatientLookup!": {"ins": {"oid": "1.2.250.1.213.1.4.10", "value": "280019900000107"}},
}

#: Asks the directory and other networks, or opens what lies sealed.
_BY_PYTHON = {"BoardsElsewhere", "DecisionsUnderWay", "LentCases", "OpenRecordElsewhere", "SessionForecast"}


def _queries() -> dict[str, OperationDefinitionNode]:
    found = {}
    for name, text in committed().items():
        for each in parse(text).definitions:
            if isinstance(each, OperationDefinitionNode) and each.name and each.name.value == name:
                found[name] = each
    return {name: each for name, each in found.items() if each.operation is OperationType.QUERY}


def test_every_committed_query_compiles(serving: Serving) -> None:
    plans = serving.gateway.plans
    assert plans is not None
    assert _queries().keys() >= _BY_PYTHON
    for name, query in _queries().items():
        if name in _BY_PYTHON:
            continue
        needed = [each for each in query.variable_definitions or () if isinstance(each.type, NonNullTypeNode)]
        variables = {
            each.variable.name.value: _GIVEN[print_ast(each.type)] for each in needed if each.default_value is None
        }
        asked = Parameters(query=committed()[name], operation_name=name, variables=variables)
        plans.plan(serving.gateway.preparation.prepare(asked))  # raises where it does not compile
    assert len(_queries()) > 20
