"""What Python writes into an answer after PostgreSQL: a sentence of the catalogue, a name out of the directory.

The statement leaves a place: U+0001, the number of the place in the plan, U+0002, a JSON array of columns, U+0001.
`to_json` escapes both characters, so that no text of anybody's can look like a place.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passerelle.kernel.context import Context

_KINDS_AT_MOST, _KEPT_AT_MOST = 2_000, 20_000
_kept: dict[object, dict[bytes, bytes]] = {}


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
    if not places:
        return body
    pieces = body.split(b"\x01")  # text and places in turn
    asked = dict.fromkeys(pieces[1::2])
    if not asked:
        return body
    by_number: dict[int, list[bytes]] = {}
    for place in asked:
        by_number.setdefault(int(place[: place.index(b"\x02")]), []).append(place)
    written: dict[bytes, bytes] = {}
    for number, some in by_number.items():
        start = some[0].index(b"\x02") + 1
        payloads = [place[start:] for place in some]
        written.update(zip(some, await _written(places[number], payloads, context), strict=True))
    pieces[1::2] = [written[place] for place in pieces[1::2]]
    return b"".join(pieces)


async def _written(late: Late, payloads: Sequence[bytes], context: Context) -> list[bytes]:
    if late.kept_as is None:
        columns = [json.loads(each) for each in payloads]
        found = await late.lookup(context, columns) if late.lookup is not None else {}
        return [late.write(context, each, found) for each in columns]
    if len(_kept) > _KINDS_AT_MOST:
        _kept.clear()
    kept = _kept.setdefault(late.kept_as(context), {})
    if len(kept) > _KEPT_AT_MOST:
        kept.clear()
    for payload in payloads:
        if payload not in kept:
            kept[payload] = late.write(context, json.loads(payload), {})
    return [kept[payload] for payload in payloads]
