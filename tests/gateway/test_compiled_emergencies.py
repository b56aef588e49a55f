"""`emergencyAccesses` and `emergenciesToReview` by one statement each, as Strawberry gives them."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from passerelle.audit.transactions import transaction
from passerelle.dossier import emergencies, emergency_reviews
from passerelle.dossier.representation import RepresentationBasis, declare_representative
from passerelle.kernel.actors import Actor
from passerelle_graphql.ids import Node, node_id
from passerelle_policies.vocabulary import ActorKind, Mode
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record
from tests.gateway.serving import Serving

EMERGENCY = (
    """fragment Emergency on EmergencyAccess {
  __typename id patientId rpps name profession { code label } structure reason since until reviewDueAt reviewedAt
  finding
}
"""
    + WHY
)
ACCESSES = (
    EMERGENCY
    + """query ($id: ID!, $first: Int, $yes: Boolean! = true) {
  all: emergencyAccesses(patientId: $id, first: $first) {
    __typename ... on EmergencyAccesses { nodes { ...Emergency why: reason @include(if: $yes) } } ...Why
  }
}"""
)
QUEUE = (
    EMERGENCY
    + """query ($first: Int) {
  emergenciesToReview(first: $first) {
    ... on EmergencyReviewQueue { nodes { __typename isOverdue late: isOverdue emergency { ...Emergency } } } ...Why
  }
}"""
)


async def _opened(serving: Serving, record: Record, doctor: Actor, reason: str) -> emergencies.EmergencyAccess:
    async with transaction(serving.world.context(doctor, mode=Mode.BREAK_GLASS)) as act:
        return await emergencies.break_the_glass(act, record.patient_id, reason)


async def test_emergencies_are_answered_alike(serving: Serving, record: Record) -> None:
    assert b'"nodes":[]' in await alike(serving, record.patient, ACCESSES, id=record.id)
    await _opened(serving, record, builders.professional(name='D’« HÂTE » "\\ é 😀'), 'inconscient "\\ \n')
    serving.world.clock.advance(timedelta(microseconds=999))
    second = await _opened(serving, record, builders.professional(establishment="310783055"), "chute")
    officer = Actor(kind=ActorKind.OFFICER, id="dpo", name="Déléguée")
    async with transaction(serving.world.context(officer)) as act:
        await emergency_reviews.review_emergency(act, second.access_id, emergency_reviews.Finding.JUSTIFIED)
    for variables in ({}, {"first": 1}, {"yes": False}):
        for client in (record.patient, record.doctor, serving.officer()):
            answer = await alike(serving, client, ACCESSES, id=record.id, **variables)
            assert (b'"EmergencyAccesses"' in answer) is (client is record.patient)
            assert (b'"JUSTIFIED"' in answer) is (client is record.patient)
    for wrong in ({"first": 0}, {"first": 101}):
        assert b"PAGE_SIZE_INVALID" in await alike(serving, record.patient, ACCESSES, lines=0, id=record.id, **wrong)
    assert b"ID_INVALID" in await alike(serving, record.patient, ACCESSES, lines=0, id="é", first=0)
    unknown = node_id(Node.PATIENT, uuid4())
    assert b"ACCESS_REFUSED" in await alike(serving, record.patient, ACCESSES, id=unknown)


async def test_a_reason_is_kept_from_a_representative_alike(serving: Serving) -> None:
    ins, parents = builders.ins_of(19_201), builders.ins_of(19_202)
    world = serving.world
    patient_id, person = await world.patient(ins, born="20120301")
    await world.patient(parents)
    doctor = builders.professional()
    async with transaction(world.context(builders.operator())) as act:
        await declare_representative(
            act, patient_id, world.person(parents).id, basis=RepresentationBasis.MINOR, proof="livret"
        )
    await world.authorize(patient_id, world.person(parents), doctor)
    today = world.clock.now().strftime("%Y%m%d080000+0000")
    hidden = builders.document(author=doctor, at=today, hidden_from_representatives=True)
    await world.publish(patient_id, hidden, by=doctor)
    for each in (doctor, builders.professional()):
        async with transaction(world.context(each, mode=Mode.BREAK_GLASS)) as act:
            await emergencies.break_the_glass(act, patient_id, "ivresse")
    id_ = node_id(Node.PATIENT, patient_id)
    told = await alike(serving, serving.client(serving.person_token(parents)), ACCESSES, id=id_, yes=False)
    assert told.count(b'"reason":"ivresse"') == 1
    assert told.count(b'"reason":null') == 1
    assert person.id


async def test_what_awaits_review_is_answered_alike(serving: Serving, record: Record) -> None:
    held = await _opened(serving, record, builders.professional(), "chute")
    serving.world.clock.set(held.review_due_at)
    officer = serving.officer()
    for variables in ({}, {"first": 1}):
        answer = await alike(serving, officer, QUEUE, **variables)
        assert b'"isOverdue":true' in answer
    _, token = await serving.professional()
    assert b"ACCESS_REFUSED" in await alike(serving, serving.client(token), QUEUE)
    assert b"PAGE_SIZE_INVALID" in await alike(serving, officer, QUEUE, lines=0, first=0)
