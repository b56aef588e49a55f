"""What an archive holds, in this order, within its envelope: parts of named pieces.

    opening    JSON: what was backed up, when, at which revision, every table with its rows and hash, the newest head
    database   the dump
    contents   lines of JSON: name and size of each stored object, as it lies in the pool beside
    closing    JSON: how many octets and which SHA-256 each part has

A piece is its part (1 octet), its length (4) and its octets; whoever reads one part passes over the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from enum import IntEnum
from typing import Any, Final

from passerelle.kernel.errors import BrokenIntegrity

_PIECE_LIMIT: Final = 16 * 1024 * 1024


class Part(IntEnum):
    """The parts of an archive."""

    OPENING = 1
    DATABASE = 2
    CONTENTS = 3
    CLOSING = 4


_PARTS: Final = frozenset(int(each) for each in Part)


class Writer:
    """Frames pieces, and remembers what each part came to."""

    def __init__(self) -> None:
        self._sums = {part: hashlib.sha256() for part in Part}
        self.octets = dict.fromkeys(Part, 0)

    def piece(self, part: Part, data: bytes) -> bytes:
        self._sums[part].update(data)
        self.octets[part] += len(data)
        return bytes([part]) + len(data).to_bytes(4, "big") + data

    def closing(self) -> bytes:
        """The last piece."""
        return self.piece(Part.CLOSING, as_json(self.sums()))

    def sums(self) -> dict[str, Any]:
        return {
            part.name.lower(): {"octets": self.octets[part], "sha256": self._sums[part].hexdigest()}
            for part in Part
            if part is not Part.CLOSING
        }


async def pieces(clear: AsyncIterator[bytes]) -> AsyncIterator[tuple[Part, bytes]]:
    """The pieces of an archive, which must end as it says. Refused: BACKUP_ALTERED, BACKUP_CUT."""
    held, writer, last = bytearray(), Writer(), b""
    async for more in clear:
        held += more
        while len(held) >= 5:
            length = int.from_bytes(held[1:5], "big")
            if length > _PIECE_LIMIT or held[0] not in _PARTS:
                raise BrokenIntegrity("BACKUP_ALTERED")
            if len(held) < 5 + length:
                break
            part, data = Part(held[0]), bytes(held[5 : 5 + length])
            del held[: 5 + length]
            if part is Part.CLOSING:
                last = data
            else:
                writer.piece(part, data)
            yield part, data
    if held or not last:
        raise BrokenIntegrity("BACKUP_CUT")
    if json.loads(last) != writer.sums():
        raise BrokenIntegrity("BACKUP_ALTERED")


def as_json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, ensure_ascii=False).encode()
