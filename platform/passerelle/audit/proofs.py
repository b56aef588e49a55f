"""The hashes that prove a line or a continuation, read from the tree as it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ARRAY, BigInteger, any_, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.merkle import (
    HASH_BYTES,
    STEP,
    Subtree,
    consistency_path,
    inclusion_path,
    kept_below,
    root_of,
    subtrees_of,
)
from passerelle.audit.tables import journal_leaf
from passerelle.kernel.errors import BrokenIntegrity

_AT_ONCE = 20_000
_Range = tuple[int, int]


async def inclusion_proofs(connection: AsyncConnection, indices: Sequence[int], size: int) -> list[list[bytes]]:
    """For each leaf, what proves it in the tree of `size`. Refused: JOURNAL_TREE_ALTERED, a hash is missing."""
    paths = [inclusion_path(index, size) for index in indices]
    roots = await _roots(connection, {each for path in paths for each in path})
    return [[roots[each] for each in path] for path in paths]


async def consistency_proof(connection: AsyncConnection, first: int, size: int) -> list[bytes]:
    """What proves that the tree of `first` leaves begins that of `size`. Refused: JOURNAL_TREE_ALTERED."""
    path = consistency_path(first, size)
    roots = await _roots(connection, set(path))
    return [roots[each] for each in path]


async def _roots(connection: AsyncConnection, ranges: Iterable[_Range]) -> dict[_Range, bytes]:
    asked = list(ranges)
    wanted = {kept for start, end in asked for subtree in subtrees_of(start, end) for kept in kept_below(subtree)}
    places = sorted({each.last_leaf for each in wanted})
    kept: dict[Subtree, bytes] = {}
    for at in range(0, len(places), _AT_ONCE):
        some = any_(literal(places[at : at + _AT_ONCE], ARRAY(BigInteger)))
        found = select(journal_leaf.c.leaf_index, journal_leaf.c.hash, journal_leaf.c.subtrees).where(
            journal_leaf.c.leaf_index == some
        )
        for row in await connection.execute(found):
            kept[Subtree(0, row.leaf_index)] = bytes(row.hash)
            packed = bytes(row.subtrees or b"")
            for number in range(len(packed) // HASH_BYTES):
                height = STEP * (number + 1)
                kept[Subtree(height, row.leaf_index >> height)] = packed[HASH_BYTES * number :][:HASH_BYTES]
    try:
        return {(start, end): root_of(start, end, kept) for start, end in asked}
    except KeyError as missing:
        raise BrokenIntegrity("JOURNAL_TREE_ALTERED") from missing
