"""The view of a pharmacy record, in a network of few dispensations and in one of many: is it the same time?

What is asked is the committed operation, as the compiler makes it: page, time line, vaccines, devices, journal line.
Its statement is sent by psycopg and nothing else, so that nothing but the database is compared.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.types.string import TextLoader

from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SystemClock
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.database import plan_once
from passerelle_graphql.committed import committed
from passerelle_graphql.compiler import late
from passerelle_graphql.compiler.plans import Plans
from passerelle_graphql.compiler.roots import Given
from passerelle_graphql.context import Asked
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import ROOTS, schema
from passerelle_ops.bench._pharmacy_population import HEAVY_LINES, PHARMACIST, PHARMACY
from passerelle_ops.bench._report import Figure
from passerelle_ops.bench._rounds import Ask, Plan, Rounds, Side
from passerelle_policies.vocabulary import ActorKind, Setting

OPERATION: Final = "OpenPharmacyRecord"
FEW, MANY = "few", "many"


def pharmacist(tenant: Tenant) -> Context:
    """The request of the pharmacist at whose counter the heavy patients are."""
    return Context(
        tenant=tenant,
        actor=Actor(
            kind=ActorKind.PROFESSIONAL,
            id=PHARMACIST,
            name="Camille BANC",
            profession="21",
            establishment=PHARMACY,
            setting=Setting.PHARMACY,
        ),
        clock=SystemClock(),
        request_id=uuid4().hex,
    )


class ViewStatement:
    """The statement of the operation, and what it binds for one patient."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._preparation = Preparation(schema, Limits(), introspection=False)
        self._plans = Plans(schema, ROOTS, kept=8)

    def of(self, patient_id: UUID) -> tuple[bytes, Sequence[Any]]:
        """Its text, and its values."""
        variables = {"patientId": node_id(Node.PATIENT, patient_id)}
        prepared = self._preparation.prepare(
            Parameters(query=committed()[OPERATION], operation_name=OPERATION, variables=variables)
        )
        self._root = self._plans.plan(prepared).roots[0]
        asked = Asked(pharmacist(self._tenant), prepared, f"/{self._tenant.id}")
        root = self._root.root
        given = Given(root=self._root.arguments(prepared.coerced), below={})
        return self._root.statement.sql, self._root.statement.values(root.parameters(asked, given))

    async def shown(self, url: str, patient_id: UUID) -> Mapping[str, Any]:
        """What the operation answers."""
        sql, values = self.of(patient_id)
        async with connected(url) as connection:
            row = await (await connection.execute(sql, values)).fetchone()
        if row is None or row[0] is None:
            raise ValueError("a pharmacy record that should open did not")
        body = await late.filled(str(row[0]).encode(), self._root.late, pharmacist(self._tenant))
        answer: Mapping[str, Any] = json.loads(body)
        return answer


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection set up as the pool's are."""
    connection = await AsyncConnection.connect(url, autocommit=True, prepare_threshold=0, cursor_factory=AsyncRawCursor)
    async with connection:
        for name in ("json", "jsonb"):
            connection.adapters.register_loader(name, TextLoader)
        await plan_once(connection)
        yield connection


def view_side(name: str, title: str, url: str, tenant: Tenant, patients: list[UUID]) -> Side:
    """Openings of the heavy patients of one network, in turn."""
    statement = ViewStatement(tenant)
    sent = [statement.of(each) for each in patients]

    def connect() -> AbstractAsyncContextManager[Ask]:
        return _client(url, sent)

    return Side(name, title, connect)


@asynccontextmanager
async def _client(url: str, sent: list[tuple[bytes, Sequence[Any]]]) -> AsyncIterator[Ask]:
    async with connected(url) as connection:

        async def ask(turn: int) -> None:
            row = await (await connection.execute(*sent[turn % len(sent)])).fetchone()
            if row is None or row[0] is None:
                raise ValueError("a pharmacy record that should open did not")

        yield ask


def must_show_much(answer: Mapping[str, Any]) -> None:
    """A heavy patient's lines are on his time line, but for the few that are vaccines."""
    told = sum(each["dispensings"] for each in answer["timeline"])
    if not 0.9 * HEAVY_LINES < told <= HEAVY_LINES:
        raise ValueError(f"{told} dispensings are shown")


def view_figures(rounds: Rounds) -> list[Figure]:
    """The figure of the issue, and what it is made of."""
    return [
        Figure(name="view_flatness_1e4_1e6", value=rounds.p50_ratio(MANY, FEW, 1), unit="ratio", goal=1.25),
        Figure(name="view_few_p50_ms", value=rounds.p50(FEW, 1), unit="ms"),
        Figure(name="view_many_p50_ms", value=rounds.p50(MANY, 1), unit="ms"),
    ]


def view_plan(*, quick: bool) -> Plan:
    """How much to measure."""
    return Plan(connections=(1,), rounds=5, seconds=0.7 if quick else 3.0)
