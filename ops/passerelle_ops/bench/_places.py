"""Where a hunt over many worlds is played: empty databases, migrated, some for each of its processes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from passerelle_ops.bench._ground import url_on
from passerelle_ops.stack.servers import Stack
from passerelle_tenants.onboarding import Site, prepare_database


@contextmanager
def server(dsn: str | None, folder: Path) -> Iterator[str]:
    """A server of PostgreSQL, by the DSN of who may create databases there: `dsn`, or one of our own."""
    if dsn is not None:
        yield dsn
        return
    with Stack(folder / "state", durable=False) as stack:
        stack.start_servers()
        if stack.postgres is None:
            raise LookupError("the server did not start")
        yield stack.postgres.url()


@contextmanager
def places(admin: str, count: int, kinds: Sequence[str]) -> Iterator[list[list[str]]]:
    """`count` times one database of each kind (a tenant's, or a `directory`), as their DSNs under a role of their own;
    all dropped afterwards."""
    from passerelle_ops.migrations import upgrade_directory, upgrade_tenant

    role, password = f"passerelle_hunt_{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    made: list[str] = []

    def database(name: str) -> str:
        made.append(f"{role}_{name}")
        url = url_on(admin, made[-1], role, password)
        site = Site(owner_url=url_on(admin, made[-1]), serving_url=url, admin_url=admin)
        migrate = upgrade_directory if name.startswith("directory") else upgrade_tenant
        asyncio.run(prepare_database(site, migrate))
        return url

    try:
        yield [[database(f"{kind}_{number}") for kind in kinds] for number in range(count)]
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            for each in made:
                connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(each)))
            connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))
