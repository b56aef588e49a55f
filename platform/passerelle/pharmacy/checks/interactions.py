"""The interactions of one edition, held in memory, and which of them a basket meets.

Source: thésaurus des interactions médicamenteuses (ANSM): pairs of substances or of families of substances, each
with one or several of four levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import Final, TypeVar

from passerelle.kernel import messages
from passerelle.pharmacy.checks.findings import Finding, FindingCode, InteractionLevel, Source, TableName, in_order
from passerelle.pharmacy.checks.items import Facet, Substance

_KEPT_AT_MOST: Final = 4_000
_Asked = TypeVar("_Asked")
_Found = TypeVar("_Found")
_NONE: Final[Mapping[str, tuple[Interaction, ...]]] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Interaction:
    """One level of one pair. `left` and `right` are folded names of substances or of families."""

    left: str
    right: str
    level: InteractionLevel
    text: str
    mechanism: str
    left_label: str
    right_label: str

    @cached_property
    def between(self) -> tuple[str, str]:
        """Its two names, as the thesaurus writes them."""
        return self.left_label, self.right_label

    @cached_property
    def sentence(self) -> str:
        """What it is, in French."""
        said = {"left": self.left_label, "right": self.right_label}
        return messages.sentence(f"CHECK_INTERACTION_{self.level.name}", said)

    @cached_property
    def advice(self) -> str:
        """What the thesaurus says to do, and why."""
        return " ".join(filter(None, (self.text, self.mechanism)))


class Interactions:
    """One edition of the thesaurus. What it is asked is kept by substance, and bounded."""

    def __init__(self, dated: date, pairs: Iterable[Interaction], families: Iterable[tuple[str, str]]) -> None:
        """`families` gives (substance, family)."""
        self.source = Source(TableName.INTERACTIONS, dated)
        partners: dict[str, dict[str, list[Interaction]]] = {}
        for each in pairs:
            for one, other in {(each.left, each.right), (each.right, each.left)}:
                partners.setdefault(one, {}).setdefault(other, []).append(each)
        self._partners = {one: {other: tuple(rows) for other, rows in some.items()} for one, some in partners.items()}
        self._families: dict[str, set[str]] = {}
        for substance, family in families:
            self._families.setdefault(substance, set()).add(family)
        #: Every name that it says something of.
        self.names: frozenset[str] = frozenset(self._partners) | self._families.keys()
        self._under: dict[frozenset[str], frozenset[str]] = {}
        self._against: dict[frozenset[str], Mapping[str, tuple[Interaction, ...]]] = {}
        self._between: dict[tuple[frozenset[str], frozenset[str]], Sequence[Interaction]] = {}

    def knows(self, substance: Substance) -> bool:
        """Whether it lists the substance, by itself or in a family."""
        return not self.names.isdisjoint(substance.known_as)

    def under(self, known_as: frozenset[str]) -> frozenset[str]:
        """The names that stand for what is known under these: the same, and their families."""
        found = self._under.get(known_as)
        if found is None:
            found = known_as.union(*(self._families.get(each, ()) for each in known_as))
            _keep(self._under, known_as, found)
        return found

    def against(self, known_as: frozenset[str]) -> Mapping[str, tuple[Interaction, ...]]:
        """The names that this does not go with, and what there is between."""
        found = self._against.get(known_as)
        if found is None:
            gathered: dict[str, tuple[Interaction, ...]] = {}
            for name in sorted(self.under(known_as)):
                for other, rows in self._partners.get(name, _NONE).items():
                    gathered[other] = gathered.get(other, ()) + rows
            found = gathered
            _keep(self._against, known_as, found)
        return found

    def between(self, one: Substance, other: Substance) -> Sequence[Interaction]:
        """Every level of every pair that holds between two substances; nothing between a substance and itself."""
        pair = one.known_as, other.known_as
        found = self._between.get(pair)
        if found is None:
            against = self.against(one.known_as)
            met = () if one.is_same(other) else sorted(against.keys() & self.under(other.known_as))
            found = [row for name in met for row in against[name]]
            _keep(self._between, pair, found)
        return found


def _keep(kept: dict[_Asked, _Found], asked: _Asked, found: _Found) -> None:
    if len(kept) >= _KEPT_AT_MOST:
        kept.clear()
    kept[asked] = found


def interactions_met(pairs: Iterable[tuple[Facet, Sequence[Facet]]], table: Interactions) -> Iterator[Finding]:
    """The interactions of each product with the others beside it, each level of each entry once."""
    for one, others in pairs:
        is_beyond = table.against(one.known_as).keys().isdisjoint
        for other in others:
            if is_beyond(other.under):
                continue
            met: dict[Interaction, None] = {}
            for mine in one.item.substances:
                for its in other.item.substances:
                    met.update(dict.fromkeys(table.between(mine, its)))
            products, names = (one.item, other.item), in_order(one.item, other.item)
            for each in met:
                yield Finding(
                    code=FindingCode.INTERACTION,
                    source=table.source,
                    products=products,
                    about=names,
                    level=each.level,
                    between=each.between,
                    sentence=each.sentence,
                    advice=each.advice,
                )
