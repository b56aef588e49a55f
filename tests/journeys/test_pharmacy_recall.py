"""A recall of a batch, from the authority to the counters and back, through the real HTTP face."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.journeys.conftest import Network, Visitor
from tests.journeys.pharmacies import PHARMACY, Place, Region, box, line

BATCH, OTHER_BATCH = "KX42", "KX43"


async def _inbox(place: Place) -> list[tuple[str, str]]:
    received = await place.visitor.asks("Recalls")
    return [(each["reference"], each["state"]) for each in received["nodes"]]


async def _told(place: Place) -> list[str]:
    return [each["node"]["kind"] for each in (await place.visitor.asks("Notices"))["edges"]]


async def _concerned(place: Place, recall: str) -> list[tuple[str, str]]:
    found = await place.visitor.asks("ConcernedPatients", recallId=recall)
    return [(each["patientId"], handed["batch"]) for each in found["nodes"] for handed in each["handed"]]


async def _followed(authority: Visitor, recall: str) -> dict[str, Any]:
    followed = await authority.asks("RecallFollowUp", id=recall)
    return {name: followed[name] for name in ("waiting", "delivered", "acknowledged", "escalated")}


async def test_a_recall_runs_from_issue_to_escalation(network: Network) -> None:
    region = await Region.of(network)
    diligent, late, spared = [await region.place(PHARMACY) for _ in range(3)]
    ramipril = await box(diligent.visitor, "RAMIPRIL")
    _, patient, record = await network.patient("rappel")
    _, _, other_record = await network.patient("autre lot")
    for place, of, batch in ((diligent, record, BATCH), (late, record, "kx 42"), (spared, other_record, OTHER_BATCH)):
        await region.arrives(place, of)
        if of == other_record or place is diligent:
            await place.visitor.asks("AgreeToPharmacyRecord", patientId=of, proof="accord au comptoir")
        receipt = await region.dispenses(place, of, "1", line(ramipril, batch=batch, days=30))
        assert receipt["lines"] == 1

    authority = region.authority()
    said = {
        "level": "URGENT",
        "message": "Retirer le lot et joindre les patients.",
        "source": "Agence d'essai",
        "reference": "MED 26/A041",
        "cip13": ramipril,
        "batches": [BATCH],
    }
    for each in (diligent.visitor, patient):
        assert (await each.asks("IssueRecall", recall=said))["code"] == "ACCESS_REFUSED"
    await region.turn("relay")
    assert await _inbox(diligent) == []
    issued = await authority.asks("IssueRecall", recall=said)
    assert issued["__typename"] == "IssuedRecall", issued
    recall = issued["id"]
    await region.turn("relay", "relay")  # its pharmacies are found, then told

    assert await _inbox(diligent) == await _inbox(late) == [("MED 26/A041", "DELIVERED")]
    assert await _inbox(spared) == []
    assert (await _told(diligent), await _told(spared)) == (["RECALL"], [])
    assert await _followed(authority, recall) == {"waiting": 0, "delivered": 2, "acknowledged": 0, "escalated": 0}

    # Neither dispenses until it has acknowledged; whoever never had the batch goes on.
    for place in (diligent, late):
        refused = await region.dispenses(place, record, "2", line(ramipril, batch="ZZ1"))
        assert refused["code"] == "RECALL_NOT_ACKNOWLEDGED"
    assert (await region.dispenses(spared, other_record, "2", line(ramipril, batch="ZZ1")))["lines"] == 1
    unknown = await spared.visitor.asks("AcknowledgeRecall", id=recall)
    assert unknown["code"] == "RECALL_UNKNOWN"

    assert await _concerned(diligent, recall) == [(record, BATCH)]
    read = [each["node"] for each in (await patient.asks("Journal", patientId=record))["edges"]]
    assert ("recall", diligent.visitor.rpps) in {(each["kind"], each["actor"]["rpps"]) for each in read}
    acknowledged = await diligent.visitor.asks("AcknowledgeRecall", id=recall)
    assert acknowledged["__typename"] == "Acknowledged"
    assert (await region.dispenses(diligent, record, "2", line(ramipril, batch="ZZ1")))["lines"] == 1

    network.clock.advance(timedelta(hours=23))
    await region.turn("recalls", "relay")
    assert (await _followed(authority, recall))["escalated"] == 0
    network.clock.advance(timedelta(hours=1))
    await region.turn("recalls", "relay", "recalls", "relay")
    assert await _followed(authority, recall) == {"waiting": 0, "delivered": 0, "acknowledged": 1, "escalated": 1}
    followed = await authority.asks("RecallFollowUp", id=recall)
    assert followed["escalatedPharmacies"] == [late.finess]
    assert sorted(await _told(late)) == ["RECALL", "RECALL_OVERDUE"]
    assert await _told(diligent) == ["RECALL"]

    # Late, and still asked: it answers for its own patients, and dispenses again.
    assert (await region.dispenses(late, record, "2", line(ramipril)))["code"] == "RECALL_NOT_ACKNOWLEDGED"
    assert [each for each, _ in await _concerned(late, recall)] == [record]
    await late.visitor.asks("AcknowledgeRecall", id=recall)
    assert (await region.dispenses(late, record, "2", line(ramipril)))["lines"] == 1
    assert (await _followed(authority, recall))["acknowledged"] == 2
    assert (await authority.asks("CloseRecall", id=recall))["closedAt"] is not None


async def test_a_recall_names_no_patient_who_objected(network: Network) -> None:
    region = await Region.of(network)
    place = await region.place(PHARMACY)
    cip13 = await box(place.visitor, "FUROSEMIDE")
    _, patient, record = await network.patient("opposé")
    await region.arrives(place, record)
    await place.visitor.asks("AgreeToPharmacyRecord", patientId=record, proof="accord au comptoir")
    await region.dispenses(place, record, "1", line(cip13, batch=BATCH))
    said = {"level": "STANDARD", "message": "Retirer.", "source": "Agence d'essai", "reference": "MED 26/B001"}
    issued = await region.authority().asks("IssueRecall", recall={**said, "cip13": cip13, "batches": [BATCH]})
    await region.turn("relay", "relay")
    assert await _concerned(place, issued["id"]) == [(record, BATCH)]
    await patient.asks("ObjectToPharmacyRecord", patientId=record)
    assert await _concerned(place, issued["id"]) == []
    assert await _inbox(place) == [("MED 26/B001", "DELIVERED")]
