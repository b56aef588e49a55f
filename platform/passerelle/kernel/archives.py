"""A zip that is written as it goes: what is in it never stands whole in memory, nor on disk.

Its central directory comes last, from `end`: an archive that was cut off has none, and opens as damaged everywhere.
Sources: PKWARE APPNOTE 6.3.10 (data descriptors, 4.3.9; zip64).
"""

from __future__ import annotations

import asyncio
import hashlib
import zipfile
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final, cast

from passerelle.kernel.clock import PARIS

_BLOCK: Final = 512 * 1024
_LEVEL: Final = 1  # most octets are compressed already


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file as it went in."""

    path: str
    size: int
    sha256: str


class Archive:
    """One zip, whose files are all of one instant. `entries` are those that are in it so far."""

    def __init__(self, at: datetime) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(cast(IO[bytes], self._sink), "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self._at = at.astimezone(PARIS)
        self.entries: list[Entry] = []

    async def add(self, path: str, pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Put a file in; gives the octets of the archive as they come. What `pieces` raises leaves it unfinished."""
        about = zipfile.ZipInfo(path, self._at.timetuple()[:6])
        about.compress_type = zipfile.ZIP_DEFLATED
        about.external_attr = 0o644 << 16
        digest, size, held = hashlib.sha256(), 0, bytearray()
        with self._zip.open(about, "w", force_zip64=True) as file:
            async for piece in pieces:
                held += piece
                if len(held) >= _BLOCK:
                    digest.update(held)
                    size += len(held)
                    await asyncio.to_thread(file.write, bytes(held))
                    held.clear()
                    yield self._sink.taken()
            digest.update(held)
            size += len(held)
            file.write(bytes(held))
        self.entries.append(Entry(path=path, size=size, sha256=digest.hexdigest()))
        yield self._sink.taken()

    async def add_octets(self, path: str, octets: bytes) -> AsyncIterator[bytes]:
        """Put a small file in."""

        async def once() -> AsyncIterator[bytes]:
            yield octets

        async for written in self.add(path, once()):
            yield written

    def end(self) -> bytes:
        """The central directory: with it the archive is whole."""
        self._zip.close()
        return self._sink.taken()


class _Sink:
    """What the zip is written to: it can be neither read nor sought, so that descriptors follow the data."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, octets: bytes) -> int:
        self._held += octets
        return len(octets)

    def flush(self) -> None:
        return None

    def taken(self) -> bytes:
        octets = bytes(self._held)
        self._held.clear()
        return octets
