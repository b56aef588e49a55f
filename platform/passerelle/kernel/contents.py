"""Where contents lie: an object store (a folder, or S3) that is written once and read by ranges.

An object is named by a UUID of our choosing and never written over: the store itself refuses a second put
(RFC 9110 `If-None-Match: *` on S3, a hard link in a folder), so that what a row points to cannot change.
What is stored is what `segments` makes; this module adds names, ranges and the store's own failures. In a
folder an object appears whole or not at all, and `put` returns when it is on disk.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlsplit

from obstore.exceptions import AlreadyExistsError, BaseError, GenericError
from obstore.store import LocalStore, S3Store

from passerelle.kernel import segments
from passerelle.kernel.errors import BrokenIntegrity, Conflict, InvalidInput, TryLater
from passerelle.kernel.keys import DossierKey
from passerelle.kernel.private_files import sync_folder

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Config

_NAME: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_S3_SETTINGS: Final = frozenset(
    {
        "access_key_id",
        "checksum_algorithm",
        "endpoint",
        "region",
        "secret_access_key",
        "session_token",
        "sse_kms_key_id",
        "virtual_hosted_style_request",
    }
)
_BATCH_SEGMENTS: Final = 16
_INLINE_BYTES: Final = 256 * 1024
_RETRY_SECONDS: Final = 5


class Contents:
    """One tenant's contents at `url`: `file:///folder` or `s3://bucket/prefix`.

    `settings` are those of the S3 client (`endpoint`, `region`, `access_key_id`, …); what they leave unsaid
    comes from the environment, as usual there. Refused: CONTENT_STORE_URL, CONTENT_STORE_SETTING.
    """

    def __init__(self, url: str, settings: Mapping[str, str] | None = None) -> None:
        self.url = url
        self._folder: Path | None = None
        self._store = self._open(url, settings or {})

    def __repr__(self) -> str:
        return f"<Contents {urlsplit(self.url).scheme}>"

    async def put(self, name: str, data: bytes, key: DossierKey, binding: bytes) -> None:
        """Store `data` sealed, under a name never used before; on disk when this returns.

        `binding` says whose content it is (`tenant_id/document_id`): it must be given again to read.
        Refused: CONTENT_NAME, CONTENT_EXISTS, CONTENT_TOO_LARGE; CONTENT_STORE_AWAY when the store does not
        answer.
        """
        path = path_of(name)
        if len(data) > _INLINE_BYTES:
            sealed = await asyncio.to_thread(segments.encrypt, data, key, binding)
        else:
            sealed = segments.encrypt(data, key, binding)
        with _failures(name, is_new=True):
            await self._store.put_async(path, sealed, mode="create", use_multipart=False)
        if self._folder is not None:
            await asyncio.to_thread(_to_disk, self._folder / path)

    async def size(self, name: str) -> int:
        """The clear size. Refused: CONTENT_NAME, CONTENT_MISSING, CONTENT_ALTERED."""
        header, whole = await self._head(name, segments.HEADER_BYTES)
        return segments.clear_length(header, whole)

    async def read(
        self, name: str, key: DossierKey, binding: bytes, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """`data[start:stop]` in pieces of at most a segment, fetching only the segments that hold it.

        Every piece is authenticated before it is given. Refused: CONTENT_NAME, CONTENT_MISSING and, also
        midway, CONTENT_ALTERED.
        """
        first_bytes = segments.HEADER_BYTES + (segments.SEALED_BYTES if start < segments.SEGMENT_BYTES else 0)
        held, whole = await self._head(name, first_bytes)
        opened = segments.Opened(held, whole, key, binding)
        wanted = opened.span(start, stop)
        for first in range(wanted.first, wanted.end, _BATCH_SEGMENTS):
            span = opened.segments(first, min(first + _BATCH_SEGMENTS, wanted.end))
            sealed = held[span.start : span.stop]
            if len(sealed) < span.stop - span.start:
                sealed += await self._range(name, span.start + len(sealed), span.stop)
            for piece in opened.clear(span, sealed, start, stop):
                yield piece

    async def names(self) -> AsyncIterator[str]:
        """Every name that is stored, in no order: what an orphan hunt compares with the documents."""
        with _failures(""):
            async for batch in self._store.list():
                for meta in batch:
                    name = meta["path"].rpartition("/")[2]
                    if _NAME.fullmatch(name):
                        yield name

    async def delete(self, name: str) -> None:
        """Remove an orphan: an object that no document points to. Removing what is gone changes nothing."""
        try:
            with _failures(name):
                await self._store.delete_async(path_of(name))
        except BrokenIntegrity as gone:
            if gone.code != "CONTENT_MISSING":
                raise

    def _open(self, url: str, settings: Mapping[str, str]) -> ObjectStore:
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
            folder = Path(unquote(parts.path))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder = folder
            return LocalStore(folder)
        if parts.scheme == "s3" and parts.netloc:
            return _s3(url, settings)
        raise InvalidInput("CONTENT_STORE_URL", scheme=parts.scheme or "-")

    async def _head(self, name: str, length: int) -> tuple[bytes, int]:
        """The first `length` bytes of an object, or all it has, and its whole size: one exchange."""
        path = path_of(name)
        with _failures(name):
            try:
                result = await self._store.get_async(path, options={"range": (0, length)})
                return bytes(await result.bytes_async()), result.meta["size"]
            except GenericError:
                # An object of no bytes has no first byte to ask for.
                if (await self._store.head_async(path))["size"] == 0:
                    return b"", 0
                raise

    async def _range(self, name: str, start: int, stop: int) -> bytes:
        with _failures(name):
            return bytes(await self._store.get_range_async(path_of(name), start=start, end=stop))


def _s3(url: str, settings: Mapping[str, str]) -> ObjectStore:
    unknown = sorted(set(settings) - _S3_SETTINGS)
    if unknown:
        raise InvalidInput("CONTENT_STORE_SETTING", setting=unknown[0])
    try:
        return S3Store.from_url(
            url,
            config=cast("S3Config", dict(settings)),
            client_options={
                "allow_http": settings.get("endpoint", "").startswith("http://"),
                "connect_timeout": timedelta(seconds=3),
                "timeout": timedelta(seconds=30),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)},
        )
    except BaseError as refused:
        raise InvalidInput("CONTENT_STORE_URL", scheme="s3") from refused


def path_of(name: str) -> str:
    """Where an object lies in its store: over 256 folders by the random end of the UUID. Refused: CONTENT_NAME."""
    if not _NAME.fullmatch(name):
        raise InvalidInput("CONTENT_NAME")
    return f"{name[-2:]}/{name}"


def _to_disk(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(file.parent)
    sync_folder(file.parent.parent)


@contextmanager
def _failures(name: str, *, is_new: bool = False) -> Iterator[None]:
    try:
        yield
    except AlreadyExistsError as exists:
        raise Conflict("CONTENT_EXISTS", content=name) from exists
    except FileNotFoundError as missing:
        if is_new:  # it is the bucket that is not there
            raise TryLater("CONTENT_STORE_AWAY", retry_after=_RETRY_SECONDS) from missing
        raise BrokenIntegrity("CONTENT_MISSING", content=name) from missing
    except (BaseError, OSError) as away:
        raise TryLater("CONTENT_STORE_AWAY", retry_after=_RETRY_SECONDS) from away
