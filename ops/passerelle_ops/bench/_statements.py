"""What an operation asks of the database, sent by psycopg and nothing else: the bar that the gateway is held to.

`statements_of` is the one place that says which statements those are: the compiler's, which builds the JSON of the
whole answer, or, of an operation that is not compiled, those that its resolvers run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import uuid4

from psycopg import AsyncConnection, AsyncCursor, AsyncRawCursor
from psycopg.rows import TupleRow
from psycopg.sql import SQL
from psycopg.types.string import TextLoader
from sqlalchemy import event
from sqlalchemy.engine import Engine

from passerelle.audit import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import traces
from passerelle.identities.directory import Directory
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SystemClock
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.database import plan_once
from passerelle_graphql.committed import committed
from passerelle_graphql.compiler import late
from passerelle_graphql.compiler.building import NotCompiled
from passerelle_graphql.compiler.plans import Plans, RootPlan
from passerelle_graphql.compiler.roots import Given
from passerelle_graphql.context import Asked
from passerelle_graphql.ids import read_line_cursor
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation, Prepared
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import ROOTS, schema
from passerelle_ops.bench._bare import PAGE
from passerelle_ops.bench._ground import Ground
from passerelle_ops.bench._operations import Operation, Turn
from passerelle_ops.bench._population import Physician
from passerelle_ops.bench._rounds import Ask
from passerelle_policies.vocabulary import ActorKind

#: More clients than this share as many connections: PostgreSQL has a process for each.
AT_MOST: Final = 64
_AS_OF: Final = re.compile(rb'"asOf":"[^"]*"')


def timeless(answer: bytes) -> bytes:
    """An answer without the instants at which its sources were asked: each asking has its own."""
    return _AS_OF.sub(b"", answer)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as psycopg takes it: octets hold numbered placeholders, text named ones."""

    sql: bytes | LiteralString
    values: Sequence[Any] | Mapping[str, Any]


async def _heard(turn: Turn, context: Context) -> list[Statement]:
    """What reading a journal sends through SQLAlchemy, its page of lines last."""
    heard: list[Statement] = []

    def hear(*said: Any) -> None:
        heard.append(Statement(said[2], said[3]))

    after, until = turn.variables.get("after"), turn.variables.get("until")
    chosen = journal.Chosen(until=datetime.fromisoformat(until) if until else None)
    event.listen(Engine, "before_cursor_execute", hear)
    try:
        async with transaction(context) as act:
            await traces.read_traces(
                act,
                turn.patient_id,
                chosen,
                first=PAGE,
                before_line=read_line_cursor(after) if after else None,
            )
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    pages = [each for each in heard if str(each.sql).startswith("SELECT journal.line_id")]
    return [each for each in heard if each is not pages[0]] + pages[:1]


class Bare:
    """The statements of an operation, over connections of psycopg that stay open."""

    def __init__(self, ground: Ground, tenant: Tenant, directory: Directory) -> None:
        self._url = ground.tenant_url
        self._tenant = tenant
        self._directory = directory
        self._physicians = {each.rpps: each for each in ground.physicians}
        self._preparation = Preparation(schema, Limits(), introspection=False)
        self._plans = Plans(schema, ROOTS, kept=Limits().kept_operations, uses_kept=False)
        self._idle: asyncio.LifoQueue[AsyncConnection[TupleRow]] = asyncio.LifoQueue()

    @asynccontextmanager
    async def open(self, connections: int) -> AsyncIterator[None]:
        """Connect for as many clients, `AT_MOST` at most."""
        async with AsyncExitStack() as stack:
            for _ in range(min(connections, AT_MOST)):
                connection = await AsyncConnection.connect(self._url, autocommit=True, prepare_threshold=0)
                await stack.enter_async_context(connection)
                for name in ("json", "jsonb"):
                    connection.adapters.register_loader(name, TextLoader)
                await plan_once(connection)
                self._idle.put_nowait(connection)
            yield

    async def statements_of(self, operation: Operation, turn: Turn) -> list[Statement]:
        """The statements that answer one turn, journal line included; more than one run in one transaction."""
        context = self._context(turn)
        prepared = self._prepared(operation, turn)
        root = self._root(prepared)
        if root is None:
            return await _heard(turn, context)
        values = root.root.parameters(
            Asked(context, prepared, f"/{self._tenant.id}"),
            Given(
                root=root.arguments(prepared.coerced),
                below={name: read(prepared.coerced) for name, read in root.below.items()},
            ),
        )
        return [Statement(root.statement.sql, root.statement.values(values))]

    async def asking(self, operation: Operation) -> Callable[[], AbstractAsyncContextManager[Ask]]:
        """Connections that ask the turns of an operation."""
        turns = [await self.statements_of(operation, each) for each in operation.turns]

        @asynccontextmanager
        async def client() -> AsyncIterator[Ask]:
            async def ask(turn: int) -> None:
                rows = await self._rows(turns[turn % len(turns)])
                if not rows[-1] or rows[-1][0][0] is None:
                    raise ValueError(f"the statements of {operation.name} gave nothing")

            yield ask

        return client

    async def shows(self, operation: Operation, turn: Turn, body: bytes) -> bool:
        """Whether the statements show what an answer of the gateway shows: octet by octet when they build it."""
        rows = await self._rows(await self.statements_of(operation, turn))
        root = self._root(self._prepared(operation, turn))
        if root is None:
            return [row[0] for row in rows[-1]] == [read_line_cursor(each["id"]) for each in operation.nodes(body)]
        filled = await late.filled(str(rows[0][0][0]).encode(), root.late, self._context(turn))
        return timeless(b'{"data":{"%s":%s}}' % (root.key.encode(), filled)) == timeless(body)

    async def _rows(self, statements: Sequence[Statement]) -> list[Sequence[TupleRow]]:
        connection = await self._idle.get()
        try:
            if len(statements) == 1:
                return [await _run(connection, statements[0])]
            async with connection.transaction():
                return [await _run(connection, each) for each in statements]
        finally:
            self._idle.put_nowait(connection)

    def _prepared(self, operation: Operation, turn: Turn) -> Prepared:
        return self._preparation.prepare(
            Parameters(query=committed()[operation.name], operation_name=operation.name, variables=turn.variables)
        )

    def _root(self, prepared: Prepared) -> RootPlan | None:
        """The one root of a compiled operation."""
        try:
            return self._plans.plan(prepared).roots[0]
        except NotCompiled:
            return None

    def _context(self, turn: Turn) -> Context:
        physician: Physician = self._physicians[turn.opening.rpps]
        return Context(
            tenant=self._tenant,
            actor=Actor(
                kind=ActorKind.PROFESSIONAL,
                id=physician.rpps,
                name=f"{physician.given_name} {physician.family_name}",
                profession="10",
                establishment=physician.finess,
            ),
            clock=SystemClock(),
            request_id=uuid4().hex,
            directory=self._directory,
        )


async def _run(connection: AsyncConnection[TupleRow], statement: Statement) -> Sequence[TupleRow]:
    if isinstance(statement.sql, bytes):
        cursor: AsyncCursor[TupleRow] = await AsyncRawCursor(connection).execute(statement.sql, statement.values)
    else:
        cursor = await AsyncCursor(connection).execute(SQL(statement.sql), statement.values)
    return await cursor.fetchall() if cursor.description else ()
