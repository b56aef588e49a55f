"""One range of a content, and the conditions under which it is sent (RFC 9110 §13 and §14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from passerelle.kernel.errors import InvalidInput

_SINGLE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.IGNORECASE)
_ETAG = re.compile(r'(W/)?"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Span:
    """The octets from `start` up to `stop`, which is not one of them."""

    start: int
    stop: int


def wanted(header: str | None, size: int) -> Span | None:
    """The range that a `Range` field asks for; None for the whole.

    A field that cannot be read, or that asks for several ranges, is ignored, as RFC 9110 §14.2 allows. Refused:
    RANGE_NOT_SATISFIABLE.
    """
    match = _SINGLE.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(size - int(suffix), 0), size
    else:
        start, stop = int(first), size if not last else min(int(last) + 1, size)
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise InvalidInput("RANGE_NOT_SATISFIABLE", size=size)
    return Span(start, stop)


def names(header: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names this representation; a weak tag names it too (§13.1.2)."""
    if header is None:
        return False
    return header.strip() == "*" or any(f'"{value}"' == etag for _, value in _ETAG.findall(header))


def is_still(header: str | None, etag: str) -> bool:
    """Whether `If-Range` lets the range through: absent, or this very tag, strongly compared (§13.1.5)."""
    return header is None or header.strip() == etag
