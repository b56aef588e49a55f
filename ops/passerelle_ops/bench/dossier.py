"""`passerelle bench dossier`: what the gateway adds to the statement that opens a record.

The same openings (identity, 50 documents with their authors, journal line) through the real gateway over HTTP,
by psycopg alone, and a row by its primary key, in turns (`_rounds`). Goals are those of the compiled gateway.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from passerelle.kernel.errors import Conflict
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_ops.bench._bare import PAGE, BareReading
from passerelle_ops.bench._ground import TENANT, Ground, Size, measured_on_ground, pids_of
from passerelle_ops.bench._http import connected, request
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._rounds import Ask, Plan, Rounds, Side, measure, samples_of
from passerelle_ops.demo.issuer import FOLDER, DemoIssuer, Practice
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.processes import asgi, web
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.supervisor import Process

_OPERATION: Final = "OpenDossier"
_COMPARED: Final = 12


def run(settings: Settings, *, dsn: str | None = None, as_json: bool = False, quick: bool = False) -> int:
    """Measure and print; 0 when every goal holds, else 1. `settings` are not used: the ground is the bench's own.

    Refused: BENCH_ANSWERS_DIFFER when the two ways do not show the same documents.
    """
    del settings
    if quick:
        return measured(Size(patients=2_000, openings=100), Plan(seconds=0.7), dsn=dsn, as_json=as_json)
    return measured(Size(patients=20_000), Plan(), dsn=dsn, as_json=as_json)


def measured(size: Size, plan: Plan, *, dsn: str | None, as_json: bool) -> int:
    """The same, of another size."""

    def on_ground(ground: Ground) -> int:
        return asyncio.run(_measured(ground, plan)).print(as_json=as_json)

    return measured_on_ground(size, dsn, _processes, on_ground)


def _processes(stack: Stack) -> Sequence[Process]:
    os.environ["PASSERELLE_ISSUER"] = f"http://127.0.0.1:{stack.port('issuer')}"
    issuer = asgi(stack, "issuer", "passerelle_ops.demo.issuer:create_app", ready="/.well-known/openid-configuration")
    return [issuer, web(stack)]


async def _measured(ground: Ground, plan: Plan) -> Report:
    installation = Installation(ground.settings, ground.info)
    try:
        tenant = await (await installation.registry()).tenant(TENANT)
        bare = BareReading(ground.tenant_url, tenant, ground.openings, ground.physicians)
        gateway = GatewayReading(ground)
        sides = (
            Side("gateway", "passerelle, HTTP", gateway.client, pids_of(ground.info, "web")),
            Side("sql", "la même requête SQL, psycopg", bare.statement),
            Side("pk", "une ligne par sa clé, psycopg", bare.by_key),
        )
        await _compared(gateway, bare, min(_COMPARED, len(ground.openings)))
        task = ground.bar.add_task("Mesures", total=samples_of(sides, plan))
        rounds = await measure(sides, plan, lambda: ground.bar.advance(task))
    finally:
        await installation.close()
    return Report(bench="dossier", figures=figures(rounds), details=[rounds.table("Ouvrir un dossier", sides)])


def figures(rounds: Rounds) -> list[Figure]:
    """The figures of the issue, and what they are made of."""
    return [
        Figure(name="p50_ratio_c1", value=rounds.p50_ratio("gateway", "sql", 1), unit="ratio", goal=1.6),
        Figure(name="p50_ratio_c8", value=rounds.p50_ratio("gateway", "sql", 8), unit="ratio", goal=1.6),
        Figure(
            name="throughput_ratio_c32",
            value=rounds.rate_ratio("gateway", "sql", 32),
            unit="ratio",
            goal=0.65,
            is_floor=True,
        ),
        Figure(name="sql_over_pk_p50", value=rounds.p50_ratio("sql", "pk", 1), unit="ratio"),
        Figure(name="cpu_ms_per_request", value=rounds.cpu("gateway", 32), unit="ms"),
        Figure(name="gateway_p50_ms", value=rounds.p50("gateway", 1), unit="ms"),
        Figure(name="sql_p50_ms", value=rounds.p50("sql", 1), unit="ms"),
        Figure(name="pk_p50_ms", value=rounds.p50("pk", 1), unit="ms"),
    ]


class GatewayReading:
    """The same openings as GraphQL requests of the committed operation, each with its physician's token."""

    def __init__(self, ground: Ground) -> None:
        issuer = DemoIssuer(ground.settings.state / FOLDER, ground.info.url("issuer"), ground.settings.audience)
        readers = {each.rpps for each in ground.openings}
        tokens = {
            each.rpps: issuer.mint_professional(
                rpps=each.rpps,
                family_name=each.family_name,
                given_name=each.given_name,
                profession="10",
                practices=[Practice(finess=each.finess)],
            )
            for each in ground.physicians
            if each.rpps in readers
        }
        self._url = ground.info.url("web")
        self._requests = [self._request(each.patient_id, tokens[each.rpps]) for each in ground.openings]

    def _request(self, patient_id: str, token: str) -> bytes:
        asked = {
            "query": committed()[_OPERATION],
            "operationName": _OPERATION,
            "variables": {"patientId": node_id(Node.PATIENT, UUID(patient_id)), "first": PAGE},
        }
        headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "accept": "application/graphql-response+json",
        }
        return request("POST", f"{self._url}/{TENANT}/graphql", headers, json.dumps(asked).encode())

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Ask]:
        """A client that opens records."""
        async with connected(self._url) as connection:

            async def ask(turn: int) -> None:
                answer = await connection.ask(self._requests[turn % len(self._requests)])
                if answer.status != 200 or b'"Dossier"' not in answer.body[:100]:
                    raise ValueError(f"a record that should open did not: {answer.status}")

            yield ask

    async def documents(self, turn: int) -> list[Mapping[str, Any]]:
        """The page of one opening, as the graph shows it."""
        async with connected(self._url) as connection:
            answer = await connection.ask(self._requests[turn % len(self._requests)])
        edges = json.loads(answer.body)["data"]["dossier"]["documents"]["edges"]
        return [each["node"] for each in edges]


async def _compared(gateway: GatewayReading, bare: BareReading, count: int) -> None:
    """Both ways show the same documents in the same order, with the same authors, and a full page of them."""
    for turn in range(count):
        rows = await bare.documents(turn)
        nodes = await gateway.documents(turn)
        if len(rows) != PAGE or [_of_row(each) for each in rows] != [_of_node(each) for each in nodes]:
            raise Conflict("BENCH_ANSWERS_DIFFER", opening=turn)


def _of_row(row: Mapping[str, Any]) -> tuple[object, ...]:
    authors = tuple((each["id"], each["family_name"]) for each in row["authors"])
    return UUID(row["document_id"]), row["unique_id"], row["type_code"], row["title"], row["size"], authors


def _of_node(node: Mapping[str, Any]) -> tuple[object, ...]:
    authors = tuple((each["rpps"], each["familyName"]) for each in node["authors"])
    document_id = key_of(Node.DOCUMENT, node["id"])
    return document_id, node["uniqueId"], node["type"]["code"], node["title"], node["size"], authors
