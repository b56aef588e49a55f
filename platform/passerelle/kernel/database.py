"""One PostgreSQL database: transactions through SQLAlchemy, single statements straight over libpq's pipelines.

Asynchronous throughout (docs/decisions/0001, 0100). A hot read is one statement that also writes its journal
line; the statement is the transaction and costs one round trip.

A database that is away or overwhelmed is `TryLater` (see `outages`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, cast

from psycopg import AsyncConnection as PsycopgConnection
from psycopg.rows import TupleRow
from sqlalchemy import BindParameter
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from passerelle.kernel import tracing
from passerelle.kernel.ceiling import Ceiling
from passerelle.kernel.outages import outages_told
from passerelle.kernel.pipeline_pool import Pipelines
from passerelle.kernel.pipeline_values import in_order, written
from passerelle.kernel.transaction_pool import Transactions

# A plan is made once for each connection and kept, whatever the parameters: making one costs more than running it.
# Rows of one patient are read in the order of an index, so that a page stops at its end however long the record.
PLANNER = "select set_config(name, value, false) from (values ('plan_cache_mode', 'force_generic_plan'),"
PLANNER += " ('random_page_cost', '1.1'), ('enable_bitmapscan', 'off'), ('jit', 'off')) as given(name, value)"


# What a single statement may take, unless the installation says otherwise.
STATEMENT_SECONDS: Final = 15.0


class _Compiler(psycopg_dialect.PGCompiler_psycopg):
    """Writes the constants of a statement into its text: what is sent with each call is what varies."""

    def visit_bindparam(self, bindparam: BindParameter[Any], *args: Any, **options: Any) -> str:
        if bindparam.unique and bindparam.value is not None:
            options["literal_binds"] = True
        return str(super().visit_bindparam(bindparam, *args, **options))  # type: ignore[no-untyped-call]


# Numbered placeholders are PostgreSQL's own: psycopg sends the text as it is, without reading it at each call.
_DIALECT = psycopg_dialect.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_DIALECT.statement_compiler = _Compiler


class Statement:
    """A SQLAlchemy Core construct, rendered once. Its bind parameters are given by name at each call."""

    def __init__(self, construct: Executable) -> None:
        compiled = cast(SQLCompiler, cast(ClauseElement, construct).compile(dialect=_DIALECT))
        self.sql = str(compiled).encode()
        self.names: tuple[str, ...] = tuple(compiled.positiontup or ())
        self.columns: tuple[str, ...] = tuple(getattr(construct, "selected_columns", {}).keys())
        #: What `$1`, `$2`… stand for, out of parameters by name. One without a value is a KeyError.
        self.values: Callable[[Mapping[str, Any]], Sequence[Any]] = in_order(self.names)


class Sendable(Protocol):
    """What `fetch_raw` sends: text with `$1`, `$2`… The same octets are prepared once on each connection."""

    @property
    def sql(self) -> bytes: ...


class Database:
    """One DSN (`postgresql://…`): `transaction` for acts, `fetch` and `fetch_raw` for single statements.

    At most `pool_size` connections for statements and as many for acts, all under the installation's `ceiling`.
    A connection for statements has `depth` in flight. What finds no place waits `timeout` seconds at most, and
    hears DATABASE_BUSY at once where too many wait already. A statement may take `statement_seconds`.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        depth: int = 2,
        timeout: float = 5.0,
        statement_seconds: float = STATEMENT_SECONDS,
        ceiling: Ceiling | None = None,
    ) -> None:
        self.url = url
        ceiling = ceiling or Ceiling(2 * pool_size)
        self._transactions = Transactions(
            url, size=pool_size, room=4 * pool_size, timeout=timeout, share=ceiling.transactions
        )
        self._pipelines = Pipelines(
            url,
            set_up=PLANNER,
            size=pool_size,
            depth=depth,
            room=2 * pool_size * depth,
            timeout=timeout,
            statement_seconds=statement_seconds,
            share=ceiling.statements,
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commit on leaving, roll back on any exception. Raises `TryLater` (DATABASE_AWAY, DATABASE_BUSY)."""
        with outages_told(), tracing.sql_span("sql.transaction"):
            async with self._transactions.begin() as connection:
                yield connection

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> list[TupleRow]:
        """Run one statement as its own transaction. `TryLater`: DATABASE_AWAY, DATABASE_BUSY, OPERATION_TOO_SLOW.

        A connection that died with an earlier server is found out by using it: the statement then runs once
        more on a living one. Should its first run have been committed unheard, its journal line stands twice.
        """
        asked = self._pipelines.ask(statement.sql, written(statement.values(parameters)), as_bytes=False)
        if tracing.tracer is None:
            return cast(list[TupleRow], await asked)
        with tracing.sql_span("sql.statement", statement.sql.decode()):
            return cast(list[TupleRow], await asked)

    async def fetch_raw(self, statement: Sendable, values: Sequence[Any]) -> tuple[bytes | None, ...]:
        """The same, for the one row of a statement, column by column in PostgreSQL's text format.

        `values` stand for `$1`, `$2`… (types: `pipeline_values`). Any other number of rows is a LookupError.
        """
        asked = self._pipelines.ask(statement.sql, written(values), as_bytes=True)
        if tracing.tracer is None:
            return cast(tuple[bytes | None, ...], await asked)
        with tracing.sql_span("sql.statement"):  # its text holds the names that a client gave to fields
            return cast(tuple[bytes | None, ...], await asked)

    async def close(self) -> None:
        """Wait for the statements in flight, then close every connection."""
        await self._pipelines.close()
        await self._transactions.close()


async def plan_once(connection: PsycopgConnection[TupleRow]) -> None:
    """Set up a connection that only runs `Statement`s."""
    await connection.execute(PLANNER)
