"""How what wraps the dossier keys of a tenant is changed while it serves: in the file, and in what it wrapped.

`prepare` puts a new version into the file, `put_in_use` has it wrap, `rewrap` brings what is stored under it, and
`retire` takes the former out of the file once nothing is under it. Each may be cut off anywhere and run again.
See docs/decisions/0144.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, LargeBinary, Row, Select, Table, bindparam, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import BrokenIntegrity, Conflict
from passerelle.kernel.key_material import LAST_VERSION, KeyMaterial
from passerelle.kernel.private_files import create_private_file, in_turn, read_private_file, replace_private_file

BATCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKeys:
    """Where keys lie wrapped: one in each row of a table, or none. `changed` says what a row becomes with a new one."""

    table: Table
    owner: ColumnElement[UUID]
    wrapped: ColumnElement[Any]
    changed: Callable[[ColumnElement[bytes]], Mapping[str, Any]]

    def _under_other(self, version: int) -> ColumnElement[bool]:
        return func.get_byte(self.wrapped, 0) != version

    async def count(self, connection: AsyncConnection, version: int) -> int:
        """How many are wrapped under another version."""
        others = select(func.count()).select_from(self.table).where(self._under_other(version))
        return int((await connection.execute(others)).scalar_one())

    async def batch(
        self, connection: AsyncConnection, version: int, after: Sequence[Any] | None, size: int
    ) -> Sequence[Row[Any]]:
        """The next rows of those, locked: what identifies each, then `owner` and `wrapped`."""
        columns: list[ColumnElement[Any]] = list(self.table.primary_key)
        wanted: Select[Any] = select(*columns, self.owner.label("owner"), self.wrapped.label("wrapped"))
        wanted = wanted.where(self._under_other(version)).order_by(*columns).limit(size).with_for_update()
        if after is not None:
            wanted = wanted.where(tuple_(*columns) > tuple_(*(bindparam(None, each) for each in after)))
        return [*await connection.execute(wanted)]

    async def write(self, connection: AsyncConnection, keys: Iterable[tuple[Row[Any], bytes]]) -> None:
        """Put the new wrapped keys into their rows."""
        columns = list(self.table.primary_key)
        of_row = [column == bindparam(f"of_{column.name}", type_=column.type) for column in columns]
        statement = update(self.table).where(*of_row).values(self.changed(bindparam("wrapped_anew", type_=LargeBinary)))
        values = [
            {**{f"of_{column.name}": row[at] for at, column in enumerate(columns)}, "wrapped_anew": wrapped}
            for row, wrapped in keys
        ]
        if values:
            await connection.execute(statement, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapped:
    """How many keys were wrapped anew, and how many do not open and stay as they are."""

    done: int
    unopened: int


def prepare(file: Path) -> int:
    """Draw a new version beside the one in use; its number. Nothing is wrapped under it yet.

    Refused: KEY_ROTATION_UNFINISHED when the file has two already, KEY_VERSIONS_SPENT, and as `Keys.load`.
    """
    with in_turn(file.parent):
        held = _held(file)
        if len(held.wrapping) > 1:
            raise Conflict("KEY_ROTATION_UNFINISHED", file=file.name)
        if held.in_use == LAST_VERSION:
            raise Conflict("KEY_VERSIONS_SPENT", file=file.name)
        drawn = held.with_new_wrapping()
        replace_private_file(file, drawn.text())
    return max(drawn.wrapping)


def put_in_use(file: Path) -> int:
    """Have the newest version wrap; its number. Refused: KEY_NOT_PREPARED, and as `Keys.load`."""
    with in_turn(file.parent):
        held = _held(file)
        if len(held.wrapping) == 1:
            raise Conflict("KEY_NOT_PREPARED", file=file.name)
        newest = held.using_newest()
        if newest.in_use != held.in_use:
            replace_private_file(file, newest.text())
    return newest.in_use


async def rewrap(
    tenant: Tenant,
    held: Sequence[WrappedKeys],
    on_progress: Callable[[int, int], None] = lambda *_: None,
    *,
    batch: int | None = None,
) -> Rewrapped:
    """Bring every wrapped key under the version in use, a batch at a time, each in a transaction of its own.

    What was done stays done when it is cut off. A key that does not open is left as it is, and counted.
    """
    version = tenant.keys.wrapping_version
    total, done, unopened = await left(tenant, held, version), 0, 0
    for each in held:
        after: Sequence[Any] | None = None
        while True:
            async with tenant.database.transaction() as connection:
                rows = await each.batch(connection, version, after, batch or BATCH)
                anew = await asyncio.to_thread(_anew, tenant, rows)
                await each.write(connection, anew)
            if not rows:
                break
            after = rows[-1][:-2]
            done, unopened = done + len(anew), unopened + len(rows) - len(anew)
            on_progress(done + unopened, max(total, done + unopened))
    return Rewrapped(done=done, unopened=unopened)


async def left(tenant: Tenant, held: Sequence[WrappedKeys], version: int) -> int:
    """How many keys are under another version than this one."""
    async with tenant.database.transaction() as connection:
        return sum([await each.count(connection, version) for each in held])


async def retire(tenant: Tenant, held: Sequence[WrappedKeys], file: Path, copy: Path) -> int:
    """Keep the file as it is in a new one, and take every version but the one in use out of it; the version in use.

    Refused, nothing changed: KEY_NOT_PREPARED (there is one alone), KEY_NOT_IN_USE (the newest does not wrap yet),
    KEY_VERSION_HELD (something is still under a former version), KEY_FILE_EXISTS (the copy), and as `Keys.load`.
    """
    with in_turn(file.parent):
        now = _held(file)
        if len(now.wrapping) == 1:
            raise Conflict("KEY_NOT_PREPARED", file=file.name)
        if now.in_use != max(now.wrapping):
            raise Conflict("KEY_NOT_IN_USE", file=file.name)
        await _wait_for_writers(tenant, held)
        if count := await left(tenant, held, now.in_use):
            raise Conflict("KEY_VERSION_HELD", count=count, tenant=tenant.id)
        create_private_file(copy, now.text())
        replace_private_file(file, now.without_former().text())
    return now.in_use


async def _wait_for_writers(tenant: Tenant, held: Sequence[WrappedKeys]) -> None:
    """What wrapped a key under the former version and has not committed yet is not seen by a count: wait for it."""
    for each in held:
        async with tenant.database.transaction() as connection:
            await connection.execute(text(f"lock table {each.table.name} in share row exclusive mode"))


def _anew(tenant: Tenant, rows: Sequence[Row[Any]]) -> list[tuple[Row[Any], bytes]]:
    found = []
    for row in rows:
        try:
            found.append((row, tenant.keys.rewrapped(tenant.id, row.owner, bytes(row.wrapped))))
        except BrokenIntegrity:
            continue
    return found


def _held(file: Path) -> KeyMaterial:
    return KeyMaterial.read(read_private_file(file), file.name)
