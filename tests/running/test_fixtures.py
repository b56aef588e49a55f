"""The ground of the tests themselves."""

from __future__ import annotations

import socket

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import text

from passerelle_ops.stack.valkey import Valkey
from tests.conftest import Cloned


async def test_a_tenant_database_is_served_under_a_role_that_owns_nothing(tenant_database: Cloned) -> None:
    async with tenant_database.database.transaction() as connection:
        owned = await connection.execute(text("select count(*) from pg_tables where tableowner = current_user"))
        assert owned.scalar() == 0
        tables = await connection.execute(text("select count(*) from pg_tables where schemaname = 'public'"))
        assert (tables.scalar() or 0) > 10


async def test_a_serving_role_enters_no_other_database(tenant_database: Cloned, directory_database: Cloned) -> None:
    elsewhere = tenant_database.url.rpartition("/")[0] + f"/{directory_database.name}"
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        await psycopg.AsyncConnection.connect(elsewhere)


def test_the_broker_asks_for_its_password(valkey: Valkey) -> None:
    assert valkey.is_ready()
    client = redis.Redis(port=valkey.port, retry=Retry(NoBackoff(), 0))
    with pytest.raises(redis.AuthenticationError):
        client.ping()
    client.close()


def test_only_the_loopback_is_open() -> None:
    with socket.socket() as sock, pytest.raises(AssertionError, match="only the loopback"):
        sock.connect(("192.0.2.1", 80))
