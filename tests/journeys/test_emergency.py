"""A night in the emergency room, through the real HTTP face."""

from __future__ import annotations

from datetime import timedelta

from tests.journeys.conftest import Network, Visitor, cda

REASON = "Patiente inconsciente, traitement en cours inconnu"


def _in_emergency(network: Network, who: Visitor) -> Visitor:
    token = who.client.headers["authorization"].removeprefix("Bearer ")
    return Visitor(network.serving.client(token, **{"Passerelle-Mode": "break_glass"}), who.rpps)


async def test_a_record_is_opened_in_an_emergency_told_reviewed_and_closed_by_the_patient(network: Network) -> None:
    who, patient, record = await network.patient("urgence")
    attending, urgentist = await network.professional(), await network.professional()
    await patient.asks("DeclareAttendingPhysician", patientId=record, rpps=attending.rpps)
    await attending.files(cda(who, attending, "Traitement au long cours", seed="u1"))
    kept = await attending.files(cda(who, attending, "Gardé pour soi", seed="u2"))
    await patient.asks("MaskDocument", documentId=kept["documentId"])

    refused = await urgentist.asks("OpenDossier", patientId=record)
    assert refused["code"] == "ACCESS_REFUSED"
    assert any("brisez la glace" in each for each in refused["howToGetAccess"])
    inside = _in_emergency(network, urgentist)
    assert (await inside.asks("OpenDossier", patientId=record))["code"] == "ACCESS_REFUSED"
    broken = await inside.asks("BreakTheGlass", patientId=record, reason=REASON)
    assert broken["__typename"] == "EmergencyAccess", broken
    assert await inside.titles(record) == ["Traitement au long cours"]
    opened = await inside.asks("OpenDossier", patientId=record)
    content = await inside.client.get(opened["documents"]["edges"][0]["node"]["contentUrl"])
    assert (content.status_code, content.headers["passerelle-mode"]) == (200, "break_glass")
    assert (await urgentist.asks("OpenDossier", patientId=record))["code"] == "ACCESS_REFUSED"

    for told in (patient, attending):
        notices = [each["node"] for each in (await told.asks("Notices"))["edges"]]
        assert [each["kind"] for each in notices] == ["BREAK_GLASS"]
        assert "Dominique ESSAI" in notices[0]["sentence"]
    lines = [each["node"] for each in (await patient.asks("Journal", patientId=record))["edges"]]
    his = [(each["kind"], each["action"], each["allowed"]) for each in lines if each["mode"] == "BREAK_GLASS"]
    assert ("dossier", "break_glass", True) in his
    assert ("content", "read", True) in his

    officer = Visitor(network.serving.officer())
    queue = (await officer.asks("EmergenciesToReview"))["nodes"]
    assert [each["emergency"]["reason"] for each in queue] == [REASON]
    reviewed = await officer.asks("ReviewEmergency", id=broken["id"], finding="JUSTIFIED")
    assert reviewed["finding"] == "JUSTIFIED"
    (held,) = (await patient.asks("EmergencyAccesses", patientId=record))["nodes"]
    assert (held["reason"], held["finding"], held["rpps"]) == (REASON, "JUSTIFIED", urgentist.rpps)

    assert (await patient.asks("ObjectToEmergencies", patientId=record))["ended"] == 1
    assert (await inside.asks("OpenDossier", patientId=record))["code"] == "ACCESS_REFUSED"
    assert (await inside.client.get(opened["documents"]["edges"][0]["node"]["contentUrl"])).status_code == 404
    again = await inside.asks("BreakTheGlass", patientId=record, reason=REASON)
    assert (again["__typename"], again["code"]) == ("Refusal", "ACCESS_REFUSED")
    assert len((await patient.asks("Notices"))["edges"]) >= 1


async def test_an_emergency_ends_by_itself(network: Network) -> None:
    who, patient, record = await network.patient("une heure")
    author, urgentist = await network.professional(), await network.professional()
    await patient.asks("Authorize", patientId=record, rpps=author.rpps)
    await author.files(cda(who, author, "Compte rendu", seed="h1"))
    inside = _in_emergency(network, urgentist)
    await inside.asks("BreakTheGlass", patientId=record, reason=REASON)
    network.clock.advance(timedelta(minutes=59))
    assert await inside.titles(record) == ["Compte rendu"]
    network.clock.advance(timedelta(minutes=1))
    assert (await inside.asks("OpenDossier", patientId=record))["code"] == "ACCESS_REFUSED"
    ended = await inside.asks("EndEmergency", patientId=record)
    assert ended == {"__typename": "Ended", "count": 0}
