"""How what wraps the dossier keys of a tenant, and what signs, is changed while it serves: in the file, and in what it
wrapped.

`prepare` puts a new version into the file, `put_in_use` has it wrap, `rewrap` brings what is stored under it, and
`retire` takes the former out of the file once nothing is under it. Each may be cut off anywhere and run again.
What signs is stated in the journal (`audit.successions`); here are its steps in the file.
See docs/decisions/0144 and 0147.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import (
    Column,
    ColumnElement,
    LargeBinary,
    Row,
    Select,
    SmallInteger,
    Table,
    bindparam,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel import metadata
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import BrokenIntegrity, Conflict
from passerelle.kernel.key_material import LAST_VERSION, KeyMaterial
from passerelle.kernel.key_place import KeyPlace

BATCH: Final = 500

wrapping_retired = Table(
    "wrapping_retired",
    metadata.tenant,
    Column("version", SmallInteger, primary_key=True, autoincrement=False),
    comment="Versions of the network's wrapping key that its file has no more: nothing is put under them.",
)


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


def prepare(place: KeyPlace) -> int:
    """Draw a new version beside the one in use; its number. Nothing is wrapped under it yet.

    Refused: KEY_ROTATION_UNFINISHED when the file has two already, KEY_VERSIONS_SPENT, and as `KeyPlace`.
    """
    with place.in_turn():
        held = place.read()
        if len(held.wrapping) > 1:
            raise Conflict("KEY_ROTATION_UNFINISHED", file=place.name)
        if held.in_use == LAST_VERSION:
            raise Conflict("KEY_VERSIONS_SPENT", file=place.name)
        drawn = held.with_new_wrapping()
        place.replace(drawn)
    return max(drawn.wrapping)


def put_in_use(place: KeyPlace) -> int:
    """Have the newest version wrap; its number. Refused: KEY_NOT_PREPARED, and as `KeyPlace`."""
    with place.in_turn():
        held = place.read()
        if len(held.wrapping) == 1:
            raise Conflict("KEY_NOT_PREPARED", file=place.name)
        newest = held.using_newest()
        if newest.in_use != held.in_use:
            place.replace(newest)
    return newest.in_use


def prepare_signing(place: KeyPlace) -> bytes:
    """Draw a key that may sign next, beside the one that does; its public half. The one drawn before is given again.

    Refused: as `KeyPlace`.
    """
    with place.in_turn():
        held = place.read()
        if held.next_signing is None:
            held = held.with_new_signing()
            place.replace(held)
    return _public(held.next_signing)


def prepared_signing(place: KeyPlace) -> bytes:
    """The public half of the key that may sign next. Refused: SEALING_KEY_NOT_PREPARED, and as `KeyPlace`."""
    held = place.read()
    if held.next_signing is None:
        raise Conflict("SEALING_KEY_NOT_PREPARED", file=place.name)
    return _public(held.next_signing)


def forget_former_signing(place: KeyPlace, newer: bytes) -> None:
    """Take the key out of the file that signed before `newer`, which stays. A file without it is left as it is."""
    with place.in_turn():
        held = place.read()
        if held.next_signing is not None and _public(held.next_signing) == newer:
            place.replace(held.signing_next())


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


async def retire(tenant: Tenant, held: Sequence[WrappedKeys], place: KeyPlace, copy: Path) -> int:
    """Keep the file as it is in a new one, and take every version but the one in use out of it; the version in use.

    From then on the database refuses a key under a version that was taken out: who had wrapped one before, and writes
    it only now, is told to try again (DATABASE_BUSY).
    Refused, both files unchanged: KEY_NOT_PREPARED (there is one alone), KEY_NOT_IN_USE (the newest does not wrap yet),
    KEY_VERSION_HELD (something is still under a former version), KEY_FILE_EXISTS (the copy), and as `KeyPlace`.
    """
    with place.in_turn():
        now = await asyncio.to_thread(place.read)
        if len(now.wrapping) == 1:
            raise Conflict("KEY_NOT_PREPARED", file=place.name)
        if now.in_use != max(now.wrapping):
            raise Conflict("KEY_NOT_IN_USE", file=place.name)
        await _must_be_left(tenant, held, now)
        await _put_nothing_under(tenant, held, [each for each in now.wrapping if each != now.in_use])
        await _must_be_left(tenant, held, now)
        await asyncio.to_thread(place.create, now.text(), copy)
        await asyncio.to_thread(place.replace, now.without_former())
    return now.in_use


async def _must_be_left(tenant: Tenant, held: Sequence[WrappedKeys], now: KeyMaterial) -> None:
    if count := await left(tenant, held, now.in_use):
        raise Conflict("KEY_VERSION_HELD", count=count, tenant=tenant.id)


async def _put_nothing_under(tenant: Tenant, held: Sequence[WrappedKeys], versions: Sequence[int]) -> None:
    """Have the database refuse these versions, once whoever wrote under one and has not committed has ended: a count
    does not see him, and does after this. Writers wait for no longer than that."""
    async with tenant.database.transaction() as connection:
        for each in held:
            await connection.execute(text(f"lock table {each.table.name} in share row exclusive mode"))
        former = [{"version": each} for each in versions]
        await connection.execute(upsert(wrapping_retired).values(former).on_conflict_do_nothing())


def _anew(tenant: Tenant, rows: Sequence[Row[Any]]) -> list[tuple[Row[Any], bytes]]:
    found = []
    for row in rows:
        try:
            found.append((row, tenant.keys.rewrapped(tenant.id, row.owner, bytes(row.wrapped))))
        except BrokenIntegrity:
            continue
    return found


def _public(signing: bytes | None) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(signing or b"").public_key().public_bytes_raw()
