"""Care plans and aftercare plans at the front door: written, handed out and read, and both executors alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from uuid import UUID

import httpx2
import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import attending, lifecycle, relations
from passerelle.identities import patients
from passerelle.identities.directory import Establishment
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.actors import Actor
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.at_work import someone
from tests.gateway.records import send
from tests.gateway.serving import TENANT, Serving

PLANS = (
    """query ($patientId: ID!, $caseId: ID, $yes: Boolean! = true) {
  it: carePlans(patientId: $patientId, caseId: $caseId) {
    __typename
    ... on CarePlans {
      nodes {
        __typename id version kind state caseId revision writtenBy writtenAt issuedBy issuedAt documentId boardOn
        lines @include(if: $yes) {
          number kind what { __typename code system label } words isDone rank starts ends plannedFrom plannedTo
          isRegular rhythm mode { code label } sideEffects comment performers { name rpps place }
        }
        after: aftercare {
          steps { what who firstOn everyMonths until days } contacts { name role reach } warningSigns comment
        }
      }
    }
    ...Why
  }
}
"""
    + WHY
)
PLACE = "310783055"
_numbers = count(60_000)
BEGINNING = {
    "topography": {"code": "C50.2", "system": "2.16.840.1.113883.6.3", "label": "Quadrant « supéro-interne » du sein"},
    "byScreening": True,
    "boardOn": "2026-11-02",
}
LINES = [
    {
        "kind": "TREATMENT",
        "what": {"code": "C15313", "system": "2.16.840.1.113883.3.26.1.1", "label": "radiothérapie"},
        "rank": "1",
        "mode": {"code": "MED-585", "system": "1.2.250.1.213.1.1.4.322", "label": "Hospitalisation de jour"},
        "plannedFrom": "2026-12",
        "performers": [{"name": "Centre d'essai", "place": "Clinique"}],
    },
    {"kind": "SUPPORT_CARE", "words": 'Dit « "é" \\', "comment": "Au domicile"},
]
AFTERCARE = {
    "steps": [{"what": "Mammographie", "firstOn": "2027-01-31", "everyMonths": 6, "until": "2028-01-31"}],
    "contacts": [{"name": "Infirmière", "reach": "05 00 00 00 00"}],
    "warningSigns": ["Fièvre"],
}


@dataclass(frozen=True, slots=True)
class Followed:
    """A patient whose identity is whole, with his attending physician."""

    patient_id: UUID
    person: Actor
    patient: httpx2.AsyncClient
    actor: Actor
    doctor: httpx2.AsyncClient

    @property
    def id(self) -> str:
        return node_id(Node.PATIENT, self.patient_id)


@pytest.fixture
async def followed(serving: Serving) -> Followed:
    world, ins = serving.world, builders.ins_of(next(_numbers))
    place = Establishment(finess=PLACE, name="Clinique d'essai", basin="essai", tenant_id=TENANT, category="SA01")
    await serving.directory.register_establishments([place])
    actor, client = await someone(serving, builders.PHYSICIAN, PLACE)
    traits = patients.Traits(
        family_name="ESSAI", given_names=("Alix",), birth_date="19800115", sex="F", birth_place="51215"
    )
    async with transaction(world.context(world.feeder)) as act:
        patient_id = await patients.register(act, [ins], traits, IdentityStatus.QUALIFIED, source="essai")
    person = world.person(ins)
    async with transaction(world.context(person)) as act:
        await lifecycle.open_(act, patient_id, basis=lifecycle.Basis.CONSENT, proof="signé")
        await attending.declare_attending_physician(act, patient_id, actor.id)
    return Followed(patient_id, person, serving.client(serving.person_token(ins)), actor, client)


async def test_a_plan_is_written_handed_out_and_taken_up_again(followed: Followed) -> None:
    doctor, patient = followed.doctor, followed.patient
    begun = await send(doctor, "BeginCarePlan", patientId=followed.id, beginning=BEGINNING)
    assert (begun["__typename"], begun["state"], begun["boardOn"], begun["lines"]) == (
        "CarePlan",
        "DRAFT",
        "2026-11-02",
        [],
    )
    this = {"patientId": followed.id, "id": begun["id"]}
    written = await send(doctor, "WriteCarePlan", **this, revision=1, lines=LINES)
    assert [each["number"] for each in written["lines"]] == [1, 2]
    stale = await send(doctor, "WriteCarePlan", **this, revision=1, lines=[])
    assert (stale["__typename"], stale["code"]) == ("Conflict", "PLAN_CHANGED")
    assert (await send(patient, "CarePlans", patientId=followed.id))["nodes"] == []

    issued = await send(doctor, "IssueCarePlan", **this, revision=2)
    assert (issued["state"], issued["issuedBy"]) == ("ISSUED", followed.actor.id)
    (shown,) = (await send(patient, "CarePlans", patientId=followed.id))["nodes"]
    assert shown == {name: value for name, value in issued.items() if name != "__typename"}
    read = await patient.get(f"/oncomip/documents/{shown['documentId']}/content")
    assert (read.status_code, b"CANCER" in read.content or b"1.2.250.1.213.1.1.1.26" in read.content) == (200, True)

    revised = await send(doctor, "ReviseCarePlan", **this)
    assert (revised["version"], revised["revision"], revised["lines"]) == (2, 1, issued["lines"])
    refused = await send(patient, "WriteCarePlan", **this, revision=1, lines=[])
    assert refused["__typename"] == "Refusal"
    assert [each["version"] for each in (await send(doctor, "CarePlans", patientId=followed.id))["nodes"]] in (
        [2, 1],
        [1, 2],
    )


async def test_plans_are_answered_alike(serving: Serving, followed: Followed) -> None:
    doctor, patient = followed.doctor, followed.patient
    begun = await send(doctor, "BeginCarePlan", patientId=followed.id, beginning=BEGINNING)
    this = {"patientId": followed.id, "id": begun["id"]}
    await send(doctor, "WriteCarePlan", **this, revision=1, lines=LINES)
    await send(doctor, "IssueCarePlan", **this, revision=2)
    await send(doctor, "ReviseCarePlan", **this)
    after = await send(doctor, "BeginAftercarePlan", patientId=followed.id)
    that = {"patientId": followed.id, "id": after["id"]}
    await send(doctor, "WriteAftercarePlan", **that, revision=1, aftercarePlan=AFTERCARE)
    handed = await send(doctor, "IssueCarePlan", **that, revision=2, kind="AFTERCARE_PLAN")
    assert handed["aftercare"]["steps"][0]["days"] == ["2027-01-31", "2027-07-31", "2028-01-31"]

    assert (await alike(serving, doctor, PLANS, patientId=followed.id)).count(b'"CarePlan"') == 3
    assert (await alike(serving, patient, PLANS, patientId=followed.id)).count(b'"CarePlan"') == 2
    assert b'"lines"' not in await alike(serving, doctor, PLANS, patientId=followed.id, yes=False)
    nothing = node_id(Node.BOARD_CASE, UUID(int=7))
    assert b'"nodes":[]' in await alike(serving, doctor, PLANS, patientId=followed.id, caseId=nothing)
    _, token = await serving.professional()
    assert b"ACCESS_REFUSED" in await alike(serving, serving.client(token), PLANS, patientId=followed.id)
    assert b"ID_INVALID" in await alike(serving, doctor, PLANS, lines=0, patientId=nothing)
    context = serving.world.context(followed.person)
    async with transaction(context) as act:
        await relations.block_professional(act, followed.patient_id, followed.actor.id)
    assert b"ACCESS_REFUSED" in await alike(serving, doctor, PLANS, patientId=followed.id)
