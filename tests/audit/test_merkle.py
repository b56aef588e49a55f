"""The tree of RFC 9162: every proof holds for what it proves and for nothing else, at every size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.audit.merkle import (
    STEP,
    Frontier,
    Subtree,
    consistency_path,
    inclusion_path,
    kept_below,
    root_of,
    subtrees_of,
)
from passerelle.audit.verifier import EMPTY_ROOT, continues, includes, leaf_hash, node_hash

# RFC 6962 test inputs as Certificate Transparency publishes them, with the roots of their first n.
INPUTS = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(1, 700)


def tree(leaves: Sequence[bytes]) -> bytes:
    """The root by the definition of RFC 9162, 2.1.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(tree(leaves[:half]), tree(leaves[half:]))


LEAVES = [leaf_hash(f"ligne {number}".encode()) for number in range(701)]


def grown(size: int) -> tuple[Frontier, dict[Subtree, bytes]]:
    """A tree grown leaf by leaf, and what is kept of it."""
    frontier, kept = Frontier(), {}
    for index in range(size):
        kept[Subtree(0, index)] = LEAVES[index]
        for number, root in enumerate(frontier.append(LEAVES[index])):
            height = STEP * (number + 1)
            kept[Subtree(height, index >> height)] = root
    return frontier, kept


GROWN, KEPT = grown(700)
PROVEN = [tree(LEAVES[:size]) for size in range(701)]


def proof(path: Sequence[tuple[int, int]]) -> list[bytes]:
    return [root_of(start, end, KEPT) for start, end in path]


def changed(value: bytes, at: int) -> bytes:
    flipped = bytearray(value)
    flipped[at % len(value)] ^= 1 << (at % 8)
    return bytes(flipped)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_that_certificate_transparency_publishes(size: int) -> None:
    frontier = Frontier()
    for each in INPUTS[:size]:
        frontier.append(leaf_hash(each))
    assert frontier.root().hex() == ROOTS[size - 1]


def test_a_tree_that_grows_has_the_root_of_its_definition_at_every_size() -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for size in range(1, 701):
        frontier = Frontier(frontier.size, frontier.packed())  # as it is stored and read back
        frontier.append(LEAVES[size - 1])
        assert frontier.root() == PROVEN[size]


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError):
        Frontier(3, bytes(32))


@given(SIZES, SIZES)
def test_the_root_of_any_range_that_a_proof_asks_for_comes_from_what_is_kept(size: int, index: int) -> None:
    for start, end in inclusion_path(index % size, size):
        assert root_of(start, end, KEPT) == tree(LEAVES[start:end])


@given(SIZES, SIZES, st.integers(0, 255))
def test_inclusion_is_proven_of_that_leaf_at_that_place_and_of_nothing_else(size: int, place: int, at: int) -> None:
    index = place % size
    path = proof(inclusion_path(index, size))
    assert includes(LEAVES[index], index, size, path, PROVEN[size])
    assert not includes(changed(LEAVES[index], at), index, size, path, PROVEN[size])
    assert not includes(LEAVES[index], index, size, path, changed(PROVEN[size], at))
    assert not includes(LEAVES[index], index, size, [*path, LEAVES[0]], PROVEN[size])
    assert not includes(LEAVES[index], size, size, path, PROVEN[size])
    other = (index + 1 + at) % size
    if other != index:
        assert not includes(LEAVES[index], other, size, path, PROVEN[size])
        assert not includes(LEAVES[other], index, size, path, PROVEN[size])
    if path:
        assert not includes(LEAVES[index], index, size, path[:-1], PROVEN[size])
        broken = [*path]
        broken[at % len(path)] = changed(broken[at % len(path)], at)
        assert not includes(LEAVES[index], index, size, broken, PROVEN[size])


@given(SIZES, SIZES, st.integers(0, 255))
def test_consistency_is_proven_of_a_beginning_and_of_nothing_else(one: int, other: int, at: int) -> None:
    first, size = sorted((one, other))
    path = proof(consistency_path(first, size))
    assert continues(first, PROVEN[first], size, PROVEN[size], path)
    assert not continues(first, changed(PROVEN[first], at), size, PROVEN[size], path)
    assert not continues(first, PROVEN[first], size, changed(PROVEN[size], at), path)
    assert not continues(first, PROVEN[first], size, PROVEN[size], [*path, LEAVES[0]])
    if path:
        assert not continues(first, PROVEN[first], size, PROVEN[size], path[:-1])
        broken = [*path]
        broken[at % len(path)] = changed(broken[at % len(path)], at)
        assert not continues(first, PROVEN[first], size, PROVEN[size], broken)
    assert not continues(size + 1, PROVEN[size], size, PROVEN[size], path)


@given(SIZES, st.integers(1, 699), st.integers(0, 255))
def test_a_journal_whose_past_was_rewritten_continues_nothing(size: int, first: int, at: int) -> None:
    first = min(first, size)
    rewritten = [*LEAVES[:size]]
    rewritten[at % first] = changed(rewritten[at % first], at)
    forged = [tree(rewritten[start:end]) for start, end in consistency_path(first, size)]
    assert not continues(first, PROVEN[first], size, tree(rewritten), forged)


def test_the_empty_journal_begins_every_other() -> None:
    assert continues(0, EMPTY_ROOT, 5, PROVEN[5], [])
    assert not continues(0, PROVEN[1], 5, PROVEN[5], [])


def test_a_proof_in_a_million_leaves_reads_under_a_hundred_hashes() -> None:
    size = 10**6
    for index in (0, 1, 65_535, 524_287, 777_777, size - 1):
        ranges = inclusion_path(index, size)
        read = {each for start, end in ranges for part in subtrees_of(start, end) for each in kept_below(part)}
        assert len(ranges) <= 20
        assert len(read) < 100
