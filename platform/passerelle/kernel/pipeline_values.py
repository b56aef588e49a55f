"""What a bind value is on the wire: PostgreSQL's text format, written by hand from a closed list of types.

    None · str · bool · int · datetime with a zone · date · UUID · bytes · list or tuple of these · Written

Within a transaction (`prepared`) also `Binary`: what PostgreSQL wrote, in its binary format.

The statement says the type (`$1::UUID`) where PostgreSQL cannot tell it from the place. Any other type is a
TypeError; text that holds a NUL, which PostgreSQL cannot, is psycopg's DataError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from operator import itemgetter
from types import NoneType
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import DataError
from psycopg.adapt import Dumper
from psycopg.pq import Format

# What the protocol counts in sixteen bits.
MOST_VALUES: Final = 65_535


_TRUTHS: Final = bytes.maketrans(b"\0\1", b"ft")


class Written(bytes):
    """A value that is in text format already: an array that many calls send is written once."""

    __slots__ = ()


class Binary(bytes):
    """A value in PostgreSQL's binary format, as it came out of PostgreSQL."""

    __slots__ = ()


_READY: Final = frozenset((Written, NoneType))


class _AsIs(Dumper):
    """psycopg too sends it as it is, where it runs a statement itself."""

    def dump(self, obj: bytes) -> bytes:
        return bytes(obj)


class _AsItCame(_AsIs):
    format = Format.BINARY


psycopg.adapters.register_dumper(Written, _AsIs)
psycopg.adapters.register_dumper(Binary, _AsItCame)


def array(values: Sequence[Any]) -> Written:
    """An array that is sent again and again, written once."""
    return Written(_array(values))


def written_each(values: Mapping[str, Any]) -> dict[str, Written | None]:
    """Values that are sent again and again, by name, written once."""
    return {name: None if value is None else Written(_WRITERS[type(value)](value)) for name, value in values.items()}


def instant(value: datetime) -> Written:
    """An instant that stands in several places of one call, written once."""
    return Written(_instant(value))


def in_order(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """What takes the values of these names out of a mapping, at once. A name without a value is a KeyError."""
    if len(names) > 1:  # of one, `itemgetter` gives the value itself
        return itemgetter(*names)
    return lambda values: [values[name] for name in names]


def written(values: Sequence[Any]) -> list[bytes | None]:
    """The values of one call, in the order of `$1`, `$2`…"""
    if len(values) > MOST_VALUES:
        raise DataError("more values than PostgreSQL takes")
    return [  # most are
        value if (kind := type(value)) in _READY else _WRITERS[kind](value) for value in values
    ]


def _text(value: str) -> bytes:
    octets = value.encode()
    if b"\0" in octets:
        raise DataError("PostgreSQL text cannot hold NUL")
    return octets


def _truth(value: bool) -> bytes:
    return b"t" if value else b"f"


def _instant(value: datetime) -> bytes:
    if value.tzinfo is None:
        raise TypeError("a datetime without a zone is no instant")
    return value.isoformat().encode()


def _array(value: Sequence[Any]) -> bytes:
    kinds = set(map(type, value))
    if kinds == {str}:  # the rules of a reading are a thousand short words
        joined = '","'.join(value)
        if "\\" not in joined and joined.count('"') == 2 * (len(value) - 1):
            return b'{"' + _text(joined) + b'"}'
    elif kinds == {bool}:
        return b"{" + ",".join(bytes(value).translate(_TRUTHS).decode()).encode() + b"}"
    elif kinds == {UUID}:
        return b"{" + ",".join([each.hex for each in value]).encode() + b"}"
    elif kinds == {int}:
        return b"{" + ",".join(map(str, value)).encode() + b"}"
    return b"{" + b",".join([b"null" if each is None else _element(each) for each in value]) + b"}"


def _element(value: Any) -> bytes:
    octets = _WRITERS[type(value)](value)
    if isinstance(value, list | tuple):
        return octets
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


class _Writers(dict[type, Callable[[Any], bytes]]):
    """By type; a kind of one is written as that one: an enumeration is a str or an int."""

    def __missing__(self, kind: type) -> Callable[[Any], bytes]:
        for known, writer in self.items():
            if issubclass(kind, known):
                self[kind] = writer
                return writer
        raise TypeError(f"no bind value is a {kind.__name__}")


_WRITERS: Final = _Writers(
    {
        Written: bytes,
        Binary: lambda value: value,
        str: _text,
        bool: _truth,
        int: lambda value: b"%d" % value,
        UUID: lambda value: value.hex.encode(),
        datetime: _instant,
        date: lambda value: value.isoformat().encode(),
        bytes: lambda value: b"\\x" + value.hex().encode(),
        list: _array,
        tuple: _array,
    }
)
