"""Restoring: an archive and the ledger since, into an empty database that serves nobody until nothing is wider.

    read whole, believed ──▶ made, shut ──▶ dump in one transaction ──▶ newest revision ──▶ contents
        ──▶ ledger replayed, erasures carried through ──▶ losses listed ──▶ admitted

Killed anywhere, running it again goes on: what it is restored from stands beside the database as its comment.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict

from passerelle.audit import narrowings
from passerelle.kernel.clock import Clock
from passerelle.kernel.contents import path_of
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.errors import BrokenIntegrity, Conflict, InvalidInput
from passerelle_ops.backup import directory, dump
from passerelle_ops.backup.archive import Part, pieces
from passerelle_ops.backup.envelope import Opened, Opener
from passerelle_ops.backup.loss import Loss, lost_documents
from passerelle_ops.backup.making import POOL, Progress
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.renumbering import renumber
from passerelle_ops.backup.replaying import Replayed, Words, replay
from passerelle_ops.backup.sources import Source
from passerelle_ops.migrations.histories import upgrade
from passerelle_tenants.onboarding import admit, make_shut

_MARK = "passerelle restore of "


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive in its place, and who opens it."""

    place: Place
    name: str
    opener: Opener

    async def parts(self, source: Source) -> AsyncIterator[tuple[Part, bytes]]:
        """Its pieces, each authentic. Refused: as `envelope.Opened`, BACKUP_OTHER_SOURCE, BACKUP_OTHER_KEYS."""
        opened = Opened(self.place.within(source.name).get(self.name))

        def signer(head: Mapping[str, Any]) -> bytes:
            if head.get("name") != source.name:
                raise InvalidInput("BACKUP_OTHER_SOURCE", name=str(head.get("name"))[:31])
            for key in source.keys.public_keys:
                if head.get("signed_by") == key.hex():
                    return key
            raise Conflict("BACKUP_OTHER_KEYS")

        await opened.begin(self.opener, signer)
        async for part, piece in pieces(opened.pieces()):
            yield part, piece

    async def database(self, source: Source) -> AsyncIterator[bytes]:
        """The dump alone."""
        async for part, piece in self.parts(source):
            if part is Part.DATABASE:
                yield piece

    async def contents(self, source: Source) -> AsyncIterator[tuple[str, int]]:
        """Name and size of each stored object."""
        async for part, piece in self.parts(source):
            if part is Part.CONTENTS:
                for line in piece.splitlines():
                    document = json.loads(line)
                    yield document["name"], document["size"]


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it."""

    opening: Mapping[str, Any]
    contents: int
    replayed: Replayed
    loss: Loss | None


async def believed(archive: Archive, source: Source, on_progress: Progress = lambda *_: None) -> Mapping[str, Any]:
    """Read an archive to its end; what it says of itself. Refused, before anything is changed: as `Archive.parts`,
    BACKUP_OTHER_VERSION when a newer release made it."""
    opening: dict[str, Any] = {}
    done, whole = 0, await archive.place.within(source.name).size(archive.name)
    async for part, piece in archive.parts(source):
        done += len(piece)
        on_progress("verify", done, whole)
        if part is Part.OPENING:
            opening = json.loads(piece)
            if opening["revision"] > source.history.head():
                raise InvalidInput("BACKUP_OTHER_VERSION")
    on_progress("verify", whole or done, whole or done)
    return opening


async def restore(archive: Archive, source: Source, clock: Clock, on_progress: Progress = lambda *_: None) -> Restored:
    """Restore into an empty database.

    Refused: RESTORE_NOT_EMPTY, LEDGER_BROKEN, and as `believed`. Refused midway, the network stays shut.
    """
    opening = await believed(archive, source, on_progress)
    words = await source.words(int(opening["ledger"]))
    if source.site.admin_url is None or await _exists(source, source.site.admin_url):
        await _must_be_empty(source, archive.name)
    await make_shut(source.site)
    await _comment(source, _MARK + archive.name)
    if not await _has_tables(source.site.owner_url):
        await dump.restored(source.site.owner_url, _told(archive.database(source), on_progress), source.bindir)
    await asyncio.to_thread(upgrade, source.history, source.site.owner_url)
    contents = 0
    if source.tenant is not None:
        contents = await _contents(archive, source, source.tenant, on_progress)
    replayed, loss = await _put_right(source, clock, words, archive.name, int(opening["ledger"]), on_progress)
    return Restored(opening, contents, replayed, loss)


async def replay_alone(source: Source, clock: Clock, on_progress: Progress = lambda *_: None) -> Restored:
    """After the database was brought back by other means (a point in time, a replica): shut it, put back all that the
    ledger says narrowed, list what is lost, and admit again. Refused: LEDGER_BROKEN, and when it is the database that
    says so it stays shut."""
    words = await source.words(0)
    await make_shut(source.site)
    await asyncio.to_thread(upgrade, source.history, source.site.owner_url)
    replayed, loss = await _put_right(source, clock, words, "", 0, on_progress)
    return Restored({"made_at": clock.now().isoformat()}, 0, replayed, loss)


async def must_be_its_ledger(database: Database, words: Words, after: int) -> None:
    """Nothing was read from the first entry on, and the database knows of one: the place is empty, or another's.

    A document is filed in a record, whose coming was noted too. Refused: LEDGER_BROKEN.
    """
    if after > 0 or words.entries > 0:
        return
    async with database.transaction() as connection:
        if await narrowings.any_kept(connection):
            raise BrokenIntegrity("LEDGER_BROKEN", number=1)


async def _put_right(
    source: Source, clock: Clock, words: Words, name: str, after: int, on_progress: Progress
) -> tuple[Replayed, Loss | None]:
    """From a database that is whole and shut to one that serves."""
    loss = None
    await must_be_its_ledger(source.database, words, after)
    if source.tenant is None:
        replayed = await directory.replay(source.database, words)
    else:
        await renumber(source.tenant)
        replayed = await replay(source.tenant, clock, words, lambda d, t: on_progress("replay", d, t))
        loss = await lost_documents(source.tenant, source.ledger, after=after, words=words)
    await source.ledger.append(clock, restored=name)
    await admit(source.site)
    await _comment(source, None)
    return replayed, loss


async def _contents(archive: Archive, source: Source, tenant: Tenant, on_progress: Progress) -> int:
    """Copy what the store lacks out of the pool; how many. What the pool lacks too is found as lost."""
    pool, store = archive.place.within(source.name, POOL), Place(tenant.contents.url)
    copied = 0
    async for name, size in archive.contents(source):
        path = path_of(name)
        if await store.size(path) == size:
            continue
        if await pool.size(path) == size:
            await store.put(path, pool.get(path))
            copied += 1
            on_progress("contents", copied, None)
    return copied


async def _told(given: AsyncIterator[bytes], on_progress: Progress) -> AsyncIterator[bytes]:
    done = 0
    async for piece in given:
        yield piece
        done += len(piece)
        on_progress("database", done, None)


async def _exists(source: Source, admin_url: str) -> bool:
    """Whether there is a database of that name, on a server where we make them."""
    name = conninfo_to_dict(source.site.owner_url)["dbname"]
    async with await AsyncConnection.connect(admin_url, autocommit=True) as connection:
        found = await connection.execute("select 1 from pg_database where datname = %s", (name,))
        return await found.fetchone() is not None


async def _must_be_empty(source: Source, name: str) -> None:
    """Nothing there, or what an interrupted restore of the same archive left."""
    async with await AsyncConnection.connect(source.site.owner_url, autocommit=True) as connection:
        row = await (
            await connection.execute(
                "select shobj_description(oid, 'pg_database') from pg_database where datname = current_database()"
            )
        ).fetchone()
    if await _has_tables(source.site.owner_url) and (row is None or row[0] != _MARK + name):
        raise Conflict("RESTORE_NOT_EMPTY", name=source.name)


async def _has_tables(url: str) -> bool:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        return bool(await dump.tables(connection))


async def _comment(source: Source, said: str | None) -> None:
    name = sql.Identifier(str(conninfo_to_dict(source.site.owner_url)["dbname"]))
    text = sql.SQL("null") if said is None else sql.Literal(said)
    try:
        async with await AsyncConnection.connect(source.site.owner_url, autocommit=True) as connection:
            await connection.execute(sql.SQL("comment on database {} is {}").format(name, text))
    except psycopg.Error as refused:
        raise BrokenIntegrity("BACKUP_TOOL", tool="comment") from refused
