"""What Python writes into an answer after PostgreSQL: a sentence of the catalogue, a name out of the directory.

The statement leaves a place: U+0001, the number of the place in the plan, U+0002, a JSON array of columns, U+0001.
`to_json` escapes both characters, so that no text of anybody's can look like a place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from passerelle.kernel.context import Context

_PLACE = re.compile(rb"\x01(\d+)\x02([^\x01]*)\x01")
_KEPT: LRUCache[tuple[object, bytes], bytes] = LRUCache(50_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """How places are filled: `write` gives the JSON of one, out of its columns and of what `lookup` found.

    `kept_as`: what `write` gives depends on this and on the columns alone, and holds nothing personal, so that it is
    kept for the life of the process.
    """

    write: Callable[[Context, Sequence[Any], Mapping[str, Any]], bytes]
    lookup: Callable[[Context, Sequence[Sequence[Any]]], Awaitable[Mapping[str, Any]]] | None = None
    kept_as: Callable[[Context], object] | None = None


async def filled(body: bytes, places: Sequence[Late], context: Context) -> bytes:
    """The octets with every place filled."""
    if not places or b"\x01" not in body:
        return body
    found: dict[int, Mapping[str, Any]] = {}
    for number, late in enumerate(places):
        if late.lookup is not None:
            payloads = {match[2] for match in _PLACE.finditer(body) if int(match[1]) == number}
            found[number] = await late.lookup(context, [json.loads(each) for each in sorted(payloads)])
    kept_as = [(late, late.kept_as(context)) if late.kept_as else None for late in places]

    def write(match: re.Match[bytes]) -> bytes:
        number, payload = int(match[1]), match[2]
        if (kept := kept_as[number]) is None:
            return places[number].write(context, json.loads(payload), found.get(number, {}))
        key = (kept, payload)
        if (written := _KEPT.get(key)) is None:
            written = _KEPT[key] = places[number].write(context, json.loads(payload), {})
        return written

    return _PLACE.sub(write, body)
