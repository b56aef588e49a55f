"""Files that only their owner reads: keys. Whole and on disk, or not there."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from passerelle.kernel.errors import Conflict, InvalidInput

_LIMIT: Final = 4096


def read_private_file(path: Path) -> bytes:
    """Refused: KEY_FILE_MISSING, KEY_FILE_EXPOSED (someone else may read it), KEY_FILE_BROKEN."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LIMIT)
    except FileNotFoundError as missing:
        raise InvalidInput("KEY_FILE_MISSING", file=path.name) from missing
    except OSError as unreadable:
        raise InvalidInput("KEY_FILE_BROKEN", file=path.name) from unreadable
    if mode & 0o077:
        raise InvalidInput("KEY_FILE_EXPOSED", file=path.name)
    return text


def create_private_file(path: Path, content: bytes) -> None:
    """Write a 0600 file that did not exist, whole and on disk, or nothing. Refused: KEY_FILE_EXISTS."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(path, content)
    try:
        os.link(draft, path)
    except FileExistsError as exists:
        raise Conflict("KEY_FILE_EXISTS", file=path.name) from exists
    finally:
        draft.unlink()
    sync_folder(path.parent)


def replace_private_file(path: Path, content: bytes) -> None:
    """Put a 0600 file in the place of one: whoever reads finds the former or this one, whole, and on disk after."""
    draft = _draft(path, content)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Those who read and replace a file of this folder take turns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk: without it a new file may be gone after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft
