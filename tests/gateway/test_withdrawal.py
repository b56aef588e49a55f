"""A consent withdrawn in one act: whatever a member of the team holds of it, a cursor, an id, half a content, is worth
nothing from the next request on. And at the door: the directory, the roll of a team, representatives, a death."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2

from passerelle.kernel.actors import Actor
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import Serving

BREAK_GLASS = {"passerelle-mode": "break_glass"}


@dataclass(frozen=True, slots=True)
class Member:
    """Someone of a team, at the door."""

    actor: Actor
    client: httpx2.AsyncClient
    token: str


async def _someone(serving: Serving, profession: str = builders.PHYSICIAN) -> Member:
    actor, token = await serving.professional(profession)
    return Member(actor, serving.client(token), token)


async def _team(*members: Member) -> str:
    founder = members[0].client
    team: str = (await send(founder, "CreateCareTeam", name="Équipe"))["id"]
    for each in members[1:]:
        assert (await send(founder, "AddCareTeamMember", teamId=team, rpps=each.actor.id))["id"] == team
    return team


async def _consent(record: Record, team: str, **more: Any) -> dict[str, Any]:
    return await send(
        record.patient,
        "ConsentToTeam",
        patientId=record.id,
        teamId=team,
        informedHow="INTERVIEW",
        proof="formulaire signé",
        **more,
    )


async def test_a_withdrawn_consent_reaches_whatever_was_begun(serving: Serving) -> None:
    record = await new_record(serving, authorized=False)
    doctor, nurse = await _someone(serving), await _someone(serving, builders.NURSE)
    team = await _team(doctor, nurse)
    await _consent(record, team)
    for _ in range(3):
        await serving.world.publish(record.patient_id, builders.document(content=bytes(200_000)))
    page = (await send(doctor.client, "OpenDossier", patientId=record.id, first=1))["documents"]
    cursor, node = page["pageInfo"]["endCursor"], page["edges"][0]["node"]
    begun = await doctor.client.get(node["contentUrl"], headers={"range": "bytes=0-99999"})
    assert begun.status_code == 206
    assert (await send(doctor.client, "OpenDossier", patientId=record.id, first=1, after=cursor))["documents"]["edges"]
    emergency = serving.client(nurse.token, **BREAK_GLASS)
    broken = await send(emergency, "BreakTheGlass", patientId=record.id, reason="arrêt cardiaque")
    assert broken["__typename"] == "EmergencyAccess"

    assert (await send(record.patient, "WithdrawTeamConsent", patientId=record.id, teamId=team))["count"] == 1

    stranger = await _someone(serving)
    for member in (doctor, nurse):
        for operation, variables in (
            ("OpenDossier", {"patientId": record.id}),
            ("OpenDossier", {"patientId": record.id, "first": 1, "after": cursor}),
            ("OpenDocument", {"id": node["id"]}),
        ):
            refused = await send(member.client, operation, **variables)
            assert refused["__typename"] == "Refusal"
            if member is doctor:
                assert refused == await send(stranger.client, operation, **variables)
        rest = await member.client.get(node["contentUrl"], headers={"range": "bytes=100000-"})
        assert rest.status_code == (await stranger.client.get(node["contentUrl"])).status_code == 404
    # What he opened in an emergency lasts as long as it lasts: it does not rest on the consent.
    assert (await send(emergency, "OpenDossier", patientId=record.id))["__typename"] == "Dossier"


async def test_a_consent_covers_a_new_member_at_once_and_no_new_team(serving: Serving) -> None:
    record = await new_record(serving, authorized=False)
    founder, newcomer = await _someone(serving), await _someone(serving, builders.NURSE)
    team = await _team(founder)
    assert (await _consent(record, team, askedBy=founder.actor.id))["__typename"] == "TeamConsent"
    assert (await send(newcomer.client, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"
    await send(founder.client, "AddCareTeamMember", teamId=team, rpps=newcomer.actor.id)
    assert (await send(newcomer.client, "OpenDossier", patientId=record.id))["relations"] == ["CARE_TEAM"]

    outsider = await _someone(serving)
    other = await _team(newcomer, outsider)
    assert (await send(outsider.client, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"

    roll = await send(record.patient, "CareTeam", teamId=team, patientId=record.id)
    assert {each["rpps"] for each in roll["members"]} == {founder.actor.id, newcomer.actor.id}
    assert roll["members"][0]["name"] == "Dominique ESSAI"
    assert (await send(record.patient, "CareTeam", teamId=other, patientId=record.id))["code"] == "TEAM_UNKNOWN"
    assert (await send(outsider.client, "CareTeam", teamId=team))["code"] == "TEAM_UNKNOWN"
    listed = await send(record.patient, "Authorizations", patientId=record.id)
    (consent,) = listed["teamConsents"]
    assert (consent["askedBy"], consent["informedHow"]) == (founder.actor.id, "INTERVIEW")

    await send(founder.client, "RemoveCareTeamMember", teamId=team, rpps=newcomer.actor.id)
    assert (await send(newcomer.client, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"


async def test_a_number_that_the_directory_does_not_know_is_refused(serving: Serving) -> None:
    record = await new_record(serving, authorized=False)
    founder = await _someone(serving)
    team = await _team(founder)
    unknown, nurse = builders.professional(), await _someone(serving, builders.NURSE)
    for operation in ("Authorize", "BlockProfessional", "DeclareAttendingPhysician"):
        refused = await send(record.patient, operation, patientId=record.id, rpps=unknown.id)
        assert (refused["__typename"], refused["code"]) == ("InvalidInput", "RPPS_UNKNOWN")
    refused = await send(founder.client, "AddCareTeamMember", teamId=team, rpps=unknown.id)
    assert refused["code"] == "RPPS_UNKNOWN"
    refused = await send(founder.client, "CreateCareTeam", name="Équipe", establishment="999999999")
    assert refused["code"] == "ESTABLISHMENT_UNKNOWN"
    refused = await send(record.patient, "DeclareAttendingPhysician", patientId=record.id, rpps=nurse.actor.id)
    assert refused["code"] == "NOT_A_PHYSICIAN"
    listed = await send(record.patient, "Authorizations", patientId=record.id)
    assert (listed["relations"], listed["blocks"]) == ([], [])


async def test_nothing_tells_a_professional_that_he_is_blocked(serving: Serving) -> None:
    """The blocked one and somebody whom nobody let in get the same octets, from the record and from their teams."""
    blocked_from, unknown_to = await new_record(serving, authorized=False), await new_record(serving, authorized=False)
    blocked, free, colleague = await _someone(serving), await _someone(serving), await _someone(serving)
    of_blocked, of_free = await _team(blocked), await _team(free)
    for record, team in ((blocked_from, of_blocked), (unknown_to, of_free)):
        document = await serving.world.publish(record.patient_id, builders.document())
        if record is blocked_from:
            await _consent(record, team)
            await send(record.patient, "BlockProfessional", patientId=record.id, rpps=blocked.actor.id)
        who = blocked if record is blocked_from else free
        said = []
        for operation, variables in (
            ("OpenDossier", {"patientId": record.id}),
            ("OpenDocument", {"id": node_id(Node.DOCUMENT, document)}),
            ("Journal", {"patientId": record.id}),
            ("Authorizations", {"patientId": record.id}),
            ("Authorize", {"patientId": record.id, "rpps": colleague.actor.id}),
            ("CareTeam", {"teamId": team, "patientId": record.id}),
            ("AddCareTeamMember", {"teamId": team, "rpps": colleague.actor.id}),
            ("CareTeam", {"teamId": team}),
            ("RemoveCareTeamMember", {"teamId": team, "rpps": colleague.actor.id}),
        ):
            answer = await send(who.client, operation, **variables)
            said.append(str(answer).replace(team, "TEAM").replace(who.actor.id, "HE"))
        if record is blocked_from:
            first = said
    assert said == first
    assert "Refusal" in said[0]


async def test_a_representative_a_death_and_an_objection_to_heirs_at_the_door(serving: Serving) -> None:
    record = await new_record(serving)
    ins = builders.ins_of(31_801)
    named = {"oid": ins.oid, "value": ins.value}
    await serving.world.patient(ins)
    refused = await send(
        record.patient,
        "DeclareRepresentative",
        patientId=record.id,
        representative=named,
        basis="CURATORSHIP",
        proof="jugement",
    )
    assert (refused["__typename"], refused["code"]) == ("InvalidInput", "REPRESENTATION_BASIS_INVALID")
    assert (await send(record.patient, "ObjectToHeirs", patientId=record.id))["since"]
    assert (await send(record.patient, "WithdrawObjectionToHeirs", patientId=record.id))["count"] == 1
    day = f"{serving.world.clock.now():%Y-%m-%d}"
    assert (await send(record.patient, "DeclareDeath", patientId=record.id, on=day, proof="moi"))["code"] == (
        "ACCESS_REFUSED"
    )
    assert (await send(record.doctor, "OpenDossier", patientId=record.id))["__typename"] == "Dossier"
    unheard = await send(record.doctor, "DeclareDeath", patientId=record.id, on=day, proof="certificat")
    assert unheard["code"] == "ACCESS_REFUSED"  # let in, but not his attending physician
    rpps = record.doctor_actor.id
    await send(record.patient, "DeclareAttendingPhysician", patientId=record.id, rpps=rpps, proof="signé")

    declared = await send(record.doctor, "DeclareDeath", patientId=record.id, on=day, proof="certificat")

    assert declared == {"__typename": "Death", "patientId": record.id, "deceasedOn": day}
    for client in (record.doctor, record.patient):
        assert (await send(client, "OpenDossier", patientId=record.id))["__typename"] == "Refusal"
    refused = await send(
        record.doctor, "DeclareHeir", patientId=record.id, heir=named, link="SUCCESSOR", motive="MEMORY", proof="acte"
    )
    assert refused["code"] == "ACCESS_REFUSED"
    assert (await send(record.doctor, "UndoDeath", patientId=record.id, proof="erreur"))["code"] == "ACCESS_REFUSED"
