"""The substances that a medicine acts by, out of the lines of its composition.

A line is of an active substance (SA) or of its therapeutic fraction (FT: what acts, rid of its salt); those that belong
together have one link within one element. Several fractions of one substance are as many substances, several substances
of one fraction are that one; without a fraction, each substance is itself. Link 0 links nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from passerelle.pharmacy.reference.sources import SubstanceNature


class Composed(Protocol):
    """A line of a composition, as far as it is looked at."""

    @property
    def element(self) -> str: ...
    @property
    def link(self) -> int: ...
    @property
    def nature(self) -> str: ...
    @property
    def known_as(self) -> Collection[str]: ...


_Line = TypeVar("_Line", bound=Composed)


@dataclass(frozen=True, slots=True)
class Acting(Generic[_Line]):
    """What a medicine acts by: the line that names it, and every folded name of it, its salts' included."""

    line: _Line
    known_as: frozenset[str]


def acting(lines: Iterable[_Line]) -> list[Acting[_Line]]:
    """The substances of one medicine, each once for each of its links, in the order of their first lines."""
    together: dict[tuple[str, int, int], list[_Line]] = {}
    for place, each in enumerate(lines):
        together.setdefault((each.element, each.link, 0 if each.link else place), []).append(each)
    return [one for linked in together.values() for one in _acting(linked)]


def _acting(linked: list[_Line]) -> list[Acting[_Line]]:
    fractions = [each for each in linked if each.nature == SubstanceNature.FRACTION]
    if not fractions:
        return [Acting(each, frozenset(each.known_as)) for each in linked]
    # A salt is listed under the names of all its fractions too: it must not make several of them one.
    every = frozenset[str]().union(*(each.known_as for each in fractions))
    salts = frozenset[str]().union(*(each.known_as for each in linked)) - every
    first, *others = fractions
    return [Acting(first, salts.union(first.known_as)), *(Acting(each, frozenset(each.known_as)) for each in others)]
