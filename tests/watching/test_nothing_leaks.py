"""No name, no INS, no title and no content comes out on logs, metrics or traces, whatever is asked and whatever fails.

One network as production assembles it. Every committed operation is sent with marked values, and every task has its
turn; then again with a database that refuses each line of the journal, in an error that quotes the row.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from graphql import FieldNode
from starlette.applications import Starlette

from passerelle.audit.outbox import Waiting
from passerelle.kernel.context import Tenant
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.metrics import REQUESTS
from passerelle_ops import worker
from passerelle_ops.asgi import create_app
from passerelle_ops.demo import issuer as demo
from passerelle_ops.installation import Installation
from passerelle_ops.relay import Subscriber, Subscribers
from passerelle_ops.settings import Settings
from passerelle_ops.watching import traces
from passerelle_ops.watching.traces import LOST
from passerelle_ops.watching.worked import ENVELOPES, TURNS
from tests.conftest import Cloned
from tests.gateway.serving import GRAPHQL, TENANT, listening
from tests.logged import logged_as_before as logged_as_before
from tests.running.one_network import one_network
from tests.watching.collector import Collector
from tests.watching.marked import INS, MARK, SCHEMA, Values, is_query, operations, settled
from tests.watching.neighbour import envelope

BREAKS = "alter table journal add constraint refuses check (false) not valid"


@dataclass(slots=True)
class Ground:
    """The gateway, whoever comes to it, and what is known of the marked patient."""

    app: Starlette
    client: httpx2.AsyncClient
    settings: Settings
    owner_url: str
    values: Values
    tokens: dict[str, str]
    collector: Collector
    #: What another network sends, sealed and signed.
    envelope: str

    async def send(self, who: str, name: str, text: str, variables: dict[str, Any]) -> httpx2.Response:
        body = {"query": text, "operationName": name, "variables": variables}
        return await self.client.post(GRAPHQL, json=body, headers={"authorization": f"Bearer {self.tokens[who]}"})


@pytest.fixture
async def ground(
    tenant_database: Cloned, directory_database: Cloned, tmp_path: Path, collector: Collector
) -> AsyncIterator[Ground]:
    async with (
        one_network(tenant_database, directory_database, tmp_path),
        listening(demo.create_app(folder=tmp_path / "issuer")) as url,
    ):
        settings = Settings(issuer=url, officer_issuer=url, metrics=True, log_level="debug", traces_url=collector.url)
        app, installation = create_app(settings), Installation(settings)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://here") as client,
        ):
            tenant = await (await installation.registry()).tenant(TENANT)
            issuer = demo.DemoIssuer(tmp_path / "issuer", url)
            values, tokens = await settled(tenant, installation, issuer)
            patient_id, document_id = key_of(Node.PATIENT, values.patient), key_of(Node.DOCUMENT, values.document)
            sent = await envelope(tenant, directory_database.owner_url, tmp_path, patient_id, document_id)
            yield Ground(app, client, settings, tenant_database.owner_url, values, tokens, collector, sent)
        await installation.close()


async def _ask(ground: Ground, who: str, *, everything: bool = False, queries: bool = False) -> int:
    """Every committed operation, or the queries among them; how many were answered."""
    answered = 0
    for name, each in operations():
        if queries and not is_query(each):
            continue
        shown = await ground.send(who, name, committed()[name], ground.values.of(each, everything=everything))
        answered += shown.status_code == 200 and b'"errors"' not in shown.content and b'"code"' not in shown.content
    return answered


async def _knock_everywhere(ground: Ground) -> None:
    """The other addresses, and those that are not there, with marks wherever a client may write one."""
    own, document = {"authorization": f"Bearer {ground.tokens['doctor']}"}, ground.values.document
    for path in (
        f"documents/{document}/content",
        f"documents/{document}/view",
        f"documents/{MARK}/content",
        f"exports/{ground.values.patient}",
        f"calendars/{MARK}.ics",
        f"elsewhere/{MARK}/documents/{document}",
        f"{MARK}/{INS.value}",
    ):
        await ground.client.get(f"/{TENANT}/{path}?nom={MARK}&ins={INS.value}", headers=own)
    marked = {"passerelle-purpose": MARK, "traceparent": MARK, "tracestate": f"nom={MARK}", "user-agent": MARK}
    await ground.client.post(f"/{TENANT}/federation/questions", content=MARK, headers=own)
    await ground.client.post(GRAPHQL, content=f'{{"query": "{{ {MARK} }}"', headers=own)
    await ground.client.post(GRAPHQL, json={"query": f"query {MARK} {{ {MARK}: me {{ kind }} }}"}, headers=own)
    await ground.client.post(GRAPHQL, json={"query": "{ me { kind } }"}, headers=own | marked)
    await ground.client.get(GRAPHQL, params={"query": f'{{ patient(by: {{ins: {{oid: "{INS.oid}"}}}}) }}'}, headers=own)
    await ground.client.request(MARK, f"/{TENANT}/graphql")
    await ground.client.get(f"/{MARK}/graphql", headers={"authorization": f"Bearer {MARK}"})
    await ground.client.get("/health/ready")


async def _follow(ground: Ground, name: str, text: str, variables: dict[str, Any]) -> bytes:
    """A subscription until its first words."""
    asked = json.dumps({"query": text, "operationName": name, "variables": variables}).encode()
    begun, said, given = asyncio.Event(), b"", iter([{"type": "http.request", "body": asked, "more_body": False}])

    async def receive() -> Any:
        if (first := next(given, None)) is not None:
            return first
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal said
        said += message.get("body", b"")
        if message["type"] == "http.response.body":
            begun.set()

    headers = {
        "authorization": f"Bearer {ground.tokens['patient']}",
        "accept": "text/event-stream",
        "content-type": "application/json",
        "content-length": str(len(asked)),
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": GRAPHQL,
        "query_string": b"",
        "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
    }
    async with asyncio.timeout(10):
        await ground.app(scope, receive, send)
    return said


class Failing(Subscribers):
    """Whoever listens, to whatever it is, fails and quotes a row."""

    def of(self, event: str) -> tuple[Subscriber, ...]:
        return (*super().of(event), _fails)


async def _fails(_: Tenant, event: Waiting) -> None:
    raise ValueError(f"{MARK} {INS.value} {event.payload}")


@asynccontextmanager
async def _at_work(settings: Settings) -> AsyncIterator[tuple[worker.Turns, Any]]:
    """A worker's turns and its Celery tasks, run where they are called."""
    turns = await asyncio.to_thread(worker.opened, settings, Failing())
    try:
        app = await asyncio.to_thread(worker.create_app, "memory://", turns)
        app.conf.task_always_eager = True
        yield turns, app
    finally:
        await asyncio.to_thread(turns.close)


