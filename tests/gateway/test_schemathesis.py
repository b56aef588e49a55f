"""Schemathesis on the schema: whatever it makes of a root field, whoever sends it is answered as the schema says.

No 5xx, no INTERNAL, nothing that is not of the declared types; what the schema does not let through is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx2
import pytest
from graphql import print_ast
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from passerelle.identities.directory import Establishment
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.declared_types import is_of_declared_types
from tests.gateway.drawn_cases import BUILT, OPERATIONS, completed, draw_scalars
from tests.gateway.records import new_record
from tests.gateway.serving import GRAPHQL, TENANT, Serving

HOSPITAL = "310783055"
#: Why a request that the schema lets through may be refused whole: it asks too much at once.
CEILINGS = {"COST_EXCEEDED", "TOO_MANY_TOKENS"}


@pytest.fixture(scope="module")
async def callers(serving: Serving) -> Sequence[httpx2.AsyncClient]:
    """A professional, a patient, and the software of an establishment."""
    record = await new_record(serving)
    document = await serving.world.publish(record.patient_id, builders.document(author=record.doctor_actor))
    draw_scalars(
        ids=(*[record.id] * 4, *[node_id(Node.DOCUMENT, document)] * 2, node_id(Node.PATIENT, document)),
        texts=(record.doctor_actor.id, record.ins.value, record.ins.oid),
    )
    await serving.directory.register_establishments(
        [Establishment(finess=HOSPITAL, name="Essai", basin="essai", tenant_id=TENANT, category="SA01")]
    )
    acting, _ = await serving.professional()
    software = serving.issuer.mint_software(
        client_id="lps-essai",
        software="LPS",
        version="1",
        structure=HOSPITAL,
        rpps=acting.id,
        family_name="ESSAI",
        given_name="Dominique",
        profession=builders.PHYSICIAN,
    )
    return (record.doctor, record.patient, serving.client(software))


@pytest.mark.parametrize("label", OPERATIONS)
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_what_the_schema_lets_through_is_answered_in_its_types(
    label: str, data: st.DataObject, callers: Sequence[httpx2.AsyncClient], stranger: httpx2.AsyncClient
) -> None:
    case = data.draw(OPERATIONS[label].as_strategy())
    assert isinstance(case.body, str)
    document = completed(case.body)
    case.body = print_ast(document)
    for client in callers:
        response = await client.post(GRAPHQL, json={"query": case.body})

        assert response.status_code == 200, response.text
        shown = response.json()
        if "errors" in shown:
            assert shown.keys() == {"errors"}, (case.body, shown)
            assert {error["extensions"]["code"] for error in shown["errors"]} <= CEILINGS, (case.body, shown)
            continue
        case.validate_response(response)
        assert is_of_declared_types(BUILT, document, shown["data"]), (case.body, shown)

    refused = await stranger.post(GRAPHQL, json={"query": case.body})

    assert refused.status_code == 401, refused.text
    assert refused.json().keys() == {"errors"}


@pytest.mark.parametrize("label", OPERATIONS)
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_what_the_schema_does_not_let_through_is_refused(
    label: str, data: st.DataObject, callers: Sequence[httpx2.AsyncClient]
) -> None:
    case = data.draw(OPERATIONS[label].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    client = data.draw(st.sampled_from(callers))

    response = await client.post(GRAPHQL, json={"query": case.body})

    assert response.status_code == 200, response.text
    case.validate_response(response)
    if case.meta is not None and case.meta.generation.mode.is_negative:  # a field without arguments has no such case
        shown = response.json()
        assert shown.keys() == {"errors"}, (case.body, shown)
        assert {error["extensions"]["code"] for error in shown["errors"]} == {"GRAPHQL_INVALID"}, (case.body, shown)
