"""What people see as it happens, and how it ends: by WebSocket and by event stream, as a browser and as software."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import death, emergencies, lifecycle, relations, repair, visibility, withholding
from passerelle.identities.tokens import denial_of
from passerelle_graphql.ids import Node, node_id
from passerelle_policies.vocabulary import Mode
from tests import builders
from tests.gateway.records import Record, new_record
from tests.gateway.serving import Serving
from tests.subscriptions.followers import Streaming, request, token_of, told

BOTH = pytest.mark.parametrize("protocol", ["socket", "events"])


def lines_about(lines: list[Any], record: Record) -> list[tuple[str, str, str]]:
    return [(each.kind, each.action, each.outcome) for each in lines if each.actor_id == record.doctor_actor.id]


@BOTH
async def test_the_laboratory_files_a_report_and_the_doctor_sees_it_arrive(
    streaming: Streaming, record: Record, protocol: str
) -> None:
    world = streaming.serving.world
    async with streaming.follow(protocol, token_of(record.doctor), "DocumentArrived", record.id) as doctor:
        document = await world.publish(
            record.patient_id, builders.document(type_code="11502-2", title="CR de biologie médicale")
        )
        arrived = await told(doctor)
    assert (arrived["__typename"], arrived["how"]) == ("ArrivedDocument", "FILED")
    shown = arrived["document"]
    assert (shown["id"], shown["title"]) == (node_id(Node.DOCUMENT, document), "CR de biologie médicale")
    assert shown["contentUrl"].endswith(f"/documents/{shown['id']}/content")
    # Beginning is opening the record; being shown a document is reading it: once each.
    journal = await world.journal(record.person, record.patient_id)
    assert lines_about(journal, record) == [("document", "read", "allowed"), ("dossier", "read", "allowed")]


async def test_what_he_may_not_know_of_never_arrives_nor_is_it_written_that_he_was_refused(
    streaming: Streaming, record: Record
) -> None:
    world = streaming.serving.world
    first = builders.document(title="gardé de lui")
    kept = await world.publish(record.patient_id, first)
    async with transaction(world.context(record.person)) as act:
        await withholding.withhold(act, kept, record.doctor_actor.id)
    async with streaming.follow("socket", token_of(record.doctor), "DocumentArrived", record.id) as doctor:
        masked = await world.publish(record.patient_id, builders.document(title="masqué", masked=True))
        next_one = builders.document(title="gardé aussi", replaces=first.metadata.unique_id)
        await world.publish(record.patient_id, next_one)
        for change in (visibility.archive, visibility.unarchive):
            async with transaction(world.context(world.feeder)) as act:
                await change(act, masked)
        async with transaction(world.context(record.person)) as act:
            await withholding.lift(act, kept, record.doctor_actor.id)
        await world.publish(record.patient_id, builders.document(title="visible"))
        assert (await told(doctor))["document"]["title"] == "visible"
    journal = await world.journal(record.person, record.patient_id)
    assert lines_about(journal, record) == [("document", "read", "allowed"), ("dossier", "read", "allowed")]


async def test_a_document_that_is_shown_at_last_arrives(streaming: Streaming, record: Record) -> None:
    world = streaming.serving.world
    awaited = await world.publish(record.patient_id, builders.document(title="annonce", hidden_from_patient=True))
    masked = await world.publish(record.patient_id, builders.document(title="démasqué", masked=True))
    async with (
        streaming.follow("events", token_of(record.patient), "DocumentArrived", record.id) as patient,
        streaming.follow("socket", token_of(record.doctor), "DocumentArrived", record.id) as doctor,
    ):
        async with transaction(world.context(record.person)) as act:
            await visibility.unmask(act, masked)
        async with transaction(world.context(record.doctor_actor)) as act:
            await visibility.show_to_patient(act, awaited, confirmed=True)
        for who, title in ((doctor, "démasqué"), (patient, "annonce")):
            arrived = await told(who)
            assert (arrived["how"], arrived["document"]["title"]) == ("SHOWN", title)


async def test_a_document_put_back_in_its_place_arrives_there(streaming: Streaming, record: Record) -> None:
    world, other = streaming.serving.world, await new_record(streaming.serving)
    wrong = await world.publish(other.patient_id, builders.document(title="au bon endroit"))
    async with streaming.follow("socket", token_of(record.doctor), "DocumentArrived", record.id) as doctor:
        async with transaction(world.context(world.feeder)) as act:
            await repair.move_document(act, wrong, record.patient_id, reason="erreur d'identité")
        arrived = await told(doctor)
    assert (arrived["how"], arrived["document"]["title"]) == ("MOVED", "au bon endroit")


@BOTH
async def test_the_patient_sees_who_reads_his_record(streaming: Streaming, record: Record, protocol: str) -> None:
    world = streaming.serving.world
    await world.publish(record.patient_id, builders.document(title="CR"))
    hidden = await world.publish(record.patient_id, builders.document(hidden_from_patient=True))
    async with streaming.follow(protocol, token_of(record.patient), "RecordAccessed", record.id) as patient:
        await record.doctor.post("/oncomip/graphql", json=request("OpenDocument", id=node_id(Node.DOCUMENT, hidden)))
        await record.doctor.post("/oncomip/graphql", json=request("OpenDossier", patientId=record.id))
        line = await told(patient)
    assert (line["__typename"], line["sentence"], line["allowed"]) == (
        "JournalLine",
        "Votre dossier a été consulté.",
        True,
    )
    assert (line["actor"]["name"], line["documentId"]) == ("Dominique ESSAI", None)
    assert line["why"]


async def test_what_is_followed_is_what_the_journal_shows(streaming: Streaming, record: Record) -> None:
    """The same lines under the same ids, as when the patient asks for them; his own beginning is not among them."""
    async with streaming.follow("socket", token_of(record.patient), "RecordAccessed", record.id) as patient:
        for _ in range(3):
            await record.doctor.post("/oncomip/graphql", json=request("OpenDossier", patientId=record.id))
        heard = [(await told(patient))["id"] for _ in range(3)]
        answer = await record.patient.post("/oncomip/graphql", json=request("Journal", patientId=record.id))
    nodes = [each["node"] for each in answer.json()["data"]["journal"]["edges"]]
    by_him = [each["id"] for each in nodes if each["actor"]["rpps"] == record.doctor_actor.id]
    assert heard == by_him[::-1]


async def _blocked(serving: Serving, record: Record) -> None:
    async with transaction(serving.world.context(record.person)) as act:
        await relations.block_professional(act, record.patient_id, record.doctor_actor.id)


async def _withdrawn(serving: Serving, record: Record) -> None:
    async with transaction(serving.world.context(record.person)) as act:
        await relations.withdraw_authorization(act, record.patient_id, record.doctor_actor.id)


async def _closed(serving: Serving, record: Record) -> None:
    async with transaction(serving.world.context(record.person)) as act:
        await lifecycle.close(act, record.patient_id)


async def _dead(serving: Serving, record: Record) -> None:
    async with transaction(serving.world.context(builders.operator())) as act:
        await death.declare(act, record.patient_id, on=date(2026, 11, 15), proof="acte de décès")


Ending = Callable[[Serving, Record], Awaitable[None]]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (_blocked, "ACCESS_REFUSED"),
        (_withdrawn, "ACCESS_REFUSED"),
        (_closed, "DOSSIER_NOT_OPEN"),
        (_dead, "ACCESS_REFUSED"),
    ],
)
@BOTH
async def test_it_ends_when_the_right_ends(
    streaming: Streaming, record: Record, end: Ending, code: str, protocol: str
) -> None:
    """Within the delay of the rules, though nothing happens; and nothing is shown in between."""
    async with streaming.follow(protocol, token_of(record.doctor), "DocumentArrived", record.id) as doctor:
        await end(streaming.serving, record)
        if end in (_blocked, _withdrawn):
            await streaming.serving.world.publish(record.patient_id, builders.document(title="trop tard"))
        last = await told(doctor)
        assert (last["__typename"], last["code"]) == ("SubscriptionEnd", code)
        assert last["message"]
        await doctor.end()


async def test_an_authorization_of_an_hour_lasts_an_hour(streaming: Streaming, record: Record) -> None:
    serving = streaming.serving
    actor, token = await serving.professional()
    async with transaction(serving.world.context(record.person)) as act:
        until = serving.world.clock.now() + timedelta(minutes=1)
        await relations.authorize(act, record.patient_id, actor.id, until=until)
    async with streaming.follow("events", token, "DocumentArrived", record.id) as doctor:
        serving.world.clock.advance(timedelta(minutes=2))
        assert (await told(doctor))["code"] == "ACCESS_REFUSED"
        await doctor.end()


@BOTH
async def test_it_ends_when_the_token_expires(streaming: Streaming, record: Record, protocol: str) -> None:
    serving = streaming.serving
    token = serving.person_token(record.ins)
    async with streaming.follow(protocol, token, "RecordAccessed", record.id) as patient:
        serving.world.clock.advance(timedelta(days=1))
        last = await told(patient)
        assert (last["__typename"], last["code"]) == ("SubscriptionEnd", "TOKEN_EXPIRED")
        await patient.end()


@BOTH
async def test_it_ends_when_the_token_is_revoked(streaming: Streaming, record: Record, protocol: str) -> None:
    serving, token = streaming.serving, token_of(record.doctor)
    async with streaming.follow(protocol, token, "DocumentArrived", record.id) as doctor:
        await serving.revocations.revoke(denial_of(token)[0])
        await serving.world.publish(record.patient_id, builders.document(title="trop tard"))
        last = await told(doctor)
        assert (last["__typename"], last["code"]) == ("SubscriptionEnd", "TOKEN_REVOKED")
        await doctor.end()


async def test_break_glass_shows_in_each_answer_and_ends_with_it(streaming: Streaming, record: Record) -> None:
    serving, mode = streaming.serving, {"Passerelle-Mode": "break_glass"}
    actor, token = await serving.professional()
    world = serving.world
    async with transaction(world.context(actor, mode=Mode.BREAK_GLASS)) as act:
        opened = await emergencies.break_the_glass(act, record.patient_id, "patient inconscient")
    async with streaming.socket() as socket:
        await socket.begin(token, **mode)
        doctor = await socket.subscribe(request("DocumentArrived", patientId=record.id))
        assert (await doctor.next())["extensions"] == {"access": {"mode": "BREAK_GLASS"}}
        await world.publish(record.patient_id, builders.document(title="urgence"))
        shown = await doctor.next()
        assert shown["data"]["documentArrived"]["document"]["title"] == "urgence"
        (under,) = shown["extensions"]["access"]["opened"]
        assert under["patientId"] == record.id
        world.clock.set(opened.valid_until + timedelta(seconds=1))
        assert (await told(doctor))["code"] == "ACCESS_REFUSED"
        await doctor.end()


async def test_who_may_not_read_may_not_follow(streaming: Streaming, record: Record) -> None:
    serving = streaming.serving
    actor, token = await serving.professional()
    async with streaming.socket() as socket:
        await socket.begin(token)
        for operation, patient in (
            ("DocumentArrived", record.id),
            ("RecordAccessed", record.id),
            ("DocumentArrived", node_id(Node.PATIENT, uuid4())),
        ):
            follower = await socket.subscribe(request(operation, patientId=patient))
            refused = await told(follower)
            assert (refused["__typename"], refused["code"]) == ("Refusal", "ACCESS_REFUSED")
            await follower.end()
        follower = await socket.subscribe(request("DocumentArrived", patientId="n'importe quoi"))
        assert (await told(follower))["code"] == "ID_INVALID"
        await follower.end()
    lines = await serving.world.journal(record.person, record.patient_id)
    by_him = [(each.kind, each.outcome, each.code) for each in lines if each.actor_id == actor.id]
    assert by_him == [("journal", "refused", "ACCESS_REFUSED"), ("dossier", "refused", "ACCESS_REFUSED")]
