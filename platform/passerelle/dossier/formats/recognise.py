"""What a path holds, told by its first octets and never by its name, and the reader that goes with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.package import read_file
from passerelle.dossier.formats.pdf import read_pdf
from passerelle.dossier.formats.submission import IncomingSubmission
from passerelle.dossier.formats.xdm import read_xdm
from passerelle.kernel.errors import InvalidInput

MAX_SIDECAR_BYTES: Final = 1024 * 1024
_HEAD: Final = 1024
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class Format(StrEnum):
    """What we can read, and the rest."""

    CDA = "cda"
    XDM = "xdm"
    PDF = "pdf"
    UNKNOWN = "unknown"


def recognise(path: Path) -> Format:
    """The format of a file or of an XDM folder. Refused: FILE_UNREADABLE, EMPTY_FILE."""
    try:
        if path.is_dir():
            return Format.XDM if _is_exchange(path) else Format.UNKNOWN
        if not path.is_file():  # a pipe or a device would be read for ever
            raise InvalidInput("FILE_UNREADABLE")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError) as failed:
        raise InvalidInput("FILE_UNREADABLE") from failed
    if not head.strip():
        raise InvalidInput("EMPTY_FILE")
    return recognise_octets(head)


def recognise_octets(head: bytes) -> Format:
    """The format of a file that begins with `head`."""
    if head.startswith(b"%PDF-"):
        return Format.PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return Format.XDM
    for mark in _MARKS:
        head = head.removeprefix(mark)
    if head.replace(b"\x00", b"").lstrip().startswith(b"<"):
        return Format.CDA
    return Format.UNKNOWN


def read(path: Path) -> IncomingSubmission:
    """Read whatever is at `path`: a CDA, an XDM exchange, or a PDF with its sidecar `<name>.json`.

    Refused: FORMAT_UNKNOWN, PDF_METADATA_MISSING, and what each reader refuses.
    """
    match recognise(path):
        case Format.CDA:
            return IncomingSubmission(documents=(read_cda(read_file(path)),))
        case Format.XDM:
            return read_xdm(path)
        case Format.PDF:
            return IncomingSubmission(documents=(read_pdf(read_file(path), _sidecar(path)),))
        case Format.UNKNOWN:
            raise InvalidInput("FORMAT_UNKNOWN")


def gather(paths: Iterable[Path]) -> Iterator[Path]:
    """What there is to feed under `paths`, in a stable order: files, and XDM folders as one.

    A sidecar goes with its PDF and is not named. Links are not followed into other folders.
    """
    for path in paths:
        if path.is_dir() and not _is_exchange(path):
            yield from _walk(path)
        else:
            yield path


def _walk(root: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(root):
        folder = Path(name)
        folders.sort()
        exchanges = [each for each in folders if _is_exchange(folder / each)]
        folders[:] = [each for each in folders if each not in exchanges]
        yield from (folder / each for each in exchanges)
        for each in sorted(files):
            if not (each.endswith(".json") and each.removesuffix(".json") in files):
                yield folder / each


def _is_exchange(folder: Path) -> bool:
    """Whether a folder is the root of an XDM exchange."""
    try:
        return any(each.name.upper() == "IHE_XDM" and each.is_dir() for each in folder.iterdir())
    except OSError:
        return False


def _sidecar(path: Path) -> dict[str, Any]:
    beside = path.with_name(path.name + ".json")
    if not beside.is_file():
        raise InvalidInput("PDF_METADATA_MISSING")
    try:
        read = json.loads(read_file(beside, limit=MAX_SIDECAR_BYTES))
    except (ValueError, RecursionError) as broken:
        raise InvalidInput("METADATA_INVALID", field="json") from broken
    if not isinstance(read, dict):
        raise InvalidInput("METADATA_INVALID", field="json")
    return read
