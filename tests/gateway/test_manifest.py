"""Every network is in the manifest of a record, whoever asks and whatever the record holds."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, text

from passerelle_tenants.federation.tables import federation_peer, patient_place
from tests import builders
from tests.gateway.records import Record, new_record
from tests.gateway.serving import Serving, ask
from tests.gateway.test_compiled import both

QUERY = """query ($id: ID!) {
  dossier(patientId: $id) {
    ... on Dossier { sources { network name state asOf } documents { nodes { id } } }
    ... on Problem { code }
  }
}"""
HERE = {"network": "oncomip", "state": "ANSWERED"}


@pytest.fixture(scope="module", autouse=True)
async def peers(serving: Serving) -> None:
    now = serving.gateway.clock.now()
    async with serving.world.tenant.database.transaction() as connection:
        rows = [("oncopl", "Oncopl", now), ("bourgogne", "e-Santé Bourgogne", None)]
        await connection.execute(
            insert(federation_peer), [{"tenant_id": one, "name": name, "as_of": as_of} for one, name, as_of in rows]
        )


async def _sources(serving: Serving, record: Record) -> list[dict[str, Any]]:
    await both(serving, record.doctor, QUERY, id=record.id)
    answer = (await ask(record.doctor, QUERY, id=record.id))["dossier"]
    told: list[dict[str, Any]] = answer["sources"]
    assert told[0].items() >= HERE.items()
    return told


async def test_at_home_the_index_says_as_of_when_each_network_is_known(serving: Serving, record: Record) -> None:
    told = await _sources(serving, record)
    assert [(each["network"], each["state"], each["asOf"]) for each in told[1:]] == [
        ("bourgogne", "NOT_ASKED", None),
        ("oncopl", "FROM_INDEX", "2026-11-16T09:00:00.000Z"),
    ]


async def test_the_manifest_does_not_depend_on_what_the_record_holds(serving: Serving, record: Record) -> None:
    empty = await _sources(serving, record)
    author = builders.professional()
    document_id = await serving.world.publish(record.patient_id, builders.document(author=author, masked=True))
    async with serving.world.tenant.database.transaction() as connection:
        await connection.execute(
            text("update document set origin = 'oncopl' where document_id = :id"), {"id": document_id}
        )
    assert await _sources(serving, record) == empty


async def test_elsewhere_than_at_home_nobody_else_was_asked(serving: Serving) -> None:
    record = await new_record(serving)
    async with serving.world.tenant.database.transaction() as connection:
        await connection.execute(
            insert(patient_place).values(
                patient_id=record.patient_id, tenant_id="oncopl", is_home=True, since=serving.gateway.clock.now()
            )
        )
    told = await _sources(serving, record)
    assert [(each["state"], each["asOf"]) for each in told[1:]] == [("NOT_ASKED", None)] * 2
