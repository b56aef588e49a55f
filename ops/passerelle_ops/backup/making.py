"""Making a backup: one snapshot of the database into an archive, and every stored content into the pool beside it.

    <place>/<name>/20261122T181500Z-4f2a.passerelle     the archive, there once it is whole
    <place>/<name>/contents/…                            the pool, shared by all archives of the network

Contents are written once and are sealed already, each under its record's key: they are copied as they are, and what the
pool has is not copied again. The keys that open them stand in the archive alone, wrapped by the network's root, which
is in no backup.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any, Final

from passerelle.audit.heads import newest_head
from passerelle.kernel.clock import Clock
from passerelle.kernel.contents import path_of
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import Conflict
from passerelle_ops.backup import dump
from passerelle_ops.backup.archive import Part, Writer, as_json
from passerelle_ops.backup.envelope import Recipient, sealed
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.sources import Source

SUFFIX: Final = ".passerelle"
POOL: Final = "contents"
_AT_ONCE: Final = 16
#: What is under way (`database`, `contents`), how much of it is done, and of how much where that is known.
Progress = Callable[[str, int, int | None], None]


@dataclass(slots=True)
class Made:
    """A backup: its name, what it holds, and what is new in the pool."""

    name: str
    tables: int = 0
    rows: int = 0
    contents: int = 0
    copied: int = 0
    octets: int = 0


async def back_up(
    source: Source,
    to: Place,
    recipient: Recipient,
    clock: Clock,
    on_progress: Progress = lambda *_: None,
    *,
    compare: bool = False,
) -> Made:
    """Back a network or the directory up. Nothing of the name is there until all of it is. `compare`: what the pool has
    already is read again, and copied anew where an octet differs; else its name and size tell.

    Refused: BACKUP_PLACE_AWAY, BACKUP_TOOL, DATABASE_AWAY. Raised midway, it leaves contents in the pool, no archive.
    """
    at = clock.now()
    made = Made(f"{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}{SUFFIX}")
    # Before the snapshot: what is in the ledger by now is in the snapshot too.
    number = await source.ledger.last()
    async with AsyncExitStack() as open_:
        snapshot = await open_.enter_async_context(dump.snapshot(source.site.owner_url))
        opening = {
            "name": source.name,
            "made_at": at.isoformat(),
            "revision": await dump.revision(snapshot.connection),
            "ledger": number,
            "head": await _head(source.tenant),
        }
        helds: dict[str, Any] = {}
        names = await dump.tables(snapshot.connection)
        for done, table in enumerate(names):
            on_progress("tables", done, len(names))
            held = await dump.held(snapshot.connection, table)
            helds[table] = asdict(held)
            made.rows += held.rows
        made.tables = len(names)
        on_progress("tables", len(names), len(names))

        async def parts() -> AsyncIterator[bytes]:
            writer = Writer()
            yield writer.piece(Part.OPENING, as_json({**opening, "tables": helds}))
            async for piece in dump.dumped(source.site.owner_url, snapshot.id, source.bindir):
                yield writer.piece(Part.DATABASE, piece)
                on_progress("database", writer.octets[Part.DATABASE], None)
            await open_.aclose()  # contents take their time, and the server keeps what an open snapshot may still see
            if source.tenant is not None:
                async for lines in _pooled(
                    source.tenant, to.within(source.name, POOL), made, on_progress, compare=compare
                ):
                    yield writer.piece(Part.CONTENTS, lines)
            yield writer.closing()
            made.octets = sum(writer.octets.values())

        about = {"name": source.name, "made_at": at.isoformat(), "signed_by": source.keys.public_key.hex()}
        await to.within(source.name).put(made.name, sealed(parts(), recipient, source.keys.sign, about))
    return made


async def _head(tenant: Tenant | None) -> dict[str, Any] | None:
    if tenant is None:
        return None
    async with tenant.database.transaction() as connection:
        head = await newest_head(connection, tenant.id)
    return None if head is None else head.document()


async def _pooled(
    tenant: Tenant, pool: Place, made: Made, on_progress: Progress, *, compare: bool
) -> AsyncIterator[bytes]:
    """Have the pool hold every content of the store; lines that name them.

    Every one that lies there, so that each that the snapshot points to is among them but what was erased since.
    """
    store = Place(tenant.contents.url)
    names = [name async for name in tenant.contents.names()]
    for at in range(0, len(names), _AT_ONCE):
        some = await asyncio.gather(*(_into(pool, store, name, compare=compare) for name in names[at : at + _AT_ONCE]))
        found = [each for each in some if each is not None]
        made.contents += len(found)
        made.copied += sum(is_new for _, _, is_new in found)
        yield b"".join(as_json({"name": name, "size": size}) + b"\n" for name, size, _ in found)
        on_progress("contents", at + len(some), len(names))


async def _into(pool: Place, store: Place, name: str, *, compare: bool) -> tuple[str, int, bool] | None:
    path = path_of(name)
    size = await store.size(path)
    if size is None:
        return None
    try:
        if await pool.size(path) == size and (not compare or await _digest(pool, path) == await _digest(store, path)):
            return name, size, False
        await pool.put(path, store.get(path))
    except Conflict:  # erased meanwhile
        return None
    return name, size, True


async def _digest(place: Place, path: str) -> bytes:
    digest = hashlib.sha256()
    async for piece in place.get(path):
        digest.update(piece)
    return digest.digest()


async def newest(place: Place, name: str) -> str:
    """The archive made last of a network or of the directory. Refused: BACKUP_MISSING."""
    found = [each for each in await place.within(name).names() if each.endswith(SUFFIX)]
    if not found:
        raise Conflict("BACKUP_MISSING", name=name)
    return max(found)
