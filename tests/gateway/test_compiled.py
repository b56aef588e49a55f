"""The compiler answers as Strawberry does, octet by octet, and answers what it should."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from passerelle.kernel.errors import TryLater
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
  actAt byPatient submissionSetId filedAt size sha256 keptBy contentUrl viewUrl
}
fragment Why on Problem { __typename code message ... on Refusal { howToGetAccess } ... on TryLater { retryAfter } }
"""
WHOLE = (
    DOCUMENT
    + """query ($id: ID!, $first: Int, $after: String, $filter: DocumentFilter, $yes: Boolean! = true) {
  __typename
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
    plans.plan(prepared)  # raises where it does not compile
    compiled = await _answer(serving, client, query, Executor.COMPILED, variables)
    said = await _answer(serving, client, query, Executor.STRAWBERRY, variables)
    assert compiled.content == said.content
    assert compiled.status_code == said.status_code
    return compiled.content


async def asked(
    serving: Serving, client: httpx2.AsyncClient, query: str, executor: Executor, /, **variables: Any
) -> dict[str, Any]:
    """The answer of one executor."""
    shown: dict[str, Any] = (await _answer(serving, client, query, executor, variables)).json()
    return shown


async def _answer(
    serving: Serving, client: httpx2.AsyncClient, query: str, executor: Executor, variables: dict[str, Any]
) -> httpx2.Response:
    app = Starlette(routes=routes(replace(serving.gateway, executor=executor)))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=client.base_url, headers=client.headers) as other:
        return await other.post(GRAPHQL, json={"query": query, "variables": variables})


async def test_a_dossier_is_answered_alike(serving: Serving, record: Record) -> None:
    author = builders.professional(name='D’« AUTEUR » "\\ \t é 😀')
    for number in range(4):
        await serving.world.publish(
            record.patient_id,
            builders.document(author=author, title=f'Titre "{number}" \\ \n\té', at=_at(number + 1)),
        )
    for variables in (
        {},
        {"first": 2},
        {"first": 0},
        {"after": "rien"},
        {"first": 2, "after": ""},
        {"filter": {"wholeHistory": True}},
    ):
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
            assert (b"DOCUMENT_UNKNOWN" in answer) == (each == ids[2] and client is record.doctor)
    for unknown in (node_id(Node.DOCUMENT, record.patient_id), record.id, "é"):
        await both(serving, record.doctor, ONE, id=unknown)


LINES = """fragment Line on JournalLine {
  __typename id at actor { kind rpps name profession { code label } structure structureName software } sentence action
  kind documentId allowed code reason rule why source mode purpose
}
query ($id: ID!, $first: Int, $after: String, $rpps: String, $only: Boolean! = false, $since: DateTime) {
  journal(patientId: $id, first: $first, after: $after, rpps: $rpps, emergenciesOnly: $only, since: $since) {
    ... on JournalConnection {
      edges { cursor node { ...Line } } nodes { why } emergencies { ...Line }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
    ...Why
  }
}
fragment Why on Problem { code message }
"""


async def test_a_journal_is_answered_alike(serving: Serving, record: Record) -> None:
    _, token = await serving.professional()
    stranger = serving.client(token)
    document = await serving.world.publish(record.patient_id, builders.document(author=builders.professional()))
    for client in (record.doctor, stranger, record.patient):
        await both(serving, client, ONE, id=node_id(Node.DOCUMENT, document))
        await both(serving, client, WHOLE, id=record.id)
    for client in (record.patient, record.doctor, stranger):
        first, second = [
            (await asked(serving, client, LINES, each, id=record.id))["data"]["journal"]
            for each in (Executor.COMPILED, Executor.STRAWBERRY)
        ]
        if client is not record.patient:
            assert first == second
            assert first["code"] == "ACCESS_REFUSED"
            continue
        # The second reading sees the line of the first, and both their own.
        assert second["edges"][2:] == first["edges"][1:]
        own, other = first["edges"][0]["node"], second["edges"][0]["node"]
        assert {**own, "id": "", "at": ""} == {**other, "id": "", "at": ""}
    page = (await asked(serving, record.patient, LINES, Executor.COMPILED, id=record.id, first=2))["data"]["journal"]
    after = page["pageInfo"]["endCursor"]
    for variables in (
        {},
        {"first": 2},
        {"rpps": record.doctor_actor.id},
        {"rpps": ""},
        {"only": True},
        {"first": 1000},
        {"first": 0},
    ):
        await both(serving, record.patient, LINES, id=record.id, after=after, **variables)
    await both(serving, record.patient, LINES, id=record.id, first=3, after=after, since="2026-11-01T00:00:00Z")
    await both(serving, record.patient, LINES, id=record.id, after="rien")
    begun = [
        await asked(serving, record.patient, LINES, each, id=record.id, first=2, after="")
        for each in (Executor.COMPILED, Executor.STRAWBERRY)
    ]
    assert [each["data"]["journal"]["pageInfo"]["hasPreviousPage"] for each in begun] == [False, False]


async def test_a_reading_that_finds_no_room_halfway_is_told_to_come_back(
    serving: Serving, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise TryLater("DATABASE_BUSY", retry_after=1)

    monkeypatch.setattr("passerelle_graphql.schema.dossiers.manifest.sources_of", full)
    query = "query ($id: ID!) { dossier(patientId: $id) { ... on Dossier { state sources { network } } } }"

    answer = await _answer(serving, record.doctor, query, Executor.STRAWBERRY, {"id": record.id})

    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["errors"][0]["extensions"] == {"code": "DATABASE_BUSY"}
    assert "data" not in answer.json()


def _at(day: int) -> str:
    return f"202610{day:02d}093000+0200"
