"""Taking a record away and having it erased, through the front door."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from passerelle.audit.journal import readers_of
from passerelle.dossier import erasure
from passerelle.dossier.erasure_certificate import verify
from passerelle.kernel.actors import Actor
from passerelle.kernel.contents import Contents
from passerelle.kernel.errors import TryLater
from passerelle_graphql.ids import Node, node_id
from passerelle_policies.vocabulary import ActorKind
from tests import builders
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import Serving, listening

SYSTEM = Actor(kind=ActorKind.SYSTEM, id="erasure", name="Effacement")


async def _url(client: httpx2.AsyncClient, record: Record) -> str:
    return str((await send(client, "RecordExport", patientId=record.id))["url"])


async def test_the_patient_downloads_his_record(serving: Serving, record: Record) -> None:
    document_id = await serving.world.publish(record.patient_id, builders.document(content=b"octets"))
    url = await _url(record.patient, record)

    response = await record.patient.get(url)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["content-disposition"].startswith('attachment; filename="dossier-partage-')
    assert record.ins.value[:13] not in url + str(response.headers)
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    (entry,) = json.loads(archive.read("donnees/documents.json"))
    assert entry["logicalId"] == str(document_id)
    assert archive.read(entry["file"]) == b"octets"


async def test_nobody_else_does_and_no_two_refusals_differ(
    serving: Serving, record: Record, stranger: httpx2.AsyncClient
) -> None:
    await serving.world.publish(record.patient_id, builders.document())
    url = await _url(record.patient, record)
    answers = [
        await record.doctor.get(each)
        for each in (url, f"/oncomip/exports/{node_id(Node.PATIENT, uuid4())}", "/oncomip/exports/autre")
    ]
    assert {each.status_code for each in answers} == {403}
    assert len({each.json()["code"] for each in answers}) == 1
    assert (await stranger.get(url)).status_code == 401
    assert (await record.patient.post(url)).status_code == 405


async def test_too_many_exports_are_told_when_to_try_again(serving: Serving, record: Record) -> None:
    url = await _url(record.patient, record)
    answers = [await record.patient.get(url) for _ in range(6)]
    assert [each.status_code for each in answers] == [200] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert answers[-1].json()["code"] == "EXPORT_TOO_MANY"


async def test_what_asks_for_the_headers_alone_has_taken_nothing_away(serving: Serving, record: Record) -> None:
    """A link that is previewed must not count as a reading of every document, nor as one of the day's exports."""
    document_id = await serving.world.publish(record.patient_id, builders.document())
    response = await record.patient.head(await _url(record.patient, record))
    assert (response.status_code, response.headers["allow"], response.content) == (405, "GET", b"")
    async with serving.world.tenant.database.transaction() as connection:
        assert await readers_of(connection, record.patient_id, document_id) == []


async def test_what_breaks_midway_is_no_whole_download(
    serving: Serving, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real HTTP: the connection ends before its end, and what came is no zip."""
    for _ in range(2):
        await serving.world.publish(record.patient_id, builders.document(content=b"z" * 50_000))
    read, calls = Contents.read, [0]

    def away(self: Contents, *given: Any, **more: Any) -> AsyncIterator[bytes]:
        calls[0] += 1
        if calls[0] > 1:
            raise TryLater("CONTENT_STORE_AWAY", retry_after=1)
        return read(self, *given, **more)

    monkeypatch.setattr(Contents, "read", away)
    url, token = await _url(record.patient, record), record.patient.headers["authorization"]
    received = bytearray()

    async def download(address: str) -> None:
        async with (
            httpx2.AsyncClient() as client,
            client.stream("GET", address, headers={"authorization": token}) as response,
        ):
            assert response.status_code == 200
            async for piece in response.aiter_bytes():
                received.extend(piece)

    async with listening(serving.app) as base:
        with pytest.raises(httpx2.RemoteProtocolError):
            await download(base + url)
    assert received
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(bytes(received)))


async def test_an_erasure_is_asked_for_withdrawn_asked_again_done_and_certified(serving: Serving) -> None:
    record = await new_record(serving)
    await serving.world.publish(record.patient_id, builders.document())
    early = await send(record.patient, "RequestErasure", patientId=record.id, proof="lettre")
    assert (early["__typename"], early["code"]) == ("Conflict", "ERASURE_NOT_CLOSED")
    await send(record.patient, "CloseDossier", patientId=record.id)
    asked = await send(record.patient, "RequestErasure", patientId=record.id, proof="lettre")
    assert asked["__typename"] == "ErasureRequest"
    withdrawn = await send(record.patient, "WithdrawErasure", patientId=record.id)
    assert withdrawn["dueAt"] == asked["dueAt"]
    nothing = await send(record.patient, "WithdrawErasure", patientId=record.id)
    assert nothing["code"] == "ERASURE_NOT_REQUESTED"
    refused = await send(record.doctor, "RequestErasure", patientId=record.id, proof="lettre")
    assert refused["__typename"] == "Refusal"
    await send(record.patient, "RequestErasure", patientId=record.id, proof="lettre")
    waiting = await send(record.patient, "ErasureCertificate", patientId=record.id)
    assert waiting["code"] == "ERASURE_NOT_DONE"

    await erasure.erase_now(serving.world.context(SYSTEM), record.patient_id)

    held = await send(record.patient, "ErasureCertificate", patientId=record.id)
    key = base64.b64decode(held["publicKey"])
    assert key == serving.world.tenant.keys.public_key
    said = verify(held["statement"], base64.b64decode(held["signature"]), key)
    assert said["certificate"] == held["certificateId"]
    refused = await send(record.doctor, "ErasureCertificate", patientId=record.id)
    assert refused["__typename"] == "Refusal"
    gone = await record.patient.get(await _url(record.patient, record))
    assert (gone.status_code, gone.json()["code"]) == (409, "EXPORT_OF_NOTHING")
