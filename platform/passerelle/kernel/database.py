"""One PostgreSQL database: transactions through SQLAlchemy, single statements straight through psycopg.

Asynchronous throughout (docs/decisions/0001). A hot read is one statement that also writes its journal
line; it runs in autocommit, so that the statement is the transaction and costs one round trip.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString, cast

from psycopg import AsyncConnection as PsycopgConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql import Executable
from sqlalchemy.sql.elements import ClauseElement

from passerelle.kernel.errors import TryLater

_DIALECT = psycopg_dialect.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]


class Statement:
    """A SQLAlchemy Core construct, rendered once. Its bind parameters are given by name at each call."""

    def __init__(self, construct: Executable) -> None:
        compiled = cast(ClauseElement, construct).compile(dialect=_DIALECT)
        self.sql: LiteralString = str(compiled)
        self.defaults: dict[str, Any] = dict(compiled.params)
        self.columns: tuple[str, ...] = tuple(getattr(construct, "selected_columns", {}).keys())


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
        )
        self._statements: AsyncConnectionPool[PsycopgConnection[TupleRow]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=pool_size,
            timeout=timeout,
            kwargs={"autocommit": True, "prepare_threshold": 0},
            check=None,
            open=False,
        )
        self._is_open = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commit on leaving, roll back on any exception."""
        async with self._engine.begin() as connection:
            yield connection

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> list[TupleRow]:
        """Run one statement as its own transaction. Raises `TryLater` when every connection is busy."""
        if not self._is_open:
            await self._statements.open()
            self._is_open = True
        try:
            async with self._statements.connection() as connection:
                cursor = await connection.execute(statement.sql, {**statement.defaults, **parameters})
                return await cursor.fetchall()
        except PoolTimeout as full:
            raise TryLater("DATABASE_BUSY", retry_after=1) from full

    async def close(self) -> None:
        await self._engine.dispose()
        if self._is_open:
            await self._statements.close()
            self._is_open = False
