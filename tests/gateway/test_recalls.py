"""Recalls at the front door: from the authority to the counter and back, and both executors alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import update

from passerelle.audit.transactions import transaction
from passerelle.dossier import relations
from passerelle.identities.directory import Practice, Professional
from passerelle.identities.tables import patient
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_ops.demo.issuer import Practice as Activity
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import send
from tests.gateway.serving import TENANT, Serving
from tests.pharmacy.recalls.counter import Counter

CIP = "3400930000021"
LONG = timedelta(days=30)
INBOX = (
    """query ($first: Int, $waitingOnly: Boolean! = false) {
  mine: recalls(first: $first, waitingOnly: $waitingOnly) {
    __typename
    ... on ReceivedRecalls {
      nodes {
        __typename id kind level cip13 batches said: message message source reference closedAt state deliveredAt
        escalatesAt acknowledgedAt
      }
    }
    ...Why
  }
}
"""
    + WHY
)
FOLLOW_UP = (
    """query ($id: ID!) {
  recallFollowUp(id: $id) {
    ... on FollowedRecall {
      __typename id kind level cip13 batches message source reference issuedAt closedAt waiting delivered acknowledged
      escalated escalatedPharmacies toldBy
    }
    ...Why
  }
}
"""
    + WHY
)
CONCERNED = (
    """query ($id: ID!, $first: Int, $after: ID, $yes: Boolean! = true) {
  all: concernedPatients(recallId: $id, first: $first, after: $after) {
    __typename
    ... on ConcernedPatients {
      nodes {
        __typename patientId familyName usedName givenNames birthDate
        handed { __typename dispensedOn label said: label @include(if: $yes) batch pharmacyNumber }
      }
      endCursor
    }
    ...Why
  }
}
"""
    + WHY
)


@dataclass(frozen=True, slots=True)
class Place:
    """A pharmacy, and its pharmacist at the door."""

    finess: str
    pharmacist: httpx2.AsyncClient


@dataclass(frozen=True, slots=True)
class Region:
    """Two pharmacies, the authority, and what goes on behind."""

    counter: Counter
    one: Place
    other: Place
    authority: httpx2.AsyncClient


@pytest.fixture(scope="module")
async def region(serving: Serving) -> Region:
    counter = Counter(serving.world, serving.directory)

    async def place() -> Place:
        finess = await counter.pharmacy()
        token = serving.issuer.mint_professional(
            rpps=counter.pharmacists[finess].id,
            family_name="ESSAI",
            given_name="Dominique",
            profession="21",
            practices=[Activity(finess=finess)],
            valid_for=LONG,
        )
        return Place(finess, serving.client(token))

    authority = serving.client(serving.issuer.mint_authority(network=TENANT, name="Agence d'essai", valid_for=LONG))
    return Region(counter, await place(), await place(), authority)


def _said(*batches: str, level: str = "URGENT", reference: str = "MED-1", cip13: str | None = CIP) -> dict[str, Any]:
    return {
        "level": level,
        "message": "Retirer du stock « tous » les lots.",
        "source": "Agence d'essai",
        "reference": reference,
        "cip13": cip13,
        "batches": list(batches),
    }


async def test_a_recall_runs_from_issue_to_escalation(region: Region) -> None:
    counter = region.counter
    patient_id, elsewhere = await counter.patient(), await counter.patient()
    await counter.dispense(region.one.finess, patient_id, CIP, "A1", ago=2)
    await counter.dispense(region.other.finess, elsewhere, CIP, "A1", ago=1_500)

    issued = await send(region.authority, "IssueRecall", recall=_said("a1"))
    assert (issued["__typename"], issued["kind"], issued["level"]) == ("IssuedRecall", "RECALL", "URGENT")
    recall = issued["id"]
    assert (await send(region.one.pharmacist, "Recalls"))["nodes"] == []
    await counter.relay()

    (received,) = (await send(region.one.pharmacist, "Recalls", waitingOnly=True))["nodes"]
    assert (received["id"], received["state"], received["batches"]) == (recall, "DELIVERED", ["A1"])
    (told,) = [each["node"] for each in (await send(region.one.pharmacist, "Notices"))["edges"]]
    assert (told["kind"], told["patientId"]) == ("RECALL", None)
    concerned = await send(region.one.pharmacist, "ConcernedPatients", recallId=recall)
    assert [key_of(Node.PATIENT, each["patientId"]) for each in concerned["nodes"]] == [patient_id]
    assert concerned["nodes"][0]["handed"][0]["batch"] == "A1"

    acknowledged = await send(region.one.pharmacist, "AcknowledgeRecall", id=recall)
    again = await send(region.one.pharmacist, "AcknowledgeRecall", id=recall)
    assert acknowledged == again
    assert (await send(region.one.pharmacist, "Recalls", waitingOnly=True))["nodes"] == []
    counter.world.clock.advance(timedelta(hours=24))
    assert await counter.escalate() == 1
    await counter.relay()
    followed = await send(region.authority, "RecallFollowUp", id=recall)
    counts = [followed[name] for name in ("waiting", "delivered", "acknowledged", "escalated")]
    assert (counts, followed["escalatedPharmacies"]) == ([0, 0, 1, 1], [region.other.finess])
    assert (await send(region.authority, "CloseRecall", id=recall))["closedAt"] is not None


async def test_both_executors_answer_alike(region: Region, serving: Serving) -> None:
    counter = region.counter
    await counter.dispense(region.one.finess, await counter.patient(), CIP, "B1")
    ids = []
    for number, given in enumerate((_said("B1", reference='B "1" \\ é'), _said(reference="B2", cip13=None))):
        ids.append((await send(region.authority, "IssueRecall", recall=given))["id"])
        await counter.relay()
        counter.world.clock.advance(timedelta(minutes=number + 1))
    await send(region.one.pharmacist, "AcknowledgeRecall", id=ids[0])
    nodes = json.loads(await alike(serving, region.one.pharmacist, INBOX))["data"]["mine"]["nodes"]
    assert [each["id"] for each in nodes][:1] == [ids[1]]
    for variables in ({"first": 1}, {"waitingOnly": True}, {"first": 1, "waitingOnly": True}):
        assert b'"nodes"' in await alike(serving, region.one.pharmacist, INBOX, **variables)
    for first in (0, 101):
        assert b"PAGE_SIZE_INVALID" in await alike(serving, region.one.pharmacist, INBOX, first=first, lines=0)
    for each in ids:
        assert b'"FollowedRecall"' in await alike(serving, region.authority, FOLLOW_UP, id=each)
    unknown = node_id(Node.RECALL, UUID(int=7))
    assert b"RECALL_UNKNOWN" in await alike(serving, region.authority, FOLLOW_UP, id=unknown, lines=0)
    assert b"ID_INVALID" in await alike(serving, region.authority, FOLLOW_UP, id="x", lines=0)
    # Who may not: refused, and written down alike.
    assert b"ACCESS_REFUSED" in await alike(serving, region.one.pharmacist, FOLLOW_UP, id=ids[0])
    assert b"PLACE_MISSING" in await alike(serving, region.authority, INBOX, lines=0)
    _, nurse = await serving.professional("60")
    assert b"PLACE_MISSING" in await alike(serving, serving.client(nurse), INBOX, lines=0)


async def test_only_an_authority_issues(region: Region, serving: Serving) -> None:
    for client in (region.one.pharmacist, serving.officer()):
        refused = await send(client, "IssueRecall", recall=_said("C1", reference="C"))
        assert (refused["__typename"], refused["code"]) == ("Refusal", "ACCESS_REFUSED")
    wrong = await send(region.authority, "IssueRecall", recall=_said("C1", reference="C", cip13=None))
    assert (wrong["__typename"], wrong["code"]) == ("InvalidInput", "RECALL_WITHOUT_PRODUCT")
    await send(region.authority, "IssueRecall", recall=_said("C1", reference="C"))
    taken = await send(region.authority, "IssueRecall", recall=_said("C2", reference="C"))
    assert (taken["__typename"], taken["code"]) == ("Conflict", "RECALL_REFERENCE_TAKEN")


async def test_each_patient_is_decided_upon_alike(region: Region, serving: Serving) -> None:
    counter, one = region.counter, region.one
    world, people, pharmacist = counter.world, [], counter.pharmacists[one.finess]
    for state, is_blocked, is_dead in product(("open", "open", "closed", "objected"), (False, True), (False, True)):
        patient_id, person = await world.patient()
        await counter.open(patient_id, state=state)
        if is_blocked:
            async with transaction(world.context(person)) as act:
                await relations.block_professional(act, patient_id, pharmacist.id)
        for batch, ago in (("D1", 2), (" d 1", 40), ("D2", 3), (None, 3)):
            await counter.dispense(one.finess, patient_id, CIP, batch, ago=ago)
        people.append((patient_id, state == "open" and not is_blocked and not is_dead))
        if is_dead:
            async with world.tenant.database.transaction() as connection:
                day = world.clock.now().date() - timedelta(days=1)
                await connection.execute(
                    update(patient).where(patient.c.patient_id == patient_id).values(deceased_on=day)
                )
    elsewhere = await counter.patient()
    await counter.dispense(region.other.finess, elsewhere, CIP, "D1")
    recall = (await send(region.authority, "IssueRecall", recall=_said("D1", reference="D")))["id"]
    unheard = await alike(serving, one.pharmacist, CONCERNED, id=recall, lines=0)
    assert b"RECALL_UNKNOWN" in unheard
    await counter.relay()

    expected = sorted(patient_id for patient_id, is_shown in people if is_shown)
    for yes in (True, False):
        shown = json.loads(await alike(serving, one.pharmacist, CONCERNED, id=recall, lines=3, yes=yes))["data"]["all"]
        assert [key_of(Node.PATIENT, each["patientId"]) for each in shown["nodes"]] == expected
        assert [each["batch"] for each in shown["nodes"][0]["handed"]] == ["D1", None, " d 1"]
        assert shown["endCursor"] is None
    first = json.loads(await alike(serving, one.pharmacist, CONCERNED, id=recall, lines=2, first=1))["data"]["all"]
    assert first["endCursor"] == first["nodes"][0]["patientId"]
    rest = await alike(serving, one.pharmacist, CONCERNED, id=recall, lines=2, first=1, after=first["endCursor"])
    assert key_of(Node.PATIENT, json.loads(rest)["data"]["all"]["nodes"][0]["patientId"]) == expected[1]
    await alike(serving, one.pharmacist, CONCERNED, id=recall, first=1, after=node_id(Node.PATIENT, expected[1]))
    other = json.loads(await alike(serving, region.other.pharmacist, CONCERNED, id=recall, lines=2))["data"]["all"]
    assert [each["patientId"] for each in other["nodes"]] == [node_id(Node.PATIENT, elsewhere)]
    bare = "query ($id: ID!) { concernedPatients(recallId: $id) { ... on ConcernedPatients { __typename } } }"
    assert b'{"__typename":"ConcernedPatients"}' in await alike(serving, one.pharmacist, bare, id=recall, lines=3)


async def test_nobody_else_is_told_of_patients_and_both_say_so_alike(region: Region, serving: Serving) -> None:
    recall = (await send(region.authority, "IssueRecall", recall=_said(reference="E", cip13=None)))["id"]
    await region.counter.relay()
    one = region.one
    assert b'"nodes":[]' in await alike(serving, one.pharmacist, CONCERNED, id=recall)
    bearing: dict[str, Any] = {
        "rpps": builders.professional().id,
        "family_name": "ESSAI",
        "given_name": "Dominique",
        "profession": "10",
    }
    practices = (Practice(tenant_id=TENANT, finess=one.finess),)
    await serving.directory.register_professionals([Professional(**bearing, practices=practices)])
    token = serving.issuer.mint_professional(**bearing, practices=[Activity(finess=one.finess)])
    for asks in ({"id": recall}, {"id": node_id(Node.RECALL, UUID(int=7))}):
        assert b"ACCESS_REFUSED" in await alike(serving, serving.client(token), CONCERNED, **asks)
    for asks, code in (
        ({"id": node_id(Node.RECALL, UUID(int=7))}, b"RECALL_UNKNOWN"),
        ({"id": "x", "first": 0}, b"ID_INVALID"),
        ({"id": recall, "after": "x", "first": 0}, b"ID_INVALID"),
        ({"id": recall, "first": 0}, b"PAGE_SIZE_INVALID"),
    ):
        assert code in await alike(serving, one.pharmacist, CONCERNED, lines=0, **asks)
    assert b"PLACE_MISSING" in await alike(serving, region.authority, CONCERNED, lines=0, id=recall)
