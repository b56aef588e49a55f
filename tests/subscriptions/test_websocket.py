"""The protocol `graphql-transport-ws`, message by message, and what holds on it as it does over HTTP."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from passerelle_graphql.execution import Executor
from passerelle_graphql.metrics import OPERATIONS
from passerelle_graphql.preparation import NOBODY
from tests import builders
from tests.gateway.records import Record
from tests.gateway.serving import ask
from tests.subscriptions.followers import Streaming, request, token_of, told


async def test_another_subprotocol_is_not_spoken(streaming: Streaming) -> None:
    async with streaming.socket("graphql-ws") as socket:
        assert await socket.closed() == (4406, "Subprotocol not acceptable")


async def test_who_says_nothing_is_not_waited_for(streaming: Streaming) -> None:
    async with streaming.socket() as socket:
        await socket.say({"type": "ping"})
        assert await socket.hear() == {"type": "pong"}
        assert await socket.closed() == (4408, "Connection initialisation timeout")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (None, "TOKEN_MISSING"),
        ({"Authorization": "Bearer x.y.z"}, "TOKEN_MALFORMED"),
        ({"Authorization": 3}, "TOKEN_MISSING"),
        ({"authorization": "Bearer \u00e9\u20ac"}, "TOKEN_MISSING"),
    ],
)
async def test_nobody_comes_in_without_a_token(streaming: Streaming, payload: Any, code: str) -> None:
    async with streaming.socket() as socket:
        await socket.say({"type": "connection_init", "payload": payload})
        assert await socket.closed() == (4403, code)


async def test_a_stranger_is_not_let_in_and_his_coming_is_journalled(streaming: Streaming) -> None:
    _, token = await streaming.serving.professional(known=False)
    async with streaming.socket() as socket:
        await socket.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        assert await socket.closed() == (4403, "ACTOR_UNKNOWN_HERE")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("pas du JSON", 4400),
        (b"des octets", 4400),
        ([], 4400),
        ({"kind": "subscribe"}, 4400),
        ({"type": "start"}, 4400),
        ({"type": "subscribe", "id": "", "payload": {}}, 4400),
        ({"type": "subscribe", "id": "1"}, 4400),
        ({"type": "subscribe", "payload": {"query": "{ me { name } }"}}, 4400),
        ({"type": "complete"}, 4400),
        ({"type": "connection_init"}, 4429),
        ({"type": "ping", "payload": {"rest": "x" * 200_000}}, 1009),
        ("[" * 100_000, 4400),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_what_is_no_message_closes_the_connection(
    streaming: Streaming, doctor_token: str, message: object, code: int
) -> None:
    async with streaming.socket() as socket:
        await socket.begin(doctor_token)
        await socket.say(message)
        assert (await socket.closed())[0] == code


async def test_nothing_is_answered_before_the_acknowledgement(streaming: Streaming) -> None:
    async with streaming.socket() as socket:
        await socket.subscribe({"query": "{ me { name } }"})
        assert await socket.closed() == (4401, "Unauthorized")


async def test_an_id_names_one_subscription_at_a_time(streaming: Streaming, record: Record) -> None:
    async with streaming.socket() as socket:
        await socket.begin(token_of(record.doctor))
        payload = request("DocumentArrived", patientId=record.id)
        first = await socket.subscribe(payload, "même")
        await told(first)
        await socket.say({"type": "complete", "id": "même"})
        again = await socket.subscribe(payload, "même")  # free at once
        await told(again)
        await socket.subscribe(payload, "même")
        assert await socket.closed() == (4409, "Subscriber for même already exists")


async def test_what_is_completed_by_the_client_is_told_no_more(streaming: Streaming, record: Record) -> None:
    world = streaming.serving.world
    async with streaming.socket() as socket:
        await socket.begin(token_of(record.doctor))
        payload = request("DocumentArrived", patientId=record.id)
        one, other = await socket.subscribe(payload), await socket.subscribe(payload)
        await told(one)
        await told(other)
        await socket.say({"type": "complete", "id": one.id})
        await socket.say({"type": "complete", "id": "inconnu"})
        await world.publish(record.patient_id, builders.document(title="CR"))
        assert (await told(other))["document"]["title"] == "CR"
        assert socket.waiting == []
        assert streaming.gateway.streams.subscriptions == 1


async def test_queries_and_acts_are_answered_too_as_over_http(streaming: Streaming, record: Record) -> None:
    document = await streaming.serving.world.publish(record.patient_id, builders.document(title="CR"))
    async with streaming.socket() as socket:
        await socket.begin(token_of(record.doctor))
        follower = await socket.subscribe(request("OpenDossier", patientId=record.id))
        assert (await follower.next())["data"]["dossier"]["documents"]["edges"][0]["node"]["title"] == "CR"
        await follower.end()
        follower = await socket.subscribe(request("CreateCareTeam", name="Équipe"))
        assert (await told(follower))["id"]
        await follower.end()
    lines = await streaming.serving.world.journal(record.person, record.patient_id)
    assert (lines[1].action, lines[1].actor_id) == ("read", record.doctor_actor.id)
    assert document


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "subscription { documentArrived(patientId: 1"}, "GRAPHQL_SYNTAX"),
        ({"query": "subscription { rien }"}, "GRAPHQL_INVALID"),
        ({"query": "subscription A { recordAccessed(patientId: 1) { __typename } b: __typename }"}, "GRAPHQL_INVALID"),
        (
            {
                "query": "subscription A($p: ID!) { a: recordAccessed(patientId: $p) { __typename }"
                " b: documentArrived(patientId: $p) { __typename } }",
                "variables": {"p": "x"},
            },
            "GRAPHQL_INVALID",
        ),
        ({"query": "subscription A($p: ID!) { documentArrived(patientId: $p) { __typename } }"}, "VARIABLE_INVALID"),
        ({"query": "{ me { name } }", "operationName": "Autre"}, "OPERATION_UNKNOWN"),
        ({"query": ""}, "QUERY_MISSING"),
        ({"query": "{ me { name } }", "variables": 3}, "PARAMETER_MALFORMED"),
        ({"query": "{ me { name } }", "variables": {"x": "\ud800"}}, "TEXT_INVALID"),
        ({"query": "{" + " ".join(f"a{n}: me {{ name }}" for n in range(11)) + "}"}, "TOO_MANY_ROOTS"),
    ],
    ids=lambda each: str(each)[:30],
)
async def test_what_may_not_be_asked_is_an_error_and_the_connection_goes_on(
    streaming: Streaming, doctor_token: str, payload: dict[str, Any], code: str
) -> None:
    async with streaming.socket() as socket:
        await socket.begin(doctor_token)
        follower = await socket.subscribe(payload)
        assert (await follower.error())[0]["extensions"]["code"] == code
        assert (await told(await socket.subscribe({"query": "{ me { kind } }"})))["kind"] == "PROFESSIONAL"


async def test_a_query_is_answered_by_the_compiler_and_kept_for_who_asked_it(
    streaming: Streaming, record: Record
) -> None:
    query, kept = f'{{ dossier(patientId: "{record.id}") {{ __typename }} }}', streaming.gateway.preparation.kept
    compiled = (Executor.COMPILED.value, "")
    before = OPERATIONS.counted.get(compiled, 0)
    async with streaming.socket() as socket:
        await socket.begin(token_of(record.doctor))
        assert await told(await socket.subscribe({"query": query})) == {"__typename": "Dossier"}
    assert OPERATIONS.counted[compiled] == before + 1
    assert kept.by_text(query, (streaming.serving.world.tenant.id, record.doctor_actor.id)) is not None
    assert kept.by_text(query, NOBODY) is None


async def test_a_token_that_expires_closes_an_idle_connection(streaming: Streaming) -> None:
    _, token = await streaming.serving.professional()
    async with streaming.socket() as socket:
        await socket.begin(token)
        streaming.serving.world.clock.advance(timedelta(days=1))
        follower = await socket.subscribe({"query": "{ me { name } }"})
        assert (await follower.error())[0]["extensions"]["code"] == "TOKEN_EXPIRED"
        assert await socket.closed() == (4403, "TOKEN_EXPIRED")


async def test_a_connection_holds_only_so_many(streaming: Streaming, record: Record) -> None:
    most = streaming.gateway.streams.limits.subscriptions_of_connection
    async with streaming.socket() as socket:
        await socket.begin(token_of(record.doctor))
        payload = request("DocumentArrived", patientId=record.id)
        followers = [await socket.subscribe(payload) for _ in range(most + 1)]
        assert (await followers[-1].error())[0]["extensions"]["code"] == "TOO_MANY_SUBSCRIPTIONS"
        await asyncio.gather(*(told(each) for each in followers[:1]))
    assert (await ask(record.doctor, "{ me { kind } }"))["me"]["kind"] == "PROFESSIONAL"
