"""The interactions of one edition, held in memory, and which of them a basket meets.

Source: thésaurus des interactions médicamenteuses (ANSM): pairs of substances or of families of substances, each
with one or several of four levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final, TypeVar

from passerelle.kernel import messages
from passerelle.pharmacy.checks.findings import (
    Alert,
    Finding,
    FindingCode,
    InteractionLevel,
    Source,
    TableName,
    in_order,
)
from passerelle.pharmacy.checks.items import Facet, Substance, known_as

_KEPT_AT_MOST: Final = 4_000
_Asked = TypeVar("_Asked")
_Found = TypeVar("_Found")
_NONE: Final[Mapping[str, tuple[Alert, ...]]] = MappingProxyType({})


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

    def alert(self, source: Source) -> Alert:
        """What a finding says of it, with what the thesaurus says to do, and why."""
        names = {"left": self.left_label, "right": self.right_label}
        return Alert(
            code=FindingCode.INTERACTION,
            source=source,
            level=self.level,
            between=tuple(names.values()),
            sentence=messages.sentence(f"CHECK_INTERACTION_{self.level.name}", names),
            advice=" ".join(filter(None, (self.text, self.mechanism))),
            lasts=True,
        )


class Interactions:
    """One edition of the thesaurus. What it is asked is kept by substance, and bounded."""

    def __init__(self, dated: date, pairs: Iterable[Interaction], families: Iterable[tuple[str, str]]) -> None:
        """`families` gives (substance, family)."""
        self.source = Source(TableName.INTERACTIONS, dated)
        partners: dict[str, dict[str, list[Alert]]] = {}
        for each in pairs:
            alert = each.alert(self.source)
            for one, other in {(each.left, each.right), (each.right, each.left)}:
                partners.setdefault(one, {}).setdefault(other, []).append(alert)
        self._partners = {one: {other: tuple(rows) for other, rows in some.items()} for one, some in partners.items()}
        self._families: dict[str, set[str]] = {}
        for substance, family in families:
            self._families.setdefault(substance, set()).add(family)
        #: Every name that it says something of.
        self.names: frozenset[str] = frozenset(self._partners) | self._families.keys()
        self._under: dict[frozenset[str], frozenset[str]] = {}
        self._against: dict[frozenset[str], Mapping[str, tuple[Alert, ...]]] = {}
        self._avoided: dict[frozenset[str], frozenset[str]] = {}
        self._between: dict[tuple[frozenset[str], frozenset[str]], tuple[Alert, ...]] = {}
        self._names_of: dict[tuple[Substance, ...], tuple[frozenset[str], frozenset[str]]] = {}
        self._of: dict[tuple[tuple[Substance, ...], tuple[Substance, ...]], tuple[Alert, ...]] = {}

    def knows(self, substance: Substance) -> bool:
        """Whether it lists the substance, by itself or in a family."""
        return not self.names.isdisjoint(substance.known_as)

    def under(self, names: frozenset[str]) -> frozenset[str]:
        """The names that stand for what is known under these: the same, and their families."""
        found = self._under.get(names)
        if found is None:
            found = names.union(*(self._families.get(each, ()) for each in names))
            _keep(self._under, names, found)
        return found

    def names_of(self, substances: tuple[Substance, ...]) -> tuple[frozenset[str], frozenset[str]]:
        """The names of a product's substances, and those that stand for them."""
        found = self._names_of.get(substances)
        if found is None:
            own = known_as(substances)
            found = own, self.under(own)
            _keep(self._names_of, substances, found)
        return found

    def avoided(self, names: frozenset[str]) -> frozenset[str]:
        """The names that what is known under these does not go with."""
        found = self._avoided.get(names)
        if found is None:
            found = frozenset(self._against_each(names))
            _keep(self._avoided, names, found)
        return found

    def between(self, one: Substance, other: Substance) -> tuple[Alert, ...]:
        """Every level of every pair that holds between two substances; nothing between a substance and itself."""
        pair = one.known_as, other.known_as
        found = self._between.get(pair)
        if found is None:
            against = self._against_each(one.known_as)
            met = () if one.is_same(other) else sorted(against.keys() & self.under(other.known_as))
            found = tuple(dict.fromkeys(each for name in met for each in against[name]))
            _keep(self._between, pair, found)
        return found

    def of(self, some: tuple[Substance, ...], others: tuple[Substance, ...]) -> tuple[Alert, ...]:
        """The same between two products, each once."""
        pair = some, others
        found = self._of.get(pair)
        if found is None:
            met = (self.between(one, other) for one in some for other in others)
            found = tuple(dict.fromkeys(each for alerts in met for each in alerts))
            _keep(self._of, pair, found)
        return found

    def _against_each(self, names: frozenset[str]) -> Mapping[str, tuple[Alert, ...]]:
        """What is said of these names, by the name that they do not go with."""
        found = self._against.get(names)
        if found is None:
            gathered: dict[str, tuple[Alert, ...]] = {}
            for name in sorted(self.under(names)):
                for other, alerts in self._partners.get(name, _NONE).items():
                    gathered[other] = gathered.get(other, ()) + alerts
            found = gathered
            _keep(self._against, names, found)
        return found


def _keep(kept: dict[_Asked, _Found], asked: _Asked, found: _Found) -> None:
    if len(kept) >= _KEPT_AT_MOST:
        kept.clear()
    kept[asked] = found


def interactions_met(pairs: Iterable[tuple[Facet, Sequence[Facet]]], table: Interactions) -> Iterator[Finding]:
    """The interactions of each product with the others beside it, each level of each entry once."""
    for one, others in pairs:
        is_beyond = table.avoided(one.known_as).isdisjoint
        for other in others:
            if is_beyond(other.under):
                continue
            met = table.of(one.item.substances, other.item.substances)
            if met:
                products, names = (one.item, other.item), in_order(one, other)
                for each in met:
                    yield Finding(each, products, names)
