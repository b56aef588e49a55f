"""The files of an IHE XDM exchange, in a folder or a zip, read without following anything out of it.

Source: IHE ITI TF-1 §16 (XDM). A zip is never unpacked on disk; what it says of itself is checked against
what it gives (names, number, size, ratio), so that a bomb is refused before it is lit.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from passerelle.kernel.errors import InvalidInput, LimitExceeded

MAX_FILES: Final = 5_000
MAX_FILE_BYTES: Final = 100 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 500 * 1024 * 1024
MAX_RATIO: Final = 200
"""Clear octets for one packed octet; XML of forms packs to about 1:30."""
_RATIO_FLOOR: Final = 1024 * 1024  # a small file cannot hurt, however well it packs

_ENCRYPTED: Final = 0x1
_PACKINGS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What `zipfile` raises on files that are not quite zips."""


class Package(Protocol):
    """Files by their path inside the exchange, `/` between the parts."""

    @property
    def names(self) -> frozenset[str]: ...

    def read(self, name: str) -> bytes: ...

    def close(self) -> None: ...


def open_package(source: Path | bytes) -> Package:
    """The files at a path, a folder or a zip, or in the octets of a zip.

    Refused: PATH_TRAVERSAL, ZIP_BOMB, ZIP_DAMAGED, ZIP_ENCRYPTED, ZIP_NAME_TWICE, PACKAGE_TOO_LARGE,
    FILE_UNREADABLE, EMPTY_FILE.
    """
    return _Folder(source) if isinstance(source, Path) and source.is_dir() else _Zip(source)


def inside(name: str) -> str:
    """`name` as a plain relative path; PATH_TRAVERSAL when it leads, or may be read to lead, elsewhere."""
    parts = PurePosixPath(name).parts
    if not parts or "\\" in name or "\0" in name or ":" in name or name.startswith("/") or ".." in parts:
        raise InvalidInput("PATH_TRAVERSAL")
    return "/".join(parts)


class _Folder:
    def __init__(self, root: Path) -> None:
        self._files: dict[str, Path] = {}
        total = 0
        try:
            for folder, folders, files in os.walk(root, onerror=_raise):
                # A link may lead anywhere; an exchange has no use for one.
                if any((Path(folder) / each).is_symlink() for each in (*folders, *files)):
                    raise InvalidInput("PATH_TRAVERSAL")
                for each in files:
                    file = Path(folder) / each
                    if not file.is_file():  # a pipe or a device would be read for ever
                        raise InvalidInput("FILE_UNREADABLE")
                    self._files[file.relative_to(root).as_posix()] = file
                    total += file.stat().st_size
                if len(self._files) > MAX_FILES or total > MAX_TOTAL_BYTES:
                    raise LimitExceeded("PACKAGE_TOO_LARGE", limit=MAX_TOTAL_BYTES, files=MAX_FILES)
        except OSError as failed:
            raise InvalidInput("FILE_UNREADABLE") from failed

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._files)

    def read(self, name: str) -> bytes:
        return read_file(self._files[name])

    def close(self) -> None:
        pass


class _Zip:
    def __init__(self, source: Path | bytes) -> None:
        try:
            if (len(source) if isinstance(source, bytes) else source.stat().st_size) == 0:
                raise InvalidInput("EMPTY_FILE")
        except (OSError, ValueError) as failed:
            raise InvalidInput("FILE_UNREADABLE") from failed
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)
        except _DAMAGE as broken:
            raise InvalidInput("ZIP_DAMAGED") from broken
        try:
            self._entries = _checked(self._zip.infolist())
        except InvalidInput:
            self._zip.close()
            raise

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._entries)

    def read(self, name: str) -> bytes:
        entry = self._entries[name]
        try:
            with self._zip.open(entry) as file:
                data = file.read(entry.file_size + 1)
        except _DAMAGE as broken:
            raise InvalidInput("ZIP_DAMAGED") from broken
        if len(data) != entry.file_size:
            raise InvalidInput("ZIP_DAMAGED")
        return data

    def close(self) -> None:
        self._zip.close()


def read_file(path: Path, *, limit: int = MAX_FILE_BYTES) -> bytes:
    """The octets of a file. Refused: FILE_TOO_LARGE over `limit`, FILE_UNREADABLE."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as failed:
        raise InvalidInput("FILE_UNREADABLE") from failed
    if len(data) > limit:
        raise LimitExceeded("FILE_TOO_LARGE", limit=limit)
    return data


def _raise(failed: OSError) -> None:
    raise failed


def _checked(entries: list[zipfile.ZipInfo]) -> Mapping[str, zipfile.ZipInfo]:
    """The files among `entries` by name, once what the zip says of itself is acceptable."""
    if len(entries) > MAX_FILES:
        raise LimitExceeded("PACKAGE_TOO_LARGE", limit=MAX_TOTAL_BYTES, files=MAX_FILES)
    files: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for entry in entries:
        # Python has already cut names at NUL and turned the separators of this system; look at the original.
        name = inside(entry.orig_filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InvalidInput("PATH_TRAVERSAL")
        if entry.is_dir():
            continue
        if entry.flag_bits & _ENCRYPTED:
            raise InvalidInput("ZIP_ENCRYPTED")
        if entry.compress_type not in _PACKINGS:
            raise InvalidInput("ZIP_DAMAGED")
        if name in files:
            raise InvalidInput("ZIP_NAME_TWICE")
        total += entry.file_size
        is_blown_up = entry.file_size > max(_RATIO_FLOOR, MAX_RATIO * entry.compress_size)
        if is_blown_up or entry.file_size > MAX_FILE_BYTES or total > MAX_TOTAL_BYTES:
            raise LimitExceeded("ZIP_BOMB", limit=MAX_FILE_BYTES)
        files[name] = entry
    return files
