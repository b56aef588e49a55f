"""Which counts of a tree are withheld, so that none that is small can be told, nor worked out of the others.

A count stands for the sum of those below it. Small ones are withheld, then as many beside or above them as it takes:
whoever adds up and subtracts all that is shown is left, for each count withheld, with as many possible values as there
are small ones. Decision 0126.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_UNBOUNDED: Final = 10**12


@dataclass(frozen=True, slots=True)
class Range:
    """The values that a count may have, as whoever reads the rest can tell; both ends included."""

    low: int
    high: int = _UNBOUNDED


@dataclass(frozen=True, slots=True)
class Tree:
    """Counts by node; `parents` names each node's own, which comes before it, and None for the root."""

    parents: tuple[int | None, ...]

    def below(self) -> list[list[int]]:
        """The children of each node."""
        found: list[list[int]] = [[] for _ in self.parents]
        for node, parent in enumerate(self.parents):
            if parent is not None:
                found[parent].append(node)
        return found


def is_small(count: int, least: int) -> bool:
    """Whether a count is told of too few; nobody at all is told."""
    return 0 < count < least


def withheld(tree: Tree, counts: Sequence[int], least: int) -> frozenset[int]:
    """The nodes whose count is withheld: of a count, 0 is shown."""
    first = {node for node, count in enumerate(counts) if is_small(count, least)}
    return _completed(tree, counts, first, [Range(1)] * len(counts), least)


def withheld_part(
    tree: Tree, parts: Sequence[int], wholes: Sequence[int], hidden: Collection[int], least: int
) -> frozenset[int]:
    """The same for a part of each count, which tells of the rest of it too; `hidden` are the wholes withheld."""
    told = possible(tree, wholes, hidden, [Range(1)] * len(wholes))
    nobody: set[int] = set()  # where a count shown is 0, so is all below it
    bounds, first = [], set()
    for node, (part, whole, parent) in enumerate(zip(parts, wholes, tree.parents, strict=True)):
        if not part and (node not in hidden or parent in nobody):
            nobody.add(node)
        elif node in hidden or is_small(part, least) or is_small(whole - part, least):
            first.add(node)
        is_free = node in hidden and node not in nobody
        bounds.append(Range(0, told[node].high) if is_free else Range(1, max(whole - 1, 1)))
    return _completed(tree, parts, first, bounds, least)


def possible(tree: Tree, counts: Sequence[int], hidden: Collection[int], bounds: Sequence[Range]) -> list[Range]:
    """What can be told of each count by adding up and subtracting those that are shown."""
    below = tree.below()
    told = [bounds[node] if node in hidden else Range(count, count) for node, count in enumerate(counts)]
    for node in reversed(range(len(counts))):
        if below[node]:
            told[node] = _both(told[node], _sum(told[each] for each in below[node]))
    for node, children in enumerate(below):
        whole = _sum(told[each] for each in children)
        above = told[node]
        for child in children:
            its = told[child]
            told[child] = _both(its, Range(above.low - (whole.high - its.high), above.high - (whole.low - its.low)))
    return told


def _completed(
    tree: Tree, counts: Sequence[int], first: Collection[int], bounds: Sequence[Range], least: int
) -> frozenset[int]:
    hidden, below = set(first), tree.below()

    def smallest(nodes: Collection[int]) -> int | None:
        may = [each for each in nodes if each not in hidden and bounds[each].low <= counts[each] <= bounds[each].high]
        return min(may, key=lambda each: (counts[each], each), default=None)

    while True:
        told = possible(tree, counts, hidden, bounds)
        open_ = [node for node in sorted(hidden) if told[node].high - told[node].low < least - 2]
        for node in open_:
            parent = tree.parents[node]
            more = smallest(below[node]) if not hidden.intersection(below[node]) else None
            if more is None and parent is not None:
                more = smallest(below[parent])
                more = smallest([parent]) if more is None else more
            if more is not None:
                hidden.add(more)
                break
        else:
            # Whatever is left to say of those is said by everything else together.
            rest = smallest(range(len(counts))) if open_ else None
            if rest is None:
                return frozenset(hidden)
            hidden.add(rest)


def _sum(ranges: Iterable[Range]) -> Range:
    low = high = 0
    for each in ranges:
        low, high = low + each.low, high + each.high
    return Range(low, high)


def _both(one: Range, other: Range) -> Range:
    return Range(max(one.low, other.low), min(one.high, other.high))
