"""PostgreSQL's part: one snapshot, what every table holds in it, and its dump; the way back.

`pg_dump` and `pg_restore` of the platform's own PostgreSQL (or of PASSERELLE_PG_BINDIR), as streams: no dump ever lies
in clear on a disk. Passwords go by the environment of the child, not by its arguments.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from passerelle.kernel.errors import BrokenIntegrity, Conflict, TryLater
from passerelle_ops.stack.postgres import binaries

_PIECE: Final = 256 * 1024
_TABLES: Final = (
    b"select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1"
)
# As text, whatever the database or the client is set to.
_SETTLED: Final = (
    b"set session characteristics as transaction isolation level repeatable read, read only",
    b"set timezone to 'UTC'",
    b"set datestyle to 'ISO, YMD'",
    b"set intervalstyle to 'postgres'",
    b"set bytea_output to 'hex'",
    b"set extra_float_digits to 1",
    b"set statement_timeout to 0",
)


@dataclass(frozen=True, slots=True)
class Held:
    """What a table holds: its rows, and a sum over their texts that no order changes."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open snapshot: what is read by `connection` is what `pg_dump` is given with `id`."""

    connection: AsyncConnection[TupleRow]
    id: str


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Snapshot]:
    """One state of a database, for as long as it is needed."""
    try:
        connection = await AsyncConnection.connect(url, autocommit=True)
    except psycopg.OperationalError as away:
        raise TryLater("DATABASE_AWAY", retry_after=30) from away
    async with connection:
        for each in _SETTLED:
            await connection.execute(each)
        async with connection.transaction():
            (exported,) = await (await connection.execute("select pg_export_snapshot()")).fetchall()
            yield Snapshot(connection, str(exported[0]))


async def tables(connection: AsyncConnection[TupleRow]) -> list[str]:
    """The tables of a database, by name."""
    return [row[0] for row in await (await connection.execute(_TABLES)).fetchall()]


async def held(connection: AsyncConnection[TupleRow], table: str) -> Held:
    """What one table holds."""
    wanted = sql.SQL("select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) from {} t")
    (row,) = await (await connection.execute(wanted.format(sql.Identifier(table)))).fetchall()
    return Held(int(row[0]), str(row[1]))


async def revision(connection: AsyncConnection[TupleRow]) -> str:
    """The revision that a database stands at."""
    row = await (await connection.execute("select version_num from alembic_version")).fetchone()
    return "" if row is None else str(row[0])


async def dumped(url: str, snapshot_id: str, bindir: Path | None) -> AsyncIterator[bytes]:
    """The dump of a snapshot, in PostgreSQL's custom form. Refused: BACKUP_TOOL."""
    argv = ["--format=custom", "--compress=1", "--no-owner", f"--snapshot={snapshot_id}"]
    child = await _started("pg_dump", argv, url, bindir, stdout=asyncio.subprocess.PIPE)
    output = cast(asyncio.StreamReader, child.stdout)
    try:
        while piece := await output.read(_PIECE):
            yield piece
        await _ended(child, "pg_dump")
    finally:
        await _killed(child)


async def restored(url: str, pieces: AsyncIterator[bytes], bindir: Path | None) -> None:
    """Put a dump into an empty database, in one transaction: all of it or nothing. Refused: BACKUP_TOOL."""
    argv = ["--single-transaction", "--exit-on-error", "--no-owner"]
    child = await _started("pg_restore", argv, url, bindir, stdin=asyncio.subprocess.PIPE)
    entry = cast(asyncio.StreamWriter, child.stdin)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # it ended, and says so below
            async for piece in pieces:
                entry.write(piece)
                await entry.drain()
            entry.close()
        await _ended(child, "pg_restore")
    finally:
        await _killed(child)


async def _started(
    name: str, argv: list[str], url: str, bindir: Path | None, **pipes: Any
) -> asyncio.subprocess.Process:
    tool = binaries(bindir) / name
    if not tool.exists():
        raise Conflict("BACKUP_TOOL", tool=name)
    given = conninfo_to_dict(url)
    password = given.pop("password", None)
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password is not None else {})}
    return await asyncio.create_subprocess_exec(
        str(tool),
        *argv,
        f"--dbname={make_conninfo(**cast(dict[str, Any], given))}",
        env=environment,
        stderr=asyncio.subprocess.PIPE,
        **pipes,
    )


async def _ended(child: asyncio.subprocess.Process, name: str) -> None:
    # Its messages may quote a row: they go nowhere.
    messages = cast(asyncio.StreamReader, child.stderr)
    while await messages.read(_PIECE):
        pass
    if await child.wait() != 0:
        raise BrokenIntegrity("BACKUP_TOOL", tool=name)


async def _killed(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.kill()
        await child.wait()
