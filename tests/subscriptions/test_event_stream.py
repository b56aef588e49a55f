"""GraphQL over Server-Sent Events: what is asked how, and what comes out."""

from __future__ import annotations

import asyncio
import json

import pytest

from passerelle_graphql.subscriptions.event_stream import wants_events
from tests.gateway.records import Record
from tests.gateway.serving import GRAPHQL
from tests.subscriptions.followers import Streaming, request, token_of, told


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("text/event-stream, */*", True),
        ("text/event-stream, multipart/mixed, application/json", True),
        ("application/graphql-response+json, application/json, text/event-stream, multipart/mixed", False),
        ("application/json;q=0.5, text/event-stream", True),
        ("application/json, text/event-stream;q=0.5", False),
        ("text/event-stream;q=0", False),
        ("text/event-stream;q=drôle", False),
    ],
)
def test_a_stream_is_for_whom_it_is_asked_before_json(accept: str | None, wants: bool) -> None:
    assert wants_events(accept) is wants


async def test_a_subscription_by_get_as_a_browser_asks(streaming: Streaming, record: Record) -> None:
    payload = request("DocumentArrived")
    payload["variables"] = json.dumps({"patientId": record.id})
    async with streaming.events(payload, token_of(record.doctor), "GET") as events:
        assert events.response.status_code == 200
        headers = events.response.headers
        assert headers["content-type"].partition(";")[0] == "text/event-stream"
        assert headers["cache-control"] == "private, no-store"
        assert headers["passerelle-request-id"]
        assert (await told(events))["__typename"] == "Listening"


async def test_it_is_kept_alive_though_nothing_comes(streaming: Streaming, record: Record) -> None:
    async with streaming.events(request("DocumentArrived", patientId=record.id), token_of(record.doctor)) as events:
        await told(events)
        before = events.comments
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.75):
                await events.event()
        assert events.comments - before >= 3


async def test_a_query_is_one_answer_and_the_end(streaming: Streaming, record: Record) -> None:
    async with streaming.events({"query": "{ me { kind } }"}, token_of(record.doctor)) as events:
        assert await events.next() == {"data": {"me": {"kind": "PROFESSIONAL"}}}
        await events.end()


async def test_what_is_wrong_with_a_document_comes_as_an_answer(streaming: Streaming, record: Record) -> None:
    async with streaming.events({"query": "subscription { rien }"}, token_of(record.doctor)) as events:
        assert events.response.status_code == 200
        shown = await events.next()
        assert (shown["errors"][0]["extensions"]["code"], "data" in shown) == ("GRAPHQL_INVALID", False)
        await events.end()


async def test_who_is_not_let_in_has_his_status(streaming: Streaming, record: Record) -> None:
    payload = request("DocumentArrived", patientId=record.id)
    async with streaming.events(payload, None) as events:
        assert (events.response.status_code, events.response.headers["content-type"]) == (
            401,
            "application/problem+json",
        )
        assert events.response.headers["www-authenticate"]
    async with streaming.events(payload, token_of(record.doctor), "PUT") as events:
        assert events.response.status_code == 405
    async with streaming.events("un texte", token_of(record.doctor)) as events:
        assert events.response.status_code == 400
    mutation = {"query": 'mutation { createCareTeam(name: "É") { __typename } }'}
    async with streaming.events(mutation, token_of(record.doctor), "GET") as events:
        assert (await events.next())["errors"][0]["extensions"]["code"] == "MUTATION_OVER_GET"


async def test_a_subscription_is_not_answered_in_json(streaming: Streaming, record: Record) -> None:
    answer = await record.doctor.post(GRAPHQL, json=request("DocumentArrived", patientId=record.id))
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (406, "SUBSCRIPTION_NEEDS_STREAM")
    lines = await streaming.serving.world.journal(record.person, record.patient_id)
    assert [each for each in lines if each.actor_id == record.doctor_actor.id] == []
