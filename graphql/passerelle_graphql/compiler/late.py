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


def together(first: Late, between: str, second: Late) -> Late | None:
    """Two places of the same columns and the text between them, as one that is kept; none where one is not kept."""
    kept_first, kept_second, text = first.kept_as, second.kept_as, between.encode()
    if kept_first is None or kept_second is None:
        return None

    def write(context: Context, values: Sequence[Any], found: Mapping[str, Any]) -> bytes:
        return first.write(context, values, found) + text + second.write(context, values, found)

    return Late(write=write, kept_as=lambda context: (kept_first(context), between, kept_second(context)))


async def filled(body: bytes, places: Sequence[Late], context: Context) -> bytes:
    """The octets with every place filled."""
    first, last = body.find(b"\x01"), body.rfind(b"\x01")
    if first < 0:
        return body
    pieces = body[first + 1 : last].split(b"\x01")  # places and the text between them, in turn
    asked = dict.fromkeys(pieces[::2])
    written: dict[bytes, bytes] = {}
    by_number: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for place in asked:
        number, _, payload = place.partition(b"\x02")
        by_number.setdefault(number, []).append((place, payload))
    for number, some in by_number.items():
        late = places[int(number)]
        if late.kept_as is None:
            await _write(late, some, context, written)
        else:
            _write_kept(late, late.kept_as(context), some, context, written)
    pieces[::2] = [written[place] for place in pieces[::2]]
    return b"".join((body[:first], *pieces, body[last + 1 :]))


async def _write(
    late: Late, some: Sequence[tuple[bytes, bytes]], context: Context, written: dict[bytes, bytes]
) -> None:
    columns = [json.loads(payload) for _, payload in some]
    found = await late.lookup(context, columns) if late.lookup is not None else {}
    for (place, _), each in zip(some, columns, strict=True):
        written[place] = late.write(context, each, found)


def _write_kept(
    late: Late, kind: object, some: Sequence[tuple[bytes, bytes]], context: Context, written: dict[bytes, bytes]
) -> None:
    kept = _kept.get(kind)
    if kept is None:
        if len(_kept) > _KINDS_AT_MOST:
            _kept.clear()
        kept = _kept[kind] = {}
    elif len(kept) > _KEPT_AT_MOST:
        kept.clear()
    for place, payload in some:
        said = kept.get(payload)
        if said is None:
            said = kept[payload] = late.write(context, json.loads(payload), {})
        written[place] = said
