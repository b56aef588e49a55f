"""Whatever valid operation a client may write, the gateway answers it: no 5xx, no INTERNAL, no field left out."""

from __future__ import annotations

import base64

import pytest
from graphql import GraphQLSchema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes

from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.schema import schema
from tests import builders
from tests.gateway.records import Record, new_record
from tests.gateway.serving import GRAPHQL, Serving

BUILT: GraphQLSchema = schema._schema
ROOTS = sorted(name for type_ in (BUILT.query_type, BUILT.mutation_type) if type_ is not None for name in type_.fields)
WORDS = st.sampled_from(["", "x", "ESSAI", "19800115", "10", "31-", "é", "0" * 300, "'; drop table patient; --"])
SCALARS = {
    "DateTime": st.datetimes().map(lambda at: nodes.String(f"{at.isoformat()}Z")),
    "Date": st.dates().map(lambda day: nodes.String(day.isoformat())),
    "Decimal": st.decimals(-10, 10**6, places=2).map(lambda number: nodes.String(str(number))),
    "Base64": st.binary(max_size=64).map(lambda octets: nodes.String(base64.b64encode(octets).decode())),
}


@pytest.fixture(scope="module")
async def known(serving: Serving) -> Record:
    record = await new_record(serving)
    await serving.world.publish(record.patient_id, builders.document(author=record.doctor_actor))
    return record


def _ids(known: Record) -> list[str]:
    return [known.id, node_id(Node.DOCUMENT, known.patient_id), "nothing"]


@pytest.mark.parametrize("field", ROOTS)
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_every_root_field_answers_whatever_it_is_given(
    field: str, data: st.DataObject, serving: Serving, known: Record
) -> None:
    scalars = {**SCALARS, "ID": st.sampled_from(_ids(known)).map(nodes.String), "String": WORDS.map(nodes.String)}
    query = data.draw(from_schema(BUILT, fields=[field], custom_scalars=scalars, allow_null=True))
    for client in (known.doctor, known.patient):
        response = await client.post(GRAPHQL, json={"query": query})

        assert response.status_code == 200, response.text
        shown = response.json()
        codes = [error["extensions"]["code"] for error in shown.get("errors", ())]
        assert "INTERNAL" not in codes, (query, shown)
