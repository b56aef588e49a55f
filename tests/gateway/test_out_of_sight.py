"""Two worlds that differ in what the reader may not see give him the same octets, whatever he asks."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.records import Record, send
from tests.gateway.serving import GRAPHQL, Serving

_REQUEST = re.compile(rb'"requestId":"[0-9a-f]{32}"')
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"statuses": ["SUPERSEDED"]},
    {"statuses": ["CURRENT", "SUPERSEDED", "ARCHIVED"], "wholeHistory": True},
    {"types": ["11488-4"]},
)


async def _told(client: httpx2.AsyncClient, record: Record, ids: list[UUID]) -> list[bytes]:
    """The octets of every answer: lists with their totals and cursors, each document, its content and its view."""
    asked = [
        (operation, {"patientId": record.id, "filter": kept, **page})
        for kept in FILTERS
        for operation, page in (("OpenDossier", {"first": 1}), ("OpenDossier", {}), ("CountDocuments", {}))
    ]
    asked += [("OpenDocument", {"id": node_id(Node.DOCUMENT, each)}) for each in ids]
    answers = [
        await client.post(
            GRAPHQL, json={"query": committed()[operation], "operationName": operation, "variables": variables}
        )
        for operation, variables in asked
    ]
    for each in ids:
        url = f"/oncomip/documents/{node_id(Node.DOCUMENT, each)}"
        answers += [await client.get(f"{url}/{what}") for what in ("content", "view")]
    told = [_REQUEST.sub(b"", each.content) for each in answers]
    return told + [f"{each.status_code} {each.headers.get('etag')}".encode() for each in answers]


@pytest.mark.parametrize("reader", ["doctor", "patient"])
async def test_a_successor_out_of_sight_changes_no_octet(serving: Serving, record: Record, reader: str) -> None:
    first, other = builders.document(title="v1"), builders.document(title="autre")
    ids = [await serving.world.publish(record.patient_id, each) for each in (first, other)]
    client, hidden = (
        (record.doctor, {"masked": True}) if reader == "doctor" else (record.patient, {"hidden_from_patient": True})
    )
    before = await _told(client, record, ids)

    successor: Any = {"title": "v2", "replaces": first.metadata.unique_id, **hidden}
    await serving.world.publish(record.patient_id, builders.document(**successor))

    assert await _told(client, record, ids) == before


async def test_a_withheld_document_is_one_that_nobody_filed(serving: Serving, record: Record) -> None:
    shown = await serving.world.publish(record.patient_id, builders.document(title="Montré"))
    before = await _told(record.doctor, record, [shown, uuid4()])

    filed = await serving.world.publish(record.patient_id, builders.document(title="Caché"))
    withheld = await send(
        record.patient,
        "MaskDocumentFrom",
        documentId=node_id(Node.DOCUMENT, filed),
        rpps=record.doctor_actor.id,
    )

    assert withheld["document"]["metadataVersion"] == 1
    assert await _told(record.doctor, record, [shown, filed]) == before
    opened = await send(record.patient, "OpenDocument", id=node_id(Node.DOCUMENT, filed))
    assert opened["withheldFrom"] == [record.doctor_actor.id]
    for act in ("ArchiveDocument", "MaskDocument"):
        answers = [await send(record.doctor, act, documentId=node_id(Node.DOCUMENT, each)) for each in (filed, uuid4())]
        assert answers[0] == answers[1]
    await send(
        record.patient,
        "UnmaskDocumentFrom",
        documentId=node_id(Node.DOCUMENT, filed),
        rpps=record.doctor_actor.id,
    )
    opened = await send(record.doctor, "OpenDocument", id=node_id(Node.DOCUMENT, filed))
    assert (opened["document"]["title"], opened["withheldFrom"]) == ("Caché", None)


async def test_showing_is_to_be_confirmed(serving: Serving, record: Record) -> None:
    filed = await serving.world.publish(record.patient_id, builders.document())
    answer = await send(record.doctor, "ShowToPatient", documentId=node_id(Node.DOCUMENT, filed), confirm=False)
    assert (answer["__typename"], answer["code"]) == ("InvalidInput", "CONFIRMATION_MISSING")
