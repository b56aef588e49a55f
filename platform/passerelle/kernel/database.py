"""One PostgreSQL database: transactions through SQLAlchemy, single statements straight through psycopg.

Asynchronous throughout (docs/decisions/0001). A hot read is one statement that also writes its journal
line; it runs in autocommit, so that the statement is the transaction and costs one round trip.

A database that is away or overwhelmed is `TryLater` (see `outages`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from psycopg import AsyncConnection as PsycopgConnection
from psycopg import AsyncRawCursor
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import BindParameter
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from passerelle.kernel.errors import TryLater
from passerelle.kernel.outages import AWAY, outages_told

# A plan is made once for each connection and kept, whatever the parameters: making one costs more than running it.
# Rows of one patient are read in the order of an index, so that a page stops at its end however long the record.
PLANNER = "select set_config(name, value, false) from (values ('plan_cache_mode', 'force_generic_plan'),"
PLANNER += " ('random_page_cost', '1.1'), ('enable_bitmapscan', 'off'), ('jit', 'off')) as given(name, value)"


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

    def values(self, parameters: Mapping[str, Any]) -> list[Any]:
        """What `$1`, `$2`… stand for. A parameter without a value is a KeyError."""
        return [parameters[name] for name in self.names]


class Database:
    """Two pools over one DSN (`postgresql://…`): `transaction` for acts, `fetch` for single statements."""

    def __init__(self, url: str, *, pool_size: int = 8, timeout: float = 5.0) -> None:
        self.url = url
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=timeout,
            pool_pre_ping=True,
            hide_parameters=True,  # an error's text must not quote a row
        )
        self._statements: AsyncConnectionPool[PsycopgConnection[TupleRow]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=pool_size,
            timeout=timeout,
            kwargs={"autocommit": True, "prepare_threshold": 0, "cursor_factory": AsyncRawCursor},
            configure=plan_once,
            check=None,
            open=False,
        )
        self._is_open = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commit on leaving, roll back on any exception. Raises `TryLater` (DATABASE_AWAY, DATABASE_BUSY)."""
        with outages_told():
            async with self._engine.begin() as connection:
                yield connection

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> list[TupleRow]:
        """Run one statement as its own transaction. Raises `TryLater` (DATABASE_AWAY, DATABASE_BUSY).

        A connection that died with an earlier server is found out by using it: the statement then runs once
        more on a living one. Should its first run have been committed unheard, its journal line stands twice.
        """
        if not self._is_open:
            await self._statements.open()
            self._is_open = True
        try:
            return await self._fetched(statement, parameters)
        except TryLater as away:
            if away.code != AWAY:
                raise
            await self._statements.check()
            return await self._fetched(statement, parameters)

    async def _fetched(self, statement: Statement, parameters: Mapping[str, Any]) -> list[TupleRow]:
        with outages_told():
            async with self._statements.connection() as connection:
                cursor = await connection.execute(statement.sql, statement.values(parameters))
                return await cursor.fetchall()

    async def close(self) -> None:
        await self._engine.dispose()
        if self._is_open:
            await self._statements.close()
            self._is_open = False


async def plan_once(connection: PsycopgConnection[TupleRow]) -> None:
    """Set up a connection that only runs `Statement`s."""
    await connection.execute(PLANNER)
