"""What Python writes into an answer after PostgreSQL: a sentence of the catalogue, a name out of the directory.

The statement leaves a place: U+0001, the number of the place in the plan, U+0002, a JSON array of columns, U+0001.
`to_json` escapes both characters, so that no text of anybody's can look like a place.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any, Final, TypeAlias

from passerelle.kernel.context import Context

_Shelf: TypeAlias = dict[bytes, bytes]
_KINDS_AT_MOST, _KEPT_AT_MOST = 2_000, 20_000
_kept: dict[object, tuple[float, _Shelf]] = {}
_NONE: Final[tuple[float, _Shelf]] = (-inf, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """How places are filled: `write` gives the JSON of one, out of its columns and of what `lookup` found.

    `kept_as`: what `write` gives depends on this and on the columns alone, and holds nothing personal, so that it is
    kept, for `kept_seconds` or for the life of the process. What a `lookup` did not find is not.
    """

    write: Callable[[Context, Sequence[Any], Mapping[str, Any]], bytes]
    lookup: Callable[[Context, Sequence[Sequence[Any]]], Awaitable[Mapping[str, Any]]] | None = None
    kept_as: Callable[[Context], object] | None = None
    kept_seconds: float = inf


def together(first: Late, between: str, second: Late) -> Late | None:
    """Two places of the same columns and the text between them, as one that is kept; none where one is not kept, or
    looks anything up."""
    kept_first, kept_second, text = first.kept_as, second.kept_as, between.encode()
    if kept_first is None or kept_second is None or first.lookup or second.lookup:
        return None

    def write(context: Context, values: Sequence[Any], found: Mapping[str, Any]) -> bytes:
        return first.write(context, values, found) + text + second.write(context, values, found)

    return Late(write=write, kept_as=lambda context: (kept_first(context), between, kept_second(context)))


async def filled(body: bytes, places: Sequence[Late], context: Context) -> bytes:
    """The octets with every place filled."""
    return b"".join(await in_pieces(body, places, context))


async def in_pieces(body: bytes, places: Sequence[Late], context: Context) -> list[bytes]:
    """The same in pieces, to be joined with what stands round them."""
    pieces = body.split(b"\x01")  # the text between places and these, in turn
    if not (asked := pieces[1::2]):
        return pieces
    written: dict[bytes, bytes] = {}
    by_number: dict[bytes, dict[bytes, bytes]] = {}
    for place in dict.fromkeys(asked):
        number, _, payload = place.partition(b"\x02")
        by_number.setdefault(number, {})[place] = payload
    for number, payloads in by_number.items():
        late = places[int(number)]
        shelf = _shelf(late, context)
        missing = [payload for payload in payloads.values() if payload not in shelf]
        new = await _written(late, missing, context, shelf) if missing else shelf
        for place, payload in payloads.items():
            written[place] = shelf[payload] if payload in shelf else new[payload]
    pieces[1::2] = map(written.__getitem__, asked)
    return pieces


def _shelf(late: Late, context: Context) -> _Shelf:
    """What was written of such places before."""
    if late.kept_as is None:
        return {}
    kind, now = late.kept_as(context), monotonic()
    ends, shelf = _kept.get(kind, _NONE)
    if now >= ends or len(shelf) > _KEPT_AT_MOST:
        if len(_kept) > _KINDS_AT_MOST:
            _kept.clear()
        shelf = {}
        _kept[kind] = now + late.kept_seconds, shelf
    return shelf


async def _written(late: Late, payloads: Sequence[bytes], context: Context, shelf: _Shelf) -> _Shelf:
    """What is written for each payload; what may be kept is put on the shelf."""
    columns = [json.loads(each) for each in payloads]
    found = await late.lookup(context, columns) if late.lookup is not None else {}
    new = {payload: late.write(context, each, found) for payload, each in zip(payloads, columns, strict=True)}
    if late.kept_as is not None:
        shelf.update({each: said for each, said in new.items() if late.lookup is None or said != b"null"})
    return new
