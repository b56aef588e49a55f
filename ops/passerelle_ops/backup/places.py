"""Where backups and ledgers lie: a folder or S3, as contents do (`kernel.contents`), with what streams need.

An object appears whole or not at all. On S3 the client's settings come from the environment, as usual there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from passerelle.kernel.errors import Conflict, InvalidInput, TryLater
from passerelle.kernel.private_files import sync_folder

if TYPE_CHECKING:
    from obstore.store import ObjectStore

#: S3 takes ten thousand parts of an object: 320 GB of these.
_PART_BYTES: Final = 32 * 1024 * 1024


class Place:
    """A folder, or a prefix of a bucket: `file:///folder`, a path, or `s3://bucket/prefix`.

    Refused: BACKUP_PLACE (what is neither), BACKUP_PLACE_AWAY when it does not answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url if "://" in url else Path(url).absolute().as_uri()
        parts = urlsplit(self.url)
        self._folder: Path | None = None
        if parts.scheme == "file" and parts.path.startswith("/"):
            self._folder = Path(unquote(parts.path))
            with _told():
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._store: ObjectStore = LocalStore(self._folder)
        elif parts.scheme == "s3" and parts.netloc:
            try:
                self._store = S3Store.from_url(
                    self.url,
                    retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=60)},
                )
            except BaseError as refused:
                raise InvalidInput("BACKUP_PLACE") from refused
        else:
            raise InvalidInput("BACKUP_PLACE")

    def within(self, *names: str) -> Place:
        """The place of that name in this one."""
        return Place("/".join((self.url.rstrip("/"), *names)))

    async def put(self, name: str, pieces: AsyncIterator[bytes] | bytes) -> None:
        """Write an object, streamed; on disk when this returns. One of that name is written over.

        What the pieces raise is raised, and nothing is there.
        """
        wrong: list[BaseException] = []

        async def watched(given: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            try:
                async for piece in given:
                    yield piece
            except Exception as error:
                wrong.append(error)
                raise

        given = pieces if isinstance(pieces, bytes) else watched(pieces)
        try:
            with _told():
                await obstore.put_async(self._store, name, given, chunk_size=_PART_BYTES, max_concurrency=2)
        except Exception:
            if wrong:
                raise wrong[0] from None
            raise
        await self._to_disk(name)

    async def create(self, name: str, data: bytes) -> bool:
        """Write an object that must not be there yet; false when it is."""
        try:
            with _told():
                await obstore.put_async(self._store, name, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        await self._to_disk(name)
        return True

    async def get(self, name: str) -> AsyncIterator[bytes]:
        """The octets of an object. Refused: BACKUP_MISSING."""
        with _told():
            try:
                found = await obstore.get_async(self._store, name)
            except FileNotFoundError:
                raise Conflict("BACKUP_MISSING", name=name.rpartition("/")[2]) from None
            async for piece in found.stream(min_chunk_size=256 * 1024):
                yield bytes(piece)

    async def read(self, name: str) -> bytes:
        """A small object whole. Refused: BACKUP_MISSING."""
        return b"".join([piece async for piece in self.get(name)])

    async def size(self, name: str) -> int | None:
        """How many octets an object has; null when it is not there."""
        with _told():
            try:
                return int((await obstore.head_async(self._store, name))["size"])
            except FileNotFoundError:
                return None

    async def remove(self, name: str) -> None:
        """Take an object away; that it is gone already changes nothing."""
        with _told(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, name)

    async def names(self, folder: str = "") -> list[str]:
        """The names of the objects directly in a folder."""
        return [path.rpartition("/")[2] for path in (await self._listed(folder))[0]]

    async def folders(self, folder: str = "") -> list[str]:
        """The names of the folders directly in a folder."""
        return [path.rstrip("/").rpartition("/")[2] for path in (await self._listed(folder))[1]]

    async def _listed(self, folder: str) -> tuple[list[str], list[str]]:
        with _told():
            found = await obstore.list_with_delimiter_async(self._store, folder or None)
            return [each["path"] for each in found["objects"]], list(found["common_prefixes"])

    async def _to_disk(self, name: str) -> None:
        if self._folder is not None:
            await asyncio.to_thread(_to_disk, self._folder / name, self._folder)


def _to_disk(file: Path, root: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    folder = file.parent
    while True:
        sync_folder(folder)
        if folder == root:
            return
        folder = folder.parent


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (AlreadyExistsError, FileNotFoundError):
        raise
    except (BaseError, OSError) as away:
        raise TryLater("BACKUP_PLACE_AWAY", retry_after=30) from away
