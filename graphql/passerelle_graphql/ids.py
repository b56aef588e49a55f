"""Opaque ids of the graph: what kind of thing, and which. Clients keep them and never take them apart."""

from __future__ import annotations

import binascii
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from strawberry import ID

from passerelle.kernel.errors import InvalidInput

_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")  # RFC 4648 §5
_EPOCH, _TICK = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Node(StrEnum):
    """The kinds of things that have an id, by the letter that begins it."""

    PATIENT = "p"
    DOCUMENT = "d"
    TEAM = "t"
    CONSENT = "c"
    RELATION = "r"
    BLOCK = "b"
    LINE = "j"
    EMERGENCY = "e"
    NOTICE = "n"
    DISPENSATION = "o"
    RECALL = "k"
    CENTRE = "u"
    BOARD = "g"
    BOARD_MEMBER = "m"
    BOARD_SESSION = "s"
    BOARD_CASE = "x"
    CARE_PLAN = "l"
    REFERRAL = "y"


def node_id(kind: Node, key: UUID) -> ID:
    """The id of one thing."""
    return ID(_id(kind.encode("ascii") + key.bytes))


def key_of(kind: Node, given: str) -> UUID:
    """The key behind an id. Refused: ID_INVALID for anything that is not an id of that kind."""
    raw = _octets(given, "ID_INVALID")
    if len(raw) != 17 or raw[:1] != kind.encode("ascii") or _id(raw) != given:
        raise InvalidInput("ID_INVALID")
    return UUID(bytes=raw[1:])


def is_of(kind: Node, given: str) -> bool:
    """Whether something is an id of that kind."""
    try:
        key_of(kind, given)
    except InvalidInput:
        return False
    return True


def _id(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def _octets(given: str, code: str) -> bytes:
    """What `_id` was made of. Refused with `code`: what is no base64 at all."""
    try:
        padded = given.encode("ascii").translate(_FROM_URL) + b"=" * (-len(given) % 4)
        return binascii.a2b_base64(padded, strict_mode=True)
    except ValueError as broken:
        raise InvalidInput(code) from broken


def line_cursor(line: int) -> str:
    """The id, and the cursor, of a line of the journal."""
    return _id(Node.LINE.encode("ascii") + line.to_bytes(8))


def place_cursor(at: datetime, line: int) -> str:
    """The cursor of a line among those of a whole network, which come by instant."""
    raw = Node.LINE.encode("ascii") + ((at - _EPOCH) // _TICK).to_bytes(8, signed=True) + line.to_bytes(8)
    return _id(raw)


def read_place_cursor(given: str) -> tuple[datetime, int]:
    """The instant and the line behind a cursor. Refused: CURSOR_INVALID."""
    raw = _octets(given, "CURSOR_INVALID")
    try:
        at = _EPOCH + int.from_bytes(raw[1:9], signed=True) * _TICK
    except OverflowError as broken:
        raise InvalidInput("CURSOR_INVALID") from broken
    if len(raw) != 17 or raw[:1] != Node.LINE.encode("ascii") or raw[9] > 0x7F:
        raise InvalidInput("CURSOR_INVALID")
    return at, int.from_bytes(raw[9:])


def read_line_cursor(given: str) -> int:
    """The line behind a cursor. Refused: CURSOR_INVALID."""
    raw = _octets(given, "CURSOR_INVALID")
    if len(raw) != 9 or raw[:1] != Node.LINE.encode("ascii") or raw[1] > 0x7F:  # no line is past a signed bigint
        raise InvalidInput("CURSOR_INVALID")
    return int.from_bytes(raw[1:])
