"""A day with a shared record, through the real HTTP face."""

from __future__ import annotations

import base64
from datetime import timedelta

from passerelle_ops.demo.corpus.exchange import pdf
from tests.journeys.conftest import Network, cda


async def test_a_general_practitioner_and_a_hospital_share_a_record(network: Network) -> None:
    who, patient, record = await network.patient("partage")
    practitioner, hospital = await network.professional(), await network.professional()
    for each in (practitioner, hospital):
        await patient.asks("Authorize", patientId=record, rpps=each.rpps)

    await practitioner.files(cda(who, practitioner, "Lettre d'adressage", seed="p1"))
    await hospital.files(cda(who, hospital, "Compte rendu d'hospitalisation", seed="p2", type_code="34112-3"))

    both = {"Lettre d'adressage", "Compte rendu d'hospitalisation"}
    for each in (practitioner, hospital, patient):
        assert set(await each.titles(record)) == both
    opened = await practitioner.asks("OpenDossier", patientId=record)
    url = opened["documents"]["edges"][0]["node"]["contentUrl"]
    whole = await practitioner.client.get(url)
    part = await practitioner.client.get(url, headers={"range": "bytes=10-49"})
    assert (whole.status_code, part.status_code) == (200, 206)
    assert part.content == whole.content[10:50]


async def test_an_outsider_is_refused_and_the_patient_reads_it(network: Network) -> None:
    who, patient, record = await network.patient("dehors")
    author, outsider = await network.professional(), await network.professional()
    await patient.asks("Authorize", patientId=record, rpps=author.rpps)
    filed = await author.files(cda(who, author, "Compte rendu", seed="d1"))

    refused = await outsider.asks("OpenDossier", patientId=record)
    assert (refused["__typename"], refused["code"]) == ("Refusal", "ACCESS_REFUSED")
    unknown = await outsider.asks("OpenDocument", id=filed["documentId"])
    assert unknown["code"] == "DOCUMENT_UNKNOWN"

    journal = await patient.asks("Journal", patientId=record)
    refusals = [
        (line["node"]["actor"]["rpps"], line["node"]["code"], line["node"]["kind"])
        for line in journal["edges"]
        if not line["node"]["allowed"]
    ]
    assert refusals == [
        (outsider.rpps, "DOCUMENT_UNKNOWN", "document"),
        (outsider.rpps, "ACCESS_REFUSED", "dossier"),
    ]


async def test_a_patient_blocks_a_doctor(network: Network) -> None:
    who, patient, record = await network.patient("blocage")
    doctor = await network.professional()
    await patient.asks("Authorize", patientId=record, rpps=doctor.rpps)
    await doctor.files(cda(who, doctor, "Compte rendu", seed="b1"))
    assert await doctor.titles(record) == ["Compte rendu"]

    await patient.asks("BlockProfessional", patientId=record, rpps=doctor.rpps)
    refused = await doctor.asks("OpenDossier", patientId=record)
    stranger = await (await network.professional()).asks("OpenDossier", patientId=record)
    assert refused == stranger  # he cannot tell a block from the want of an authorisation

    await patient.asks("UnblockProfessional", patientId=record, rpps=doctor.rpps)
    assert await doctor.titles(record) == ["Compte rendu"]


async def test_an_author_sees_his_own_masked_document_and_nobody_else_learns_of_it(network: Network) -> None:
    who, patient, record = await network.patient("masque")
    author, colleague = await network.professional(), await network.professional()
    for each in (author, colleague):
        await patient.asks("Authorize", patientId=record, rpps=each.rpps)
    filed = await author.files(cda(who, author, "Consultation sensible", seed="m1"))
    assert await colleague.titles(record) == ["Consultation sensible"]

    masked = await patient.asks("MaskDocument", documentId=filed["documentId"])
    assert masked["document"]["masked"] is True

    assert await author.titles(record) == ["Consultation sensible"]
    assert await colleague.titles(record) == []
    counted = await colleague.asks("CountDocuments", patientId=record)
    assert counted["documents"]["totalCount"] == 0


