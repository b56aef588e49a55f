"""Emergencies at the front door: visible in every answer while they last, and silent on what is there."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2

from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import GRAPHQL, TENANT, Serving

REASON = "Patient inconscient"
MODE = {"Passerelle-Mode": "break_glass"}


async def _visitor(serving: Serving, mode: str = "break_glass", **flags: Any) -> httpx2.AsyncClient:
    _, token = await serving.professional(**flags)
    return serving.client(token, **{"Passerelle-Mode": mode})


async def _whole(
    client: httpx2.AsyncClient, operation: str, **variables: Any
) -> tuple[dict[str, Any], httpx2.Response]:
    body = {"query": committed()[operation], "operationName": operation, "variables": variables}
    response = await client.post(GRAPHQL, json=body)
    return response.json(), response


async def test_every_answer_under_it_shows_it_and_no_other_does(serving: Serving, record: Record) -> None:
    document = await serving.world.publish(record.patient_id, builders.document(content=b"octets"))
    content = f"/{TENANT}/documents/{node_id(Node.DOCUMENT, document)}/content"
    doctor = await _visitor(serving)

    shown, answer = await _whole(doctor, "OpenDossier", patientId=record.id)
    assert shown["data"]["dossier"]["code"] == "ACCESS_REFUSED"
    assert (shown["extensions"]["access"], answer.headers["Passerelle-Mode"]) == (
        {"mode": "BREAK_GLASS"},
        "break_glass",
    )
    refused = await doctor.get(content)
    assert (refused.status_code, refused.headers["Passerelle-Mode"]) == (404, "break_glass")

    broken, _ = await _whole(doctor, "BreakTheGlass", patientId=record.id, reason=REASON)
    opened = {"patientId": record.id, "until": broken["data"]["breakTheGlass"]["until"]}
    under = {"mode": "BREAK_GLASS", "opened": [opened]}
    assert broken["extensions"] == {"access": under}
    shown, _ = await _whole(doctor, "OpenDossier", patientId=record.id)
    dossier = shown["data"]["dossier"]
    assert (dossier["emergencyAccess"]["reason"], dossier["emergencyAccess"]["until"]) == (REASON, opened["until"])
    assert dossier["access"]["rule"] == "dossier-break-glass"
    assert all(dossier["access"].values())
    assert shown["extensions"]["access"] == under
    shown, _ = await _whole(doctor, "OpenDocument", id=node_id(Node.DOCUMENT, document))
    assert shown["extensions"]["access"] == under
    assert shown["data"]["document"]["access"]["rule"] == "read-break-glass"
    read = await doctor.get(content)
    assert (read.status_code, read.headers["Passerelle-Mode"]) == (200, "break_glass")

    mode_only = {"access": {"mode": "BREAK_GLASS"}}
    shown, _ = await _whole(doctor, "Me")
    assert shown["extensions"] == mode_only
    for body in ({"query": "{ nothing }"}, {"query": "{"}, {}):
        wrong = await doctor.post(GRAPHQL, json=body)
        assert wrong.json()["errors"]
        assert (wrong.json()["extensions"], wrong.headers["Passerelle-Mode"]) == (mode_only, "break_glass")
    for client in (record.doctor, record.patient):
        shown, answer = await _whole(client, "OpenDossier", patientId=record.id)
        assert "extensions" not in shown
        assert "Passerelle-Mode" not in answer.headers
        assert shown["data"]["dossier"]["emergencyAccess"] is None


async def test_nobody_who_is_not_let_in_has_a_mode(serving: Serving) -> None:
    for client, code in (
        (serving.client(None, **MODE), "TOKEN_MISSING"),
        (await _visitor(serving, known=False), "ACTOR_UNKNOWN_HERE"),
        (await _visitor(serving, "regulation_centre"), "MODE_NOT_YOURS"),
    ):
        shown, answer = await _whole(client, "Me")
        assert shown["errors"][0]["extensions"]["code"] == code
        assert "extensions" not in shown
        assert "Passerelle-Mode" not in answer.headers


async def test_what_is_closed_answers_byte_for_byte_like_what_is_not_there(serving: Serving) -> None:
    """Unknown, never opened, closed, objected, blocked: nothing of it shows, under any mode."""
    outsider, token = await serving.professional(may_regulate=True)
    unopened, closed, objected, blocked = [
        await new_record(serving, open_=bool(each), authorized=False) for each in range(4)
    ]
    await send(closed.patient, "CloseDossier", patientId=closed.id)
    objection = await send(objected.patient, "ObjectToEmergencies", patientId=objected.id)
    assert objection["__typename"] == "EmergencyObjection"
    held = await send(objected.patient, "Authorizations", patientId=objected.id)
    assert held["objectsToEmergenciesSince"] == objection["since"]
    await send(blocked.patient, "BlockProfessional", patientId=blocked.id, rpps=outsider.id)
    ids = [unopened.id, closed.id, objected.id, blocked.id, node_id(Node.PATIENT, uuid4())]
    for mode in ("normal", "break_glass", "regulation_centre"):
        client = serving.client(token, **{"Passerelle-Mode": mode})
        outside = ids if mode != "regulation_centre" else [each for each in ids if each != blocked.id]
        for operation, more in (("OpenDossier", {}), ("BreakTheGlass", {"reason": REASON}), ("EmergencyAccesses", {})):
            asked = outside if operation == "OpenDossier" else ids
            answers = {(await _whole(client, operation, patientId=each, **more))[1].content for each in asked}
            assert len(answers) == 1, (mode, operation)
            (answer,) = answers
            (problem,) = json.loads(answer)["data"].values()
            if (operation, mode) == ("BreakTheGlass", "normal"):
                assert (problem["__typename"], problem["code"]) == ("InvalidInput", "MODE_MISSING")
                assert "Passerelle-Mode: break_glass" in problem["message"]
                continue
            assert problem["code"] == "ACCESS_REFUSED"
            assert len(problem["howToGetAccess"]) == 4


async def test_two_worlds_that_differ_in_one_masked_document_answer_alike(serving: Serving) -> None:
    doctor = await _visitor(serving)
    record = await new_record(serving, authorized=False)
    shown = await serving.world.publish(record.patient_id, builders.document())
    await send(doctor, "BreakTheGlass", patientId=record.id, reason=REASON)
    page = "documents(first: 1) { totalCount pageInfo { hasNextPage endCursor } }"
    total = f"query($id: ID!) {{ dossier(patientId: $id) {{ ... on Dossier {{ {page} }} }} }}"

    async def answers() -> list[bytes]:
        asked = [
            await _whole(doctor, "OpenDossier", patientId=record.id),
            await _whole(doctor, "OpenDossier", patientId=record.id, first=1),
            await _whole(doctor, "OpenDocument", id=node_id(Node.DOCUMENT, shown)),
            await _whole(doctor, "EmergencyAccesses", patientId=record.id),
        ]
        counted = await doctor.post(GRAPHQL, json={"query": total, "variables": {"id": record.id}})
        return [*(answer.content for _, answer in asked), counted.content]

    before = await answers()
    masked = await serving.world.publish(record.patient_id, builders.document(masked=True))
    assert await answers() == before
    unknown = await _whole(doctor, "OpenDocument", id=node_id(Node.DOCUMENT, uuid4()))
    assert (await _whole(doctor, "OpenDocument", id=node_id(Node.DOCUMENT, masked)))[1].content == unknown[1].content


async def test_an_officer_of_this_network_reviews_and_the_patient_reads_it(serving: Serving) -> None:
    doctor = await _visitor(serving)
    late, recent = await new_record(serving, authorized=False), await new_record(serving, authorized=False)
    first = await send(doctor, "BreakTheGlass", patientId=late.id, reason=REASON)
    serving.world.clock.advance(timedelta(days=8))
    officer, patient = serving.officer(), serving.client(serving.person_token(late.ins))
    second = await send(doctor_again := await _visitor(serving), "BreakTheGlass", patientId=recent.id, reason=REASON)
    queue = (await send(officer, "EmergenciesToReview", first=100))["nodes"]
    ours = [(each["emergency"]["id"], each["isOverdue"]) for each in queue]
    assert [each for each in ours if each[0] in {first["id"], second["id"]}] == [
        (first["id"], True),
        (second["id"], False),
    ]

    for stranger in (doctor_again, patient):
        assert (await send(stranger, "EmergenciesToReview"))["code"] == "ACCESS_REFUSED"
        refused = await send(stranger, "ReviewEmergency", id=first["id"], finding="JUSTIFIED")
        assert refused["code"] == "ACCESS_REFUSED"
    missing = await send(officer, "ReviewEmergency", id=first["id"], finding="UNJUSTIFIED")
    assert missing["code"] == "REASON_MISSING"
    followed = await send(officer, "ReviewEmergency", id=first["id"], finding="TO_BE_FOLLOWED_UP", comment="appeler")
    assert followed["finding"] == "TO_BE_FOLLOWED_UP"
    settled = await send(officer, "ReviewEmergency", id=first["id"], finding="UNJUSTIFIED", comment="aucun soin")
    assert settled["finding"] == "UNJUSTIFIED"
    assert (await send(officer, "ReviewEmergency", id=first["id"], finding="JUSTIFIED"))["code"] == "EMERGENCY_REVIEWED"
    unknown = await send(officer, "ReviewEmergency", id=node_id(Node.EMERGENCY, uuid4()), finding="JUSTIFIED")
    assert unknown["code"] == "EMERGENCY_UNKNOWN"
    queue = (await send(officer, "EmergenciesToReview", first=100))["nodes"]
    assert first["id"] not in [each["emergency"]["id"] for each in queue]

    held = (await send(patient, "EmergencyAccesses", patientId=late.id))["nodes"]
    assert [(each["id"], each["finding"], each["reason"]) for each in held] == [(first["id"], "UNJUSTIFIED", REASON)]
    assert (await send(officer, "OpenDossier", patientId=late.id))["code"] == "ACCESS_REFUSED"


async def test_an_officer_of_another_network_is_nobody_here(serving: Serving) -> None:
    shown, answer = await _whole(serving.officer("oncopl"), "EmergenciesToReview")
    assert (answer.status_code, shown["errors"][0]["extensions"]["code"]) == (403, "ACTOR_UNKNOWN_HERE")


async def test_a_reason_is_a_text(serving: Serving) -> None:
    answer = await send(
        await _visitor(serving), "BreakTheGlass", patientId=node_id(Node.PATIENT, uuid4()), reason=" \n"
    )
    assert (answer["__typename"], answer["code"]) == ("InvalidInput", "REASON_MISSING")
