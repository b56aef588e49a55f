"""The header fields of a request, read once (ASGI gives their names in lower case)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

Heading: TypeAlias = Mapping[bytes, bytes]


def heading(fields: Collection[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Each field by its name. One sent several times is the list of them (RFC 9110 §5.3), be it one that takes none."""
    read = dict(fields)
    if len(read) == len(fields):
        return read
    read.clear()
    for name, value in fields:
        read[name] = value if name not in read else read[name] + b", " + value
    return read


def said(head: Heading, name: bytes) -> str | None:
    """What one field says; None where it was not sent."""
    value = head.get(name)
    return None if value is None else value.decode("latin-1")
