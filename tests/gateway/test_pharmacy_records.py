"""A pharmacy record through the front door: opened at the counter, fed by three pharmacies, hidden by an objection."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import httpx2
import pytest

from passerelle.audit.transactions import transaction
from passerelle.identities.directory import Establishment
from passerelle.pharmacy import records
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.at_work import someone
from tests.gateway.records import send
from tests.gateway.serving import TENANT, Serving

_numbers = count(40_000)
PHARMACIES, HOSPITAL, TOWN = ("310790011", "310790012", "310790013"), "310783055", "310790777"
STATE = (
    """query ($id: ID!) {
  seen: pharmacyRecord(patientId: $id) {
    __typename
    ... on PharmacyRecord {
      patientId state informedAt opensOn openedAt objectedAt objectionEndsOn closedAt again: state
    }
    ...Why
  }
}
"""
    + WHY
)


@pytest.fixture
async def places(serving: Serving) -> None:
    categories = {**dict.fromkeys(PHARMACIES, "SA33"), HOSPITAL: "SA01", TOWN: "SA07"}
    await serving.directory.register_establishments(
        [
            Establishment(finess=finess, name="Essai", basin="essai", tenant_id=TENANT, category=category)
            for finess, category in categories.items()
        ]
    )


def dispensation(number: str, label: str, **line: Any) -> dict[str, Any]:
    return {
        "pharmacyNumber": number,
        "dispensedAt": "2026-11-10T10:00:00+01:00",
        "lines": [{"label": label, "quantity": "1", **line}],
        "prescriberRpps": "99900000001",
    }


@pytest.mark.usefixtures("places")
async def test_a_record_is_opened_fed_read_and_hidden_through_http(serving: Serving) -> None:
    ins = builders.ins_of(next(_numbers))
    patient_id, person = await serving.world.patient(ins)
    id_ = node_id(Node.PATIENT, patient_id)
    patient = serving.client(serving.person_token(ins))
    pharmacists = [(await someone(serving, builders.PHARMACIST, each))[1] for each in PHARMACIES]
    doctor, in_town = await someone(serving, builders.PHYSICIAN, TOWN)
    await serving.world.authorize(patient_id, person, doctor)
    at_hospital = (await someone(serving, builders.PHYSICIAN, HOSPITAL))[1]
    first = pharmacists[0]

    async def state(client: httpx2.AsyncClient) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(await alike(serving, client, STATE, id=id_))["data"]["seen"]
        return told

    assert (await state(patient))["state"] is None
    refused = await state(first)
    assert (refused["code"], refused["howToGetAccess"]) == (
        "ACCESS_REFUSED",
        [
            "À l’officine, constatez la présence du patient (carte Vitale ou INS).",
            "Dans un établissement de santé, faites constater que la personne y est prise en charge.",
        ],
    )
    assert (await send(first, "AgreeToPharmacyRecord", patientId=id_, proof="oral"))["code"] == "ACCESS_REFUSED"
    for each in pharmacists:
        assert "until" in await send(each, "AttestPresence", patientId=id_, shown="VITALE_CARD")
    assert (await state(first))["code"] == "DOSSIER_NOT_OPEN"
    opened = await send(first, "AgreeToPharmacyRecord", patientId=id_, proof="accord au comptoir")
    assert opened.get("state") == "OPEN", opened
    assert (await state(first))["openedAt"] == opened["openedAt"]

    for number, each in enumerate(pharmacists):
        given = dispensation(f"V-{number}", f"PRODUIT {number}", batch="L1", days=10)
        receipt = await send(each, "RecordDispensation", patientId=id_, dispensation=given)
        again = await send(each, "RecordDispensation", patientId=id_, dispensation=given)
        assert (receipt["version"], receipt["status"], receipt["lines"]) == (1, "CURRENT", 1)
        assert again == {**receipt, "alreadyKnown": True}
    corrected = await send(
        first,
        "CorrectDispensation",
        patientId=id_,
        dispensation=dispensation("V-0", "AUTRE PRODUIT"),
        reason="erreur",
    )
    assert corrected["version"] == 2
    other = {"patientId": id_, "pharmacyNumber": "V-0", "reason": "essai"}
    assert (await send(pharmacists[1], "CancelDispensation", **other))["code"] == "DISPENSATION_UNKNOWN"
    assert (await send(first, "CancelDispensation", **other))["status"] == "CANCELLED"

    assert (await send(at_hospital, "AttestCare", patientId=id_, proof="admission")).keys() == {"until"}
    assert (await state(at_hospital))["state"] == "OPEN"
    assert (await send(in_town, "AttestCare", patientId=id_, proof="consultation"))["code"] == "ACCESS_REFUSED"
    assert (await state(in_town))["code"] == "ACCESS_REFUSED"

    hidden = await send(patient, "ObjectToPharmacyRecord", patientId=id_)
    assert hidden["state"] == "OBJECTED"
    assert hidden["objectionEndsOn"] > "2029"
    assert [(await state(each))["code"] for each in (*pharmacists, at_hospital)] == ["DOSSIER_NOT_OPEN"] * 4
    assert (await state(patient))["state"] == "OBJECTED"
    lines = await serving.world.journal(person, patient_id)
    assert {each.action for each in lines if each.kind == "dispensation" and each.outcome == "allowed"} == {
        "publish",
        "replace",
        "cancel",
    }


@pytest.mark.usefixtures("places")
async def test_many_are_sent_at_once_and_each_is_answered(serving: Serving) -> None:
    patient_id, _ = await serving.world.patient(builders.ins_of(next(_numbers)))
    closed, _ = await serving.world.patient(builders.ins_of(next(_numbers)))
    _, client = await someone(serving, builders.PHARMACIST, PHARMACIES[0])
    await send(client, "AttestPresence", patientId=node_id(Node.PATIENT, patient_id), shown="INS")
    await send(client, "AgreeToPharmacyRecord", patientId=node_id(Node.PATIENT, patient_id), proof="accord")
    given = [
        {"patientId": node_id(Node.PATIENT, patient), "dispensation": dispensation(number, "PRODUIT", **line)}
        for patient, number, line in (
            (patient_id, "M-1", {}),
            (patient_id, "M-2", {"cip13": "3400930000000"}),
            (closed, "M-3", {}),
            (patient_id, "M-4", {"refused": True}),
            (patient_id, "M-1", {}),
        )
    ]
    came = (await send(client, "DispenseAll", dispensations=given))["outcomes"]
    assert [each["problem"]["code"] if each["problem"] else each["receipt"]["alreadyKnown"] for each in came] == [
        False,
        "CIP_INVALID",
        "DOSSIER_NOT_OPEN",
        "DISPENSATION_EMPTY",
        True,
    ]


@pytest.mark.usefixtures("places")
async def test_the_state_is_answered_alike_at_every_step(serving: Serving) -> None:
    ins = builders.ins_of(next(_numbers))
    patient_id, person = await serving.world.patient(ins)
    patient, id_ = serving.client(serving.person_token(ins)), node_id(Node.PATIENT, patient_id)
    world = serving.world
    for who in (builders.operator(), person):
        async with transaction(world.context(who)) as act:
            if who is person:
                await records.object_(act, patient_id, proof="courrier")
            else:
                await records.inform(act, patient_id, proof="courrier")
        told = json.loads(await alike(serving, patient, STATE, id=id_))["data"]["seen"]
        assert told["__typename"] == "PharmacyRecord"
