"""No count that is withheld can be worked out of those that are shown: every table that they allow is tried."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.oncology.small_counts import Tree, is_small, withheld, withheld_part

LEAST = 3
Leaves = list[tuple[int, int, int]]  # group, count, part of it


def _tree(groups: list[int]) -> tuple[Tree, list[list[int]]]:
    """A root, its groups, their leaves; and for each node the leaves that it adds up."""
    named = sorted(set(groups))
    parents: list[int | None] = [None, *[0] * len(named), *(1 + named.index(each) for each in groups)]
    of_group = [[at for at, group in enumerate(groups) if group == each] for each in named]
    return Tree(tuple(parents)), [[*range(len(groups))], *of_group, *([at] for at in range(len(groups)))]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=3))
def test_nothing_withheld_is_told(leaves: Leaves) -> None:
    tree, sums = _tree([group for group, _, _ in leaves])
    counts = [sum(leaves[at][1] for at in each) for each in sums]
    parts = [sum(min(leaves[at][1:]) for at in each) for each in sums]
    hidden = withheld(tree, counts, LEAST)
    part_hidden = withheld_part(tree, parts, counts, hidden, LEAST)

    for node, count in enumerate(counts):
        assert not is_small(count, LEAST) or node in hidden
        assert not is_small(parts[node], LEAST) or node in part_hidden
        assert not is_small(count - parts[node], LEAST) or node in hidden | part_hidden
    assert not any(parts[node] for node in hidden - part_hidden)

    # Whatever somebody adds and subtracts, at least two tables agree with what he was shown.
    most = max(whole for _, whole, _ in leaves) + 2
    cells = [(whole, part) for whole in range(most + 1) for part in range(whole + 1)]
    allowed: list[list[tuple[int, int]]] = []
    for at, node in enumerate(range(len(counts) - len(leaves), len(counts))):
        assert sums[node] == [at]
        allowed.append(
            [cell for cell in cells if _agrees(cell, (counts[node], parts[node]), node, hidden, part_hidden)]
        )
    seen: list[set[tuple[str, int]]] = [set() for _ in counts]
    for table in product(*allowed):
        shown = [(sum(table[at][0] for at in each), sum(table[at][1] for at in each)) for each in sums]
        if all(
            _agrees(cell, (counts[node], parts[node]), node, hidden, part_hidden) for node, cell in enumerate(shown)
        ):
            for node, (whole, part) in enumerate(shown):
                seen[node] |= {("whole", whole), ("part", part)}
    for node in hidden:
        assert len([each for each in seen[node] if each[0] == "whole"]) > 1
    for node in part_hidden:
        assert len([each for each in seen[node] if each[0] == "part"]) > 1


def _agrees(
    cell: tuple[int, int], real: tuple[int, int], node: int, hidden: frozenset[int], part_hidden: frozenset[int]
) -> bool:
    """What is shown is what it is; of what is not, that somebody is in it."""
    whole, part = cell
    if node not in hidden and whole != real[0]:
        return False
    if node in hidden and whole == 0:
        return False
    if node not in part_hidden:
        return part == real[1]
    return node in hidden or 0 < part < whole


def test_what_is_withheld_of_a_few_known_tables() -> None:
    tree, _ = _tree([0, 0, 0])
    leaves = {2: "a", 3: "b", 4: "c"}

    def shown(*counts: int) -> str:
        kept = withheld(tree, [sum(counts), sum(counts), *counts], 11)
        return "".join("total " if 0 not in kept else "") + "".join(v for k, v in leaves.items() if k not in kept)

    assert shown(20, 30, 40) == "total abc"
    assert shown(20, 30, 0) == "total abc"
    assert shown(4, 30, 40) == "total c"  # the smallest of the others goes with it
    assert shown(4, 9, 40) == "total c"
    assert shown(4, 5, 40) == "total "  # nine in all are too few to hide two among
    assert shown(4, 0, 40) == "total b"
    assert shown(4, 3, 2) == ""
    assert shown(0, 0, 0) == "total abc"
