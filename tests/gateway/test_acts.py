"""Acts through the gateway: each does what it says, and a refusal changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import Serving, ask

LISTED = (
    "query L($id: ID!) { dossier(patientId: $id) { ... on Dossier { documents { nodes { hiddenFromPatient } } } } }"
)


async def _publish(serving: Serving, record: Record, **more: Any) -> tuple[UUID, str]:
    document_id = await serving.world.publish(record.patient_id, builders.document(**more))
    return document_id, node_id(Node.DOCUMENT, document_id)


async def _rows(serving: Serving, record: Record) -> list[Any]:
    """Everything of a record but its journal."""
    tables = ("dossier", "dossier_act", "document", "document_version", "relation", "block", "team_consent")
    found: list[Any] = []
    async with serving.world.tenant.database.transaction() as connection:
        for table in tables:
            rows = await connection.execute(
                text(f"select t::text from {table} t where patient_id = :p order by 1"), {"p": record.patient_id}
            )
            found += rows.scalars().all()
    return found


async def test_the_life_of_a_dossier(serving: Serving) -> None:
    record = await new_record(serving, open_=False, authorized=False)
    me, while_ = record.patient, timedelta(hours=1)

    informed = await send(record.doctor, "InformDossier", patientId=record.id, proof="courrier du jour")
    assert (informed["state"], informed["objectionUntil"] is not None) == ("INFORMED", True)
    opened = await send(me, "OpenTheDossier", patientId=record.id, basis="CONSENT", proof="en ligne")
    assert (opened["state"], opened["openedAt"]) == ("OPEN", _shown(serving))
    again = await send(me, "OpenTheDossier", patientId=record.id, basis="CONSENT", proof="en ligne")
    assert (again["__typename"], again["code"]) == ("Conflict", "DOSSIER_STATE")
    serving.world.clock.advance(while_)
    closed = await send(me, "CloseDossier", patientId=record.id)
    assert (closed["state"], closed["closedAt"]) == ("CLOSED", _shown(serving))
    reopened = await send(me, "ReopenDossier", patientId=record.id, proof="en ligne")
    assert reopened["state"] == "OPEN"
    await send(me, "CloseDossier", patientId=record.id, reason="je m'en vais")
    purged = await send(me, "PurgeDossier", patientId=record.id, basis="REQUEST", proof="lettre")
    assert purged["state"] == "PURGED"


def _shown(serving: Serving) -> str:
    return serving.world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("operation", ["SuspendDossier", "ResumeDossier"])
async def test_suspending_is_not_for_people(operation: str, serving: Serving, record: Record) -> None:
    before = await _rows(serving, record)

    for who in (record.patient, record.doctor):
        answer = await send(who, operation, patientId=record.id, reason="x")
        assert (answer["__typename"], answer["code"]) == ("Refusal", "ACCESS_REFUSED")

    assert await _rows(serving, record) == before


async def test_the_patient_masks_and_unmasks(serving: Serving, record: Record) -> None:
    _, document = await _publish(serving, record)

    masked = await send(record.patient, "MaskDocument", documentId=document)
    assert (masked["document"]["masked"], masked["document"]["metadataVersion"]) == (True, 2)
    gone = await send(record.doctor, "OpenDocument", id=document)
    assert (gone["__typename"], gone["code"]) == ("Refusal", "DOCUMENT_UNKNOWN")
    shown = await send(record.patient, "UnmaskDocument", documentId=document)
    assert (shown["document"]["masked"], shown["document"]["metadataVersion"]) == (False, 3)
    assert (await send(record.doctor, "OpenDocument", id=document))["__typename"] == "OpenedDocument"


async def test_the_author_hides_until_he_has_told(serving: Serving, record: Record) -> None:
    _, document = await _publish(serving, record, author=record.doctor_actor)

    hidden = await send(record.doctor, "HideFromPatient", documentId=document)
    assert (hidden["document"]["hiddenFromPatient"], hidden["document"]["hiddenUntil"] is not None) == (True, True)
    assert (await send(record.patient, "OpenDocument", id=document))["code"] == "DOCUMENT_UNKNOWN"
    assert (await send(record.doctor, "MaskDocument", documentId=document))["__typename"] in ("Conflict", "Refusal")
    shown = await send(record.doctor, "ShowToPatient", documentId=document, confirm=True)
    assert not shown["document"]["hiddenFromPatient"]
    again = await send(record.doctor, "HideFromPatient", documentId=document)
    assert (again["__typename"], again["code"]) == ("Conflict", "ALREADY_SHOWN")


async def test_a_document_says_hidden_only_until_its_term(serving: Serving, record: Record) -> None:
    key, document = await _publish(serving, record, author=record.doctor_actor)
    await send(record.doctor, "HideFromPatient", documentId=document)

    async def said() -> set[bool]:
        opened = await send(record.doctor, "OpenDocument", id=document)
        dossier = await ask(record.doctor, LISTED, id=record.id)
        (listed,) = dossier["dossier"]["documents"]["nodes"]
        told = [opened["document"], *opened["versions"], listed]
        return {each["hiddenFromPatient"] for each in told}

    assert await said() == {True}
    async with serving.world.tenant.database.transaction() as connection:
        await connection.execute(
            text("update document set hidden_until = :now where document_id = :d"),
            {"now": serving.world.clock.now(), "d": key},
        )
    assert await said() == {False}
    archived = await send(record.doctor, "ArchiveDocument", documentId=document)
    assert not archived["document"]["hiddenFromPatient"]


async def test_the_author_archives_and_deletes_his_own(serving: Serving, record: Record) -> None:
    _, document = await _publish(serving, record, author=record.doctor_actor)

    archived = await send(record.doctor, "ArchiveDocument", documentId=document)
    assert archived["document"]["status"] == "ARCHIVED"
    back = await send(record.doctor, "UnarchiveDocument", documentId=document)
    assert back["document"]["status"] == "CURRENT"
    deleted = await send(record.doctor, "DeleteDocument", documentId=document)
    assert deleted["document"]["status"] == "DELETED"
    assert (await send(record.doctor, "OpenDocument", id=document))["code"] == "DOCUMENT_UNKNOWN"


async def test_nobody_deletes_what_he_did_not_write(serving: Serving, record: Record) -> None:
    _, document = await _publish(serving, record, author=builders.professional())
    before = await _rows(serving, record)

    answer = await send(record.doctor, "DeleteDocument", documentId=document)

    assert answer["__typename"] == "Refusal"
    assert await _rows(serving, record) == before


async def test_a_stranger_cannot_act_on_what_he_cannot_see(serving: Serving, record: Record) -> None:
    _, document = await _publish(serving, record)
    _, token = await serving.professional()
    before = await _rows(serving, record)

    for operation in ("MaskDocument", "ArchiveDocument", "DeleteDocument", "HideFromPatient"):
        answer = await send(serving.client(token), operation, documentId=document)
        assert (answer["__typename"], answer["code"]) == ("Refusal", "DOCUMENT_UNKNOWN")

    assert await _rows(serving, record) == before


async def test_the_patient_blocks_a_doctor_and_lets_him_in_again(serving: Serving, record: Record) -> None:
    rpps = record.doctor_actor.id

    blocked = await send(record.patient, "BlockProfessional", patientId=record.id, rpps=rpps)
    assert blocked["rpps"] == rpps
    refused = await send(record.doctor, "OpenDossier", patientId=record.id)
    assert (refused["__typename"], refused["code"]) == ("Refusal", "ACCESS_REFUSED")
    held = await send(record.patient, "Authorizations", patientId=record.id)
    assert [each["rpps"] for each in held["blocks"]] == [rpps]
    lifted = await send(record.patient, "UnblockProfessional", patientId=record.id, rpps=rpps)
    assert lifted["count"] == 1
    assert (await send(record.doctor, "OpenDossier", patientId=record.id))["__typename"] == "Dossier"


async def test_an_authorization_ends_when_withdrawn_and_by_itself(serving: Serving, record: Record) -> None:
    actor, token = await serving.professional()
    other = serving.client(token)
    until = (serving.world.clock.now() + timedelta(hours=2)).isoformat()

    granted = await send(record.patient, "Authorize", patientId=record.id, rpps=actor.id, until=until)
    assert (granted["relation"], granted["rpps"]) == ("AUTHORIZED", actor.id)
    assert (await send(other, "OpenDossier", patientId=record.id))["__typename"] == "Dossier"
    serving.world.clock.advance(timedelta(hours=2))
    assert (await send(other, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"
    withdrawn = await send(record.patient, "WithdrawAuthorization", patientId=record.id, rpps=record.doctor_actor.id)
    assert withdrawn["count"] == 1
    assert (await send(record.doctor, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"
    malformed = await send(record.patient, "Authorize", patientId=record.id, rpps="abc")
    assert (malformed["__typename"], malformed["code"]) == ("InvalidInput", "RPPS_INVALID")


async def test_a_consent_to_a_team_covers_all_of_it(serving: Serving) -> None:
    record = await new_record(serving, authorized=False)
    founder, token = await serving.professional()
    member, member_token = await serving.professional(builders.NURSE)
    first, second = serving.client(token), serving.client(member_token)

    team = (await send(first, "CreateCareTeam", name="Équipe du quartier"))["id"]
    added = await send(first, "AddCareTeamMember", teamId=team, rpps=member.id)
    assert added["id"] == team
    assert (await send(second, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"
    consent = await send(
        record.patient,
        "ConsentToTeam",
        patientId=record.id,
        teamId=team,
        informedHow="INTERVIEW",
        proof="signé",
    )
    assert consent["teamId"] == team
    for client in (first, second):
        opened = await send(client, "OpenDossier", patientId=record.id)
        assert opened["relations"] == ["CARE_TEAM"]
    ended = await send(record.patient, "WithdrawTeamConsent", patientId=record.id, teamId=team)
    assert ended["count"] == 1
    for client in (first, second):
        assert (await send(client, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"
    assert founder.id != member.id


async def test_the_attending_physician_and_the_representative(serving: Serving) -> None:
    record = await new_record(serving, authorized=False)
    actor, token = await serving.professional()
    ins = builders.ins_of(31_001)
    await serving.world.patient(ins)
    parent = serving.client(serving.person_token(ins))

    declared = await send(record.patient, "DeclareAttendingPhysician", patientId=record.id, rpps=actor.id)
    assert declared["relation"] == "ATTENDING_PHYSICIAN"
    opened = await send(serving.client(token), "OpenDossier", patientId=record.id)
    assert opened["relations"] == ["ATTENDING_PHYSICIAN"]
    assert (await send(parent, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"
    named = {"oid": ins.oid, "value": ins.value}
    represented = await send(
        record.patient,
        "DeclareRepresentative",
        patientId=record.id,
        representative=named,
        basis="GUARDIANSHIP",
        proof="jugement",
    )
    assert (represented["relation"], represented["rpps"]) == ("REPRESENTATIVE", None)
    assert (await send(parent, "OpenDossier", patientId=record.id))["relations"] == ["REPRESENTATIVE"]
    ended = await send(record.patient, "EndRepresentation", patientId=record.id, representative=named)
    assert ended["count"] == 1
    assert (await send(parent, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"


async def test_a_document_under_the_wrong_patient_is_moved_and_its_readers_named(serving: Serving) -> None:
    wrong, right = await new_record(serving), await new_record(serving)
    feeder, token = await serving.professional()
    await serving.world.authorize(wrong.patient_id, wrong.person, feeder)
    await serving.world.authorize(right.patient_id, right.person, feeder)
    _, document = await _publish(serving, wrong, author=feeder, content=b"contenu d'un autre")
    await send(wrong.doctor, "OpenDocument", id=document)
    client = serving.client(token)

    moved = await send(client, "MoveDocument", documentId=document, toPatientId=right.id, reason="homonymie")

    assert moved["__typename"] == "DocumentMoved", moved
    assert moved["patientId"] == right.id
    assert wrong.doctor_actor.id in [each["actor"]["rpps"] for each in moved["readers"]]
    assert (await send(wrong.doctor, "OpenDocument", id=document))["code"] == "DOCUMENT_UNKNOWN"
    there = await send(right.doctor, "OpenDocument", id=moved["documentId"])
    content = await right.doctor.get(there["document"]["contentUrl"])
    assert content.content == b"contenu d'un autre"


async def test_registering_an_identity_twice_gives_the_same(serving: Serving) -> None:
    _, token = await serving.professional()
    client = serving.client(token)
    ins = builders.ins_of(31_777)
    given = {
        "identifiers": [{"oid": ins.oid, "value": ins.value}],
        "traits": {"familyName": "INVENTÉE", "birthDate": "19800115", "givenNames": ["Lou"], "sex": "F"},
        "identityStatus": "QUALIFIED",
        "source": "essai",
    }

    first = await send(client, "RegisterPatient", input=given)
    second = await send(client, "RegisterPatient", input=given)

    assert first["patient"]["id"] == second["patient"]["id"]
    assert first["patient"]["familyName"] == "INVENTÉE"
    assert first["patient"]["identityStatus"] == "QUALIFIED"
