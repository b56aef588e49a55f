"""The patient's journal: why each line came out as it did, the emergencies first, and only what was asked for."""

from __future__ import annotations

from datetime import timedelta

from passerelle.identities.directory import Establishment
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.records import Record, send
from tests.gateway.serving import TENANT, Serving

FINESS = "310783055"


async def test_each_line_says_why_and_under_which_text(serving: Serving, record: Record) -> None:
    document_id = await serving.world.publish(record.patient_id, builders.document())
    document = node_id(Node.DOCUMENT, document_id)
    await send(record.doctor, "OpenDocument", id=document)
    await send(record.patient, "MaskDocument", documentId=document)
    assert (await send(record.doctor, "OpenDocument", id=document))["code"] == "DOCUMENT_UNKNOWN"

    journal = await send(record.patient, "Journal", patientId=record.id, first=10)

    lines = [edge["node"] for edge in journal["edges"]]
    own, refused, _, read = lines[:4]
    assert own["why"].startswith("Le patient")
    assert (read["kind"], read["allowed"]) == ("document", True)
    assert read["why"].startswith("Le médecin")
    assert "2023" in read["source"] or "2025" in read["source"]
    assert (refused["allowed"], refused["code"]) == (False, "DOCUMENT_UNKNOWN")
    assert "masqué" in refused["why"]
    assert all(each["why"] for each in lines)


async def test_emergencies_come_first_and_with_the_first_page_only(serving: Serving, record: Record) -> None:
    await serving.directory.register_establishments(
        [Establishment(finess=FINESS, name="Hôpital d'essai", basin="Toulouse", tenant_id=TENANT)]
    )
    actor, token = await serving.professional()
    urgent = serving.client(token, **{"Passerelle-Mode": "break_glass"})
    assert (await send(urgent, "BreakTheGlass", patientId=record.id, reason="inconscient"))["__typename"]
    await send(urgent, "OpenDossier", patientId=record.id)
    for _ in range(3):
        await send(record.doctor, "OpenDossier", patientId=record.id)

    page = await send(record.patient, "Journal", patientId=record.id, first=3)

    assert [each["mode"] for each in page["emergencies"]] == ["BREAK_GLASS"] * 2
    assert {each["actor"]["rpps"] for each in page["emergencies"]} == {actor.id}
    assert all(each["allowed"] and each["why"] and each["sentence"] for each in page["emergencies"])
    assert "BREAK_GLASS" not in {edge["node"]["mode"] for edge in page["edges"]}
    older = await send(record.patient, "Journal", patientId=record.id, after=page["pageInfo"]["endCursor"])
    assert older["emergencies"] == []
    only = await send(record.patient, "Journal", patientId=record.id, emergenciesOnly=True)
    assert [edge["node"]["id"] for edge in only["edges"]] == [each["id"] for each in page["emergencies"]]


async def test_the_structure_has_its_name_where_the_directory_knows_it(serving: Serving, record: Record) -> None:
    await serving.directory.register_establishments(
        [Establishment(finess=FINESS, name="Hôpital d'essai", basin="Toulouse", tenant_id=TENANT)]
    )
    for number in (FINESS, "999999999"):
        feeder = builders.structure(number)
        await serving.world.publish(record.patient_id, builders.document(), by=feeder)

    journal = await send(record.patient, "Journal", patientId=record.id)

    named = {edge["node"]["actor"]["structure"]: edge["node"]["actor"]["structureName"] for edge in journal["edges"]}
    assert named[FINESS] == "Hôpital d'essai"
    assert named["999999999"] is None


async def test_a_period_and_a_professional_are_chosen(serving: Serving, record: Record) -> None:
    start = serving.world.clock.now() + timedelta(minutes=1)
    serving.world.clock.set(start)
    other, token = await serving.professional()
    await send(serving.client(token), "OpenDossier", patientId=record.id)
    await send(record.doctor, "OpenDossier", patientId=record.id)
    serving.world.clock.advance(timedelta(minutes=1))
    await send(record.doctor, "OpenDossier", patientId=record.id)
    until = start + timedelta(minutes=1)

    period = await send(
        record.patient, "Journal", patientId=record.id, since=start.isoformat(), until=until.isoformat()
    )
    his = await send(record.patient, "Journal", patientId=record.id, rpps=other.id)

    assert [edge["node"]["actor"]["rpps"] for edge in period["edges"]] == [record.doctor_actor.id, other.id]
    assert [edge["node"]["actor"]["rpps"] for edge in his["edges"]] == [other.id]
