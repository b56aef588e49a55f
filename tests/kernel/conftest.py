"""Databases of the kernel's own: bare ones, opened with the bounds that a test asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest

from passerelle.kernel.database import Database
from passerelle_ops.stack.postgres import Postgres


@pytest.fixture
async def opened(postgres: Postgres) -> AsyncIterator[Callable[..., Database]]:
    """Opens a database, closed after the test."""
    databases: list[Database] = []

    def open_database(name: str = "postgres", **bounds: Any) -> Database:
        databases.append(Database(postgres.url(name), **bounds))
        return databases[-1]

    yield open_database
    for database in databases:
        await database.close()


@pytest.fixture
async def admin(postgres: Postgres) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(postgres.url(), autocommit=True) as connection:
        yield connection
