"""`passerelle federation …`: how networks stand with each other, and what is not sent any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest

from passerelle_ops.asgi import create_app
from passerelle_ops.cli import main
from passerelle_ops.settings import Settings
from tests.conftest import Cloned
from tests.running.one_network import one_network

LATE, REFUSED, SENT = (UUID(int=number) for number in (1, 2, 3))


@pytest.fixture(scope="module")
async def network(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[None]:
    """One that owes another three states: the other refused one, and has another on its way to it."""
    async with one_network(tenant_database, directory_database, tmp_path_factory.mktemp("operator")):
        with psycopg.connect(tenant_database.owner_url) as owner:
            owner.execute(
                "insert into federation_peer (tenant_id, name, heard_at, away_since, acked)"
                " values ('oncopl', 'ONCOPL', now() - interval '2 min', now() - interval '1 min', 40)"
            )
            for object_id, sent, wait, code in ((LATE, 0, 0, None), (REFUSED, 1, 0, "X_TAKEN"), (SENT, 1, 60, None)):
                owner.execute(
                    "insert into federation_out (to_tenant, kind, object_id, patient_id, priority, version, since,"
                    " sent_version, next_attempt_at, dead_at, code) values ('oncopl', 'document', %s, %s, 2, 1,"
                    " now() - interval '90 s', %s, now() + make_interval(secs => %s),"
                    " case when %s::text is not null then now() end, %s)",
                    (object_id, UUID(int=7), sent, wait, code, code),
                )
        yield


async def _run(*words: str) -> int:
    return await asyncio.to_thread(main, ["federation", *words])


async def _told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert await _run(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("network")
async def test_each_pair_is_told_to_people_and_to_prometheus(capsys: pytest.CaptureFixture[str]) -> None:
    [here] = await _told(capsys, "status", "--seconds", "0.1")
    [pair] = here["peers"]
    assert (here["network"], here["answers"], pair["to_tenant"]) == ("oncomip", True, "oncopl")
    assert [pair[name] for name in ("waiting", "in_flight", "dead", "acked", "rate")] == [1, 1, 1, 40, 0]
    assert 90 <= pair["oldest_s"] < 600
    assert await _run("status", "--seconds", "0.1") == 0
    assert "absent" in capsys.readouterr().out

    app = create_app(Settings(issuer="https://demo.invalid", metrics=True))
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://here")
    async with app.router.lifespan_context(app), client:
        shown = (await client.get("/metrics")).text
    for name, value in (("waiting", 1), ("in_flight", 1), ("dead", 1), ("away", 1), ("acknowledged_total", 40)):
        assert f'passerelle_federation_{name}{{network="oncomip",peer="oncopl"}} {value:.1f}' in shown
    assert 'passerelle_network_answers{network="oncomip"} 1.0' in shown
    assert "passerelle_graphql_operations" in shown


async def test_what_is_not_sent_is_listed_sent_again_or_given_up(
    network: None, tenant_database: Cloned, capsys: pytest.CaptureFixture[str]
) -> None:
    def left() -> list[tuple[object, ...]]:
        with psycopg.connect(tenant_database.owner_url) as owner:
            return owner.execute(
                "select count(*) filter (where dead_at is not null), count(*) filter (where acked_version < version)"
                " from federation_out"
            ).fetchall()

    [dead] = await _told(capsys, "list", "-t", "oncomip")
    assert (dead["object_id"], dead["code"], dead["to_tenant"]) == (str(REFUSED), "X_TAKEN", "oncopl")
    assert await _run("list", "-t", "oncomip") == 0
    assert str(REFUSED) in capsys.readouterr().out
    assert await _run("drop", "-t", "oncomip") == 2  # without a reason
    elsewhere = ("--to", "picardie", "--kind", "document", "--object", str(REFUSED))
    assert await _told(capsys, "retry", "-t", "oncomip", *elsewhere) == {"retried": 0}
    assert left() == [(1, 3)]

    assert await _told(capsys, "drop", "-t", "oncomip", "--to", "oncopl", "--reason", "doublon") == {"dropped": 1}
    assert left() == [(0, 2)]
    with psycopg.connect(tenant_database.owner_url) as owner:
        lines = owner.execute("select action, facts ->> 'reason' from journal where kind = 'exchange'").fetchall()
    assert lines == [("cancel", "doublon")]

    with psycopg.connect(tenant_database.owner_url) as owner:
        owner.execute("update federation_out set dead_at = now() where object_id = %s", (SENT,))
    assert await _run("retry", "-t", "oncomip") == 0
    assert left() == [(0, 2)]
    assert await _run("list", "-t", "oncomip") == 0
    assert "Rien n’est arrêté" in capsys.readouterr().out


@pytest.mark.usefixtures("network")
async def test_keys_are_renewed_and_both_generations_are_believed(
    directory_database: Cloned, capsys: pytest.CaptureFixture[str]
) -> None:
    generations = [await _told(capsys, "rotate", "oncomip") for _ in range(2)]
    assert [each["generation"] for each in generations] == [1, 2]
    with psycopg.connect(directory_database.owner_url) as owner:
        rows = owner.execute(
            "select generation, use, valid_until is null from tenant_key where tenant_id = 'oncomip' order by 1, 2"
        ).fetchall()
    assert rows == [(1, "enc", False), (1, "sig", False), (2, "enc", True), (2, "sig", True)]
