"""A Merkle tree that grows by its right edge (RFC 9162, section 2.1), and the parts of it that a proof asks for.

Only complete subtrees of 16, 256, 4096… leaves are kept beside the leaves: a proof in a tree of a million leaves
then reads under a hundred hashes, for one hash in fifteen more to keep. What a proof's reader needs (`leaf_hash`,
`node_hash`, `includes`, `continues`) stands in `verifier`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from passerelle.audit.verifier import EMPTY_ROOT, node_hash

HASH_BYTES: Final = 32
STEP: Final = 4  # a subtree is kept when its height is a multiple of this


@dataclass(frozen=True, slots=True, order=True)
class Subtree:
    """The complete subtree of 2^height leaves that begins at leaf `position` · 2^height."""

    height: int
    position: int

    @property
    def last_leaf(self) -> int:
        return ((self.position + 1) << self.height) - 1


class Frontier:
    """The roots of the complete subtrees that make up a tree, the largest first: all it takes to grow."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, packed: bytes = b"") -> None:
        if len(packed) != HASH_BYTES * size.bit_count():
            raise ValueError("as many subtrees as the size has bits set")
        self.size = size
        self.hashes = [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]

    def packed(self) -> bytes:
        return b"".join(self.hashes)

    def append(self, leaf: bytes) -> list[bytes]:
        """Add a leaf; the roots of the subtrees to keep (heights 4, 8…) that it completes, the smallest first."""
        kept = []
        above, height, size = leaf, 0, self.size
        while size & 1:
            above = node_hash(self.hashes.pop(), above)
            height, size = height + 1, size >> 1
            if height % STEP == 0:
                kept.append(above)
        self.hashes.append(above)
        self.size += 1
        return kept

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        if not self.hashes:
            return EMPTY_ROOT
        return _folded(self.hashes)


def inclusion_path(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose roots prove the leaf at `index`, from the leaf upwards (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < size:
        raise IndexError("no such leaf")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _left_size(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_path(first: int, size: int) -> list[tuple[int, int]]:
    """The ranges whose roots prove that `first` leaves are the beginning of `size` (RFC 9162, 2.1.4.1)."""
    if not 0 <= first <= size:
        raise IndexError("no such tree")
    if first in (0, size):
        return []
    path = []
    start, end, is_whole = 0, size, True
    while first != end:
        middle = start + _left_size(end - start)
        if first <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, is_whole = middle, False
    if not is_whole:
        path.append((start, end))
    return path[::-1]


def subtrees_of(start: int, end: int) -> list[Subtree]:
    """The complete subtrees that a range of leaves is made of, from left to right."""
    found = []
    while start < end:
        height = (end - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        found.append(Subtree(height, start >> height))
        start += 1 << height
    return found


def kept_below(subtree: Subtree) -> Iterator[Subtree]:
    """The leaves or kept subtrees that a subtree is computed from."""
    lower = subtree.height - subtree.height % STEP
    width = 1 << (subtree.height - lower)
    return (Subtree(lower, subtree.position * width + each) for each in range(width))


def root_of(start: int, end: int, kept: Mapping[Subtree, bytes]) -> bytes:
    """The root of a range out of the leaves and kept subtrees that `kept_below` names."""
    return _folded([_complete([kept[each] for each in kept_below(subtree)]) for subtree in subtrees_of(start, end)])


def _complete(hashes: Sequence[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def _folded(hashes: Sequence[bytes]) -> bytes:
    above = hashes[-1]
    for left in reversed(hashes[:-1]):
        above = node_hash(left, above)
    return above


def _left_size(size: int) -> int:
    """The largest power of two that is smaller than the size."""
    return 1 << ((size - 1).bit_length() - 1)