async def test_a_new_version_takes_the_place_of_the_one_before(network: Network) -> None:
    who, patient, record = await network.patient("version")
    author = await network.professional()
    await patient.asks("Authorize", patientId=record, rpps=author.rpps)
    first = await author.files(cda(who, author, "Version 1", seed="v1"))
    network.clock.advance(timedelta(minutes=1))
    second = await author.files(cda(who, author, "Version 2", seed="v2", replaces="v1"))
    assert second["filing"] == "REPLACED"

    assert await patient.titles(record) == ["Version 2"]
    opened = await patient.asks("OpenDocument", id=second["documentId"])
    assert [(each["title"], each["status"]) for each in opened["versions"]] == [
        ("Version 2", "CURRENT"),
        ("Version 1", "SUPERSEDED"),
    ]
    old = await patient.asks("OpenDocument", id=first["documentId"])
    assert old["document"]["status"] == "SUPERSEDED"


async def test_a_record_closes_and_reopens(network: Network) -> None:
    who, patient, record = await network.patient("fermeture")
    doctor = await network.professional()
    await patient.asks("Authorize", patientId=record, rpps=doctor.rpps)
    filed = await doctor.files(cda(who, doctor, "Compte rendu", seed="f1"))

    closed = await patient.asks("CloseDossier", patientId=record)
    assert closed["state"] == "CLOSED"
    for operation, variables in (
        ("OpenDossier", {"patientId": record}),
        ("OpenDocument", {"id": filed["documentId"]}),
    ):
        assert (await doctor.asks(operation, **variables))["__typename"] == "Refusal"
    assert await patient.titles(record) == []
    url = f"/oncomip/documents/{filed['documentId']}/content"
    assert (await patient.client.get(url)).status_code == 404

    network.clock.advance(timedelta(hours=1))
    reopened = await patient.asks("ReopenDossier", patientId=record, proof="demande au guichet")
    assert reopened["state"] == "OPEN"
    assert await doctor.titles(record) == ["Compte rendu"]


async def test_the_patient_adds_a_document_of_his_own(network: Network) -> None:
    _, patient, record = await network.patient("soi")
    doctor = await network.professional()
    await patient.asks("Authorize", patientId=record, rpps=doctor.rpps)
    own = {"content": base64.b64encode(pdf(["Ma tension, relevée chaque matin"])).decode(), "title": "Ma tension"}
    refused = await patient.asks("AddOwnDocument", patientId=record, document={**own, "type": "34112-3"})
    assert refused["code"] == "TYPE_REFUSED"

    filed = await patient.asks("AddOwnDocument", patientId=record, document={**own, "type": "DOCPAT02"})
    assert filed["__typename"] == "Filed", filed
    opened = await doctor.asks("OpenDossier", patientId=record)
    assert [(each["node"]["title"], each["node"]["byPatient"]) for each in opened["documents"]["edges"]] == [
        ("Ma tension", True)
    ]


async def test_a_document_in_the_wrong_record_is_moved_and_its_readers_are_named(network: Network) -> None:
    wrong, wrong_patient, wrong_record = await network.patient("erreur")
    _, right_patient, right_record = await network.patient("bon dossier")
    author, reader = await network.professional(), await network.professional()
    for each in (author, reader):
        await wrong_patient.asks("Authorize", patientId=wrong_record, rpps=each.rpps)
    filed = await author.files(cda(wrong, author, "Compte rendu égaré", seed="e1"))
    await reader.asks("OpenDocument", id=filed["documentId"])

    moved = await author.asks(
        "MoveDocument", documentId=filed["documentId"], toPatientId=right_record, reason="homonyme"
    )
    assert [each["actor"]["rpps"] for each in moved["readers"]] == [reader.rpps]
    assert await wrong_patient.titles(wrong_record) == []
    assert await right_patient.titles(right_record) == ["Compte rendu égaré"]
