"""Answers in gzip for whoever takes it (RFC 9110 §8.4.1, §12.5.3; RFC 1952).

The length of what is compressed tells a little of what is in it (BREACH): with each one, up to a hundred octets of
the name of a file that nobody reads hide the last digits of that length (docs/decisions/0101).
"""

from __future__ import annotations

import os
import struct
import zlib
from functools import lru_cache
from typing import Final

LEAST_BYTES: Final = 1024
# Deflate, a name follows, no time, the fastest, an unknown system.
_HEADER: Final = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x04\xff"
_NAME: Final = b"x" * 100
_LEVEL: Final = 1  # 0.3 ms for 26 kB; six takes twice that for a tenth less


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` takes gzip, by its own name or by `*`."""
    anything = False
    for each in accept_encoding.lower().split(","):
        coding, _, parameters = each.partition(";")
        name, _, quality = parameters.strip().partition("=")
        taken = not (name.strip() == "q" and _is_zero(quality.strip()))
        if coding.strip() in ("gzip", "x-gzip"):
            return taken
        if coding.strip() == "*":
            anything = taken
    return anything


def gzipped(body: bytes) -> bytes:
    """`body` in gzip, longer by a random number of octets."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    padding = _NAME[: os.urandom(1)[0] % (len(_NAME) + 1)] + b"\x00"
    size = struct.pack("<LL", zlib.crc32(body), len(body) & 0xFFFFFFFF)
    return b"".join((_HEADER, padding, packer.compress(body), packer.flush(), size))


def _is_zero(quality: str) -> bool:
    return quality.rstrip("0") in ("", "0.") if quality else False