async def _work(turns: worker.Turns, app: Any, sent: str) -> None:
    for name in turns.tasks:
        await asyncio.to_thread(app.tasks["turns.all"].apply, (name,))
    marked = {"passerelle_request": f"{MARK} {MARK}", "traceparent": MARK}
    await asyncio.to_thread(app.tasks["turns.one"].apply, (MARK, MARK), headers=marked)
    await asyncio.to_thread(app.tasks["federation.take"].apply, (TENANT, f"{MARK}.{INS.value}"))
    await asyncio.to_thread(app.tasks["federation.take"].apply, (MARK, MARK))
    await asyncio.to_thread(app.tasks["federation.take"].apply, (TENANT, sent))


async def test_nothing_comes_out(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    ENVELOPES.counted.clear()
    answered = 0
    async with _at_work(ground.settings) as (turns, app):
        await _knock_everywhere(ground)
        answered += await _ask(ground, "officer", queries=True)
        answered += await _ask(ground, "doctor", everything=True)
        answered += await _ask(ground, "patient")
        followed = set()
        for name, each in operations():
            if each.operation.value == "subscription":
                followed.add(name)
                first = await _follow(ground, name, committed()[name], ground.values.of(each, everything=False))
                assert b"event" in first or b":" in first
        await _work(turns, app, ground.envelope)
        assert {name for name in app.tasks if not name.startswith("celery.")} == {
            "turns.one",
            "turns.all",
            "federation.take",
        }
        done = {task for network, task, outcome in TURNS.counted if (network, outcome) == (TENANT, "done")}
        assert done == set(turns.tasks)

        with psycopg.connect(ground.owner_url) as owner:
            owner.execute(BREAKS)
        await _ask(ground, "doctor")
        await _knock_everywhere(ground)
        await _work(turns, app, ground.envelope)
    figures = (await ground.client.get("/metrics")).text
    traces.stop()
    told = capsys.readouterr()
    logs, spans = told.err, str(ground.collector.messages)

    _is_whole(logs, figures, spans, answered, followed)
    for where, text in (("logs", logs + told.out), ("metrics", figures), ("traces", spans)):
        assert MARK not in text.upper(), (where, _about(text, MARK))
        for matricule in (INS.value, INS.value[:13]):
            assert matricule not in text, (where, _about(text, matricule))


def _is_whole(logs: str, figures: str, spans: str, answered: int, followed: set[str]) -> None:
    """All of it was asked, much was answered, much failed, and one id leads from each to the others."""
    asked = {operation for network, operation, _ in REQUESTS.counted if network == TENANT}
    assert {name for name, _ in operations()} - followed <= asked
    assert followed == {name for name, each in operations() if each.operation.value == "subscription"}
    # The one of another network was opened, whatever became of it; those of nobody were not.
    envelopes = {outcome: count for (network, outcome), count in ENVELOPES.counted.items() if network == TENANT}
    assert sum(envelopes.values()) == 4
    assert envelopes["unopened"] == 2
    roots = [root for _, each in operations() for root in each.selection_set.selections]
    assert _roots() == {each.name.value for each in roots if isinstance(each, FieldNode)}
    lines = [json.loads(line) for line in logs.splitlines()]
    unexpected = [each for each in lines if each["event"] == "unexpected"]
    assert len(unexpected) > 60
    assert answered > 40
    assert not LOST.counted
    assert {each["event"] for each in lines} >= {"request", "unexpected", "task failed", "not delivered", "not opened"}
    assert 'passerelle_requests_total{network="oncomip",operation="OpenDossier",outcome="failed"} 1.0' in figures
    assert all(each["request_id"] in spans for each in unexpected)
    delivered = {each["request_id"] for each in lines if each["event"] == "not delivered"}
    assert delivered & {each["request_id"] for each in lines if each["event"] == "request"}


def _roots() -> set[str]:
    types = (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type)
    return {name for each in types if each is not None for name in each.fields}


def _about(text: str, said: str) -> str:
    found = re.search(re.escape(said), text, re.IGNORECASE)
    assert found is not None
    return text[max(found.start() - 200, 0) : found.end() + 60]
