"""The compiler answers as Strawberry does, octet by octet, and answers what it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
from starlette.applications import Starlette

from passerelle_graphql.compiler.plans import Plan
from passerelle_graphql.execution import Executor
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.requests import Parameters
from passerelle_graphql.routes import routes
from tests import builders
from tests.gateway.records import Record
from tests.gateway.serving import GRAPHQL, Serving

DOCUMENT = """fragment Whole on Document {
  __typename id logicalId entryUuid metadataVersion uniqueId versionNumber status class { code label }
  type { label code } formatCode mimeType confidentiality masked hiddenFromPatient hiddenUntil
  hiddenFromRepresentatives title language
  authors { __typename kind rpps familyName givenName profession { code label } specialty { code label } role
    structureId structureName }
  structureId facilityType practiceSetting eventCodes { code system label } creationTime serviceStart serviceStop
  actAt byPatient submissionSetId filedAt size sha256 contentUrl viewUrl
}
fragment Why on Problem { __typename code message ... on Refusal { howToGetAccess } ... on TryLater { retryAfter } }
"""
WHOLE = (
    DOCUMENT
    + """query ($id: ID!, $first: Int, $after: String, $filter: DocumentFilter, $yes: Boolean! = true) {
  one: dossier(patientId: $id) {
    ... on Dossier {
      __typename state openedAt relations access { sentence rule source } emergencyAccess { reason }
      patient { id ins { value oid } identityStatus familyName usedName givenNames birthDate sex birthPlace }
      documents(first: $first, after: $after, filter: $filter) {
        totalCount since
        edges { cursor node { ...Whole again: title @include(if: $yes) never: title @skip(if: $yes) } }
        nodes { title, t: title }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
    ...Why
  }
}"""
)


async def both(serving: Serving, client: httpx2.AsyncClient, query: str, /, **variables: Any) -> bytes:
    """The answer of the gateway, after asserting that the operation compiles and that Strawberry says the same."""
    prepared = serving.gateway.preparation.prepare(Parameters(query=query, variables=variables))
    plans = serving.gateway.plans
    assert plans is not None
    plan = plans.plan(prepared)
    assert isinstance(plan, Plan), plan
    body = {"query": query, "variables": variables}
    compiled = await client.post(GRAPHQL, json=body)
    reference = replace(serving.gateway, executor=Executor.STRAWBERRY)
    app = Starlette(routes=routes(reference))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url=client.base_url, headers=client.headers
    ) as other:
        said = await other.post(GRAPHQL, json=body)
    assert compiled.content == said.content
    assert compiled.status_code == said.status_code
    return compiled.content


async def test_a_dossier_is_answered_alike(serving: Serving, record: Record) -> None:
    author = builders.professional(name='D’« AUTEUR » "\\ \t é 😀')
    for number in range(4):
        await serving.world.publish(
            record.patient_id,
            builders.document(author=author, title=f'Titre "{number}" \\ \n\té', at=_at(number + 1)),
        )
    for variables in ({}, {"first": 2}, {"first": 0}, {"after": "rien"}, {"filter": {"wholeHistory": True}}):
        for client in (record.doctor, record.patient):
            answer = await both(serving, client, WHOLE, id=record.id, **variables)
            assert (b'"Dossier"' in answer) == (variables not in ({"first": 0}, {"after": "rien"}))
    page = await both(serving, record.doctor, WHOLE, id=record.id, first=2)
    cursor = page.split(b'"endCursor":"')[1].split(b'"')[0].decode()
    await both(serving, record.doctor, WHOLE, id=record.id, first=2, after=cursor)


ONE = (
    DOCUMENT
    + """query ($id: ID!) {
  document(id: $id) {
    ... on OpenedDocument { document { ...Whole } access { rule } versions { ...Whole } withheldFrom }
    ...Why
  }
}"""
)


async def test_a_document_is_answered_alike(serving: Serving, record: Record) -> None:
    author = builders.professional()
    first = builders.document(author=author, title="Un", at=_at(1))
    ids = [await serving.world.publish(record.patient_id, first)]
    later = builders.document(author=author, title="Deux", at=_at(2), replaces=first.metadata.unique_id)
    ids.append(await serving.world.publish(record.patient_id, later))
    ids.append(await serving.world.publish(record.patient_id, builders.document(author=author, masked=True)))
    for each in ids:
        for client in (record.doctor, record.patient):
            answer = await both(serving, client, ONE, id=node_id(Node.DOCUMENT, each))
            assert (b'"OpenedDocument"' not in answer) and (b'"Whole"' not in answer)
            assert (b"DOCUMENT_UNKNOWN" in answer) == (each == ids[2] and client is record.doctor)
    for unknown in (node_id(Node.DOCUMENT, record.patient_id), record.id, "é"):
        await both(serving, record.doctor, ONE, id=unknown)


def _at(day: int) -> str:
    return f"202610{day:02d}093000+0200"
