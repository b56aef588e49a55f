"""The interactions of one edition, held in memory, and which of them a basket meets.

Source: thésaurus des interactions médicamenteuses (ANSM): pairs of substances or of families of substances, each
with one or several of four levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

from passerelle.kernel import messages
from passerelle.pharmacy.checks.findings import Finding, FindingCode, InteractionLevel, Source, TableName
from passerelle.pharmacy.checks.items import Item, Substance

_KEPT_AT_MOST: Final = 4_000
_NONE: Final[Mapping[str, tuple[Interaction, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Interaction:
    """One level of one pair. `left` and `right` are folded names of substances or of families."""

    left: str
    right: str
    level: InteractionLevel
    text: str
    mechanism: str
    left_label: str
    right_label: str


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

    def knows(self, substance: Substance) -> bool:
        """Whether it lists the substance, by itself or in a family."""
        return not self.names.isdisjoint(substance.known_as)

    def under(self, substance: Substance) -> frozenset[str]:
        """The names that stand for a substance: its own, and those of its families."""
        found = self._under.get(substance.known_as)
        if found is None:
            found = substance.known_as.union(*(self._families.get(each, ()) for each in substance.known_as))
            if len(self._under) >= _KEPT_AT_MOST:
                self._under.clear()
            self._under[substance.known_as] = found
        return found

    def between(self, one: Substance, other: Substance) -> Sequence[Interaction]:
        """Every level of every pair that holds between two substances; nothing between a substance and itself."""
        against = self._pairs_of(one)
        met = against.keys() & self.under(other)
        if not met or one.is_same(other):
            return ()
        return [row for name in sorted(met) for row in against[name]]

    def _pairs_of(self, substance: Substance) -> Mapping[str, tuple[Interaction, ...]]:
        found = self._against.get(substance.known_as)
        if found is None:
            gathered: dict[str, tuple[Interaction, ...]] = {}
            for name in sorted(self.under(substance)):
                for other, rows in self._partners.get(name, _NONE).items():
                    gathered[other] = gathered.get(other, ()) + rows
            if len(self._against) >= _KEPT_AT_MOST:
                self._against.clear()
            found = self._against[substance.known_as] = gathered
        return found


def interactions_met(pairs: Iterable[tuple[Item, Item]], table: Interactions) -> Iterator[Finding]:
    """The interactions between the products of each pair, each level of each entry once."""
    for one, other in pairs:
        met: dict[Interaction, None] = {}
        for mine in one.substances:
            for its in other.substances:
                met.update(dict.fromkeys(table.between(mine, its)))
        for each in met:
            yield Finding(
                code=FindingCode.INTERACTION,
                source=table.source,
                products=(one, other),
                level=each.level,
                between=(each.left_label, each.right_label),
                sentence=messages.sentence(
                    f"CHECK_INTERACTION_{each.level.name}", {"left": each.left_label, "right": each.right_label}
                ),
                advice=" ".join(filter(None, (each.text, each.mechanism))),
            )
