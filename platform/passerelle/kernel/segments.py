"""Contents in authenticated segments, so that any range can be read and nothing can be altered unseen.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance", CRYPTO 2015) as Tink's AES-GCM-HKDF-STREAMING uses it:

    object  = header ‖ segment 0 ‖ … ‖ segment n-1
    header  = magic(4) ‖ version(1) ‖ log2 of segment size(1) ‖ salt(32) ‖ nonce prefix(7) ‖ clear length(8)
    segment = AES-256-GCM(key, nonce = prefix ‖ index(4) ‖ last?(1), up to 64 KiB, AAD = header ‖ binding)
    key     = HKDF-SHA256(dossier key, salt, info = label ‖ binding)

The index and the last mark in the nonce refuse reordering and truncation; the clear length in the header,
which every segment authenticates, refuses them also for a range that does not reach the end. The binding
(tenant and document) refuses an object put in another's place. Empty content has one empty segment.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passerelle.kernel.errors import BrokenIntegrity, LimitExceeded
from passerelle.kernel.key_material import joined
from passerelle.kernel.keys import DossierKey

SEGMENT_BYTES: Final = 64 * 1024
TAG_BYTES: Final = 16
SEALED_BYTES: Final = SEGMENT_BYTES + TAG_BYTES
_MAGIC: Final = b"PSRL"
_VERSION: Final = 1
_SEGMENT_LOG2: Final = 16
_SALT_BYTES: Final = 32
_PREFIX_BYTES: Final = 7
_HEADER: Final = struct.Struct(f">4sBB{_SALT_BYTES}s{_PREFIX_BYTES}sQ")
HEADER_BYTES: Final = _HEADER.size
MAX_CLEAR_BYTES: Final = SEGMENT_BYTES * 2**32


@dataclass(frozen=True, slots=True)
class Span:
    """The segments that hold a range: indices from `first` to before `end`, bytes of the object from `start` to
    before `stop`."""

    first: int
    end: int
    start: int
    stop: int


def encrypt(data: bytes, key: DossierKey, binding: bytes) -> bytes:
    """The whole object for `data`, under a key of its own. Refused: CONTENT_TOO_LARGE."""
    return b"".join(encrypted(data, key, binding))


def encrypted(data: bytes, key: DossierKey, binding: bytes) -> Iterator[bytes]:
    """The same piece by piece: the header, then each sealed segment."""
    if len(data) > MAX_CLEAR_BYTES:
        raise LimitExceeded("CONTENT_TOO_LARGE", limit=MAX_CLEAR_BYTES)
    salt, prefix = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_PREFIX_BYTES)
    header = _HEADER.pack(_MAGIC, _VERSION, _SEGMENT_LOG2, salt, prefix, len(data))
    cipher, aad = AESGCM(key.content_key(salt, binding)), joined(header, binding)
    yield header
    count, view = _segments(len(data)), memoryview(data)
    for index in range(count):
        clear = view[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]
        yield cipher.encrypt(_nonce(prefix, index, is_last=index == count - 1), clear, aad)


def decrypt(sealed: bytes, key: DossierKey, binding: bytes, start: int = 0, stop: int | None = None) -> bytes:
    """`data[start:stop]` of what `encrypt` made. Refused: CONTENT_ALTERED (BrokenIntegrity)."""
    opened = Opened(sealed[:HEADER_BYTES], len(sealed), key, binding)
    span = opened.span(start, stop)
    return b"".join(opened.clear(span, sealed[span.start : span.stop], start, stop))


def clear_length(header: bytes, object_bytes: int) -> int:
    """The clear length that a header tells, agreeing with the object's own size. Refused: CONTENT_ALTERED.

    Not yet authenticated: the first segment opened by `Opened` does that.
    """
    if len(header) < HEADER_BYTES:
        raise BrokenIntegrity("CONTENT_ALTERED")
    magic, version, log2, _, _, length = _HEADER.unpack(header[:HEADER_BYTES])
    if (magic, version, log2) != (_MAGIC, _VERSION, _SEGMENT_LOG2) or object_bytes != object_length(length):
        raise BrokenIntegrity("CONTENT_ALTERED")
    return int(length)


def object_length(clear_bytes: int) -> int:
    """How many bytes the object for `clear_bytes` has."""
    return HEADER_BYTES + clear_bytes + _segments(clear_bytes) * TAG_BYTES


class Opened:
    """An object whose header was read: tells which bytes hold a range, and opens them."""

    __slots__ = ("_aad", "_cipher", "_count", "_prefix", "length")

    def __init__(self, header: bytes, object_bytes: int, key: DossierKey, binding: bytes) -> None:
        self.length = clear_length(header, object_bytes)
        header = header[:HEADER_BYTES]
        _, _, _, salt, self._prefix, _ = _HEADER.unpack(header)
        self._cipher = AESGCM(key.content_key(salt, binding))
        self._aad = joined(header, binding)
        self._count = _segments(self.length)

    def span(self, start: int = 0, stop: int | None = None) -> Span:
        """The segments that hold `data[start:stop]`; a range that is out or empty holds none.

        The one segment of an empty content counts: it proves that the content is empty.
        """
        start, stop = self._bounds(start, stop)
        if self.length == 0:
            first, end = 0, 1
        elif start >= stop:
            first = end = 0
        else:
            first, end = start // SEGMENT_BYTES, (stop - 1) // SEGMENT_BYTES + 1
        return self.segments(first, end)

    def segments(self, first: int, end: int) -> Span:
        """Segments `first` to before `end`, and where their sealed bytes lie."""
        at = HEADER_BYTES + first * SEALED_BYTES
        whole = object_length(self.length)
        return Span(first, end, min(at, whole), min(HEADER_BYTES + end * SEALED_BYTES, whole))

    def clear(self, span: Span, sealed: bytes, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The part of `data[start:stop]` that lies in `span`, opened segment by segment."""
        start, stop = self._bounds(start, stop)
        if len(sealed) != span.stop - span.start:
            raise BrokenIntegrity("CONTENT_ALTERED")
        view = memoryview(sealed)
        for index in range(span.first, span.end):
            at = (index - span.first) * SEALED_BYTES
            nonce = _nonce(self._prefix, index, is_last=index == self._count - 1)
            try:
                segment = self._cipher.decrypt(nonce, view[at : at + SEALED_BYTES], self._aad)
            except InvalidTag as altered:
                raise BrokenIntegrity("CONTENT_ALTERED") from altered
            base = index * SEGMENT_BYTES
            piece = segment[max(start - base, 0) : max(stop - base, 0)]
            if piece:
                yield piece

    def _bounds(self, start: int, stop: int | None) -> tuple[int, int]:
        if start < 0 or (stop is not None and stop < 0):
            raise ValueError("a range counts from the beginning")
        return start, self.length if stop is None else min(stop, self.length)


def _segments(clear_bytes: int) -> int:
    return max(1, -(-clear_bytes // SEGMENT_BYTES))


def _nonce(prefix: bytes, index: int, *, is_last: bool) -> bytes:
    return prefix + index.to_bytes(4, "big") + (b"\x01" if is_last else b"\x00")
