"""The data-protection officer searches the journals of his network, and nobody else does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from passerelle_graphql.ids import Node, node_id
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import Serving


def _hour(serving: Serving, **more: Any) -> dict[str, Any]:
    now = serving.world.clock.now()
    return {"since": (now - timedelta(hours=1)).isoformat(), "until": (now + timedelta(hours=1)).isoformat()} | more


async def _searches(serving: Serving) -> list[Any]:
    async with serving.world.tenant.database.transaction() as connection:
        asked = text(
            "select outcome, facts ->> 'reason' as reason from journal where action = 'search' order by line_id"
        )
        return list((await connection.execute(asked)).all())


async def test_by_professional_with_a_reason_that_stays(serving: Serving, record: Record) -> None:
    await send(record.doctor, "OpenDossier", patientId=record.id)
    other = await new_record(serving, authorized=False)
    await send(record.doctor, "OpenDossier", patientId=other.id)
    officer, rpps = serving.officer(), record.doctor_actor.id

    found = await send(officer, "JournalSearch", **_hour(serving, reason="plainte", rpps=rpps))

    assert [(each["patientId"], each["line"]["allowed"]) for each in found["nodes"]] == [
        (other.id, False),
        (record.id, True),
    ]
    assert all(each["line"]["why"] for each in found["nodes"])
    refused = await send(officer, "JournalSearch", **_hour(serving, reason="plainte", rpps=rpps, refusedOnly=True))
    assert [each["patientId"] for each in refused["nodes"]] == [other.id]
    first = await send(officer, "JournalSearch", **_hour(serving, reason="plainte", rpps=rpps, first=1))
    second = await send(
        officer, "JournalSearch", **_hour(serving, reason="plainte", rpps=rpps, first=1, after=first["endCursor"])
    )
    assert first["nodes"] + second["nodes"] == found["nodes"]
    assert [each.reason for each in (await _searches(serving))[-4:]] == ["plainte"] * 4


@pytest.mark.parametrize("operation", ["JournalSearch", "UnusualAccesses"])
async def test_nobody_else_and_never_without_a_reason(operation: str, serving: Serving, record: Record) -> None:
    before = len(await _searches(serving))
    for client in (record.patient, record.doctor):
        assert (await send(client, operation, **_hour(serving, reason="curiosité")))["code"] == "ACCESS_REFUSED"
    after = await _searches(serving)
    assert [each.outcome for each in after[before:]] == ["refused"] * 2
    officer = serving.officer()
    assert (await send(officer, operation, **_hour(serving, reason=" ")))["code"] == "REASON_MISSING"
    hour = _hour(serving, reason="x")
    empty = {**hour, "until": hour["since"]}
    assert (await send(officer, operation, **empty))["code"] == "PERIOD_EMPTY"
    assert len(await _searches(serving)) == len(after)


async def test_by_patient_who_then_reads_of_it(serving: Serving, record: Record) -> None:
    await send(record.doctor, "OpenDossier", patientId=record.id)
    officer = serving.officer()

    found = await send(officer, "JournalSearch", reason="demande de la patiente", patientId=record.id)
    unknown = await send(officer, "JournalSearch", reason="essai", patientId=node_id(Node.PATIENT, UUID(int=5)))
    broken = await send(officer, "JournalSearch", reason="essai", after="n’importe quoi")

    assert {each["patientId"] for each in found["nodes"]} == {record.id}
    assert not {"title", "typeCode", "facts"} & set(found["nodes"][0]["line"])
    assert (unknown["code"], broken["code"]) == ("PATIENT_UNKNOWN", "CURSOR_INVALID")
    shown = await send(record.patient, "Journal", patientId=record.id)
    (line,) = [each["node"] for each in shown["edges"] if each["node"]["action"] == "search"]
    assert "délégué à la protection des données" in line["sentence"]


async def test_by_structure_and_emergencies_only(serving: Serving, record: Record) -> None:
    await send(record.doctor, "OpenDossier", patientId=record.id)
    officer = serving.officer()
    nothing = await send(officer, "JournalSearch", **_hour(serving, reason="revue", structure="310783055x"))
    assert nothing == {"__typename": "FoundLines", "nodes": [], "endCursor": None}
    calm = await send(officer, "JournalSearch", **_hour(serving, reason="revue", emergenciesOnly=True, rpps="1"))
    assert calm["nodes"] == []


async def test_refusals_in_series_are_noticed(serving: Serving) -> None:
    serving.world.clock.advance(timedelta(days=400))
    others = [await new_record(serving) for _ in range(5)]
    curious, token = await serving.professional()
    for each in others:
        await send(serving.client(token), "OpenDossier", patientId=each.id)

    shown = await send(serving.officer(), "UnusualAccesses", **_hour(serving, reason="revue"))

    reviews = {each["pattern"]: each for each in shown["reviews"]}
    assert len(reviews) == 6
    (noticed,) = reviews["REFUSALS"]["furthest"]
    assert (noticed["rpps"], noticed["count"], reviews["REFUSALS"]["found"]) == (curious.id, 5, 1)
    assert noticed["sentence"].startswith("5 patients demandés et refusés en un jour")
    too_long = _hour(serving, reason="revue", since="2020-01-01T00:00:00Z")
    assert (await send(serving.officer(), "UnusualAccesses", **too_long))["code"] == "PERIOD_TOO_LONG"
