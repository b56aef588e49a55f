"""What is compared: the lines of a basket, and what the patient may still be taking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, Final, NamedTuple

_LAST_DAY: Final = date.max.toordinal()


class Substance(NamedTuple):
    """An active substance: its name, and the folded names under which a table may list it, its own included."""

    name: str
    known_as: frozenset[str]

    def is_same(self, other: Substance) -> bool:
        """Two names of one substance share one: a salt and its base."""
        return not self.known_as.isdisjoint(other.known_as)


class Item(NamedTuple):
    """One product. `place` is its line in the basket; `dispensed_on` says that it is out of the history instead.

    `ends_on`: the first day that is not covered any more; none when nothing says how long it lasts. `is_known`: the
    table of medicines lists it.
    """

    label: str
    cip13: str | None = None
    cis: str | None = None
    substances: tuple[Substance, ...] = ()
    atc: str | None = None
    generic_groups: frozenset[str] = frozenset()
    place: int | None = None
    dispensed_on: date | None = None
    ends_on: date | None = None
    is_known: bool = True

    @property
    def product(self) -> str:
        """What makes two items the same product, however often it is dispensed."""
        return self.cis or self.cip13 or self.label


def known_as(substances: Sequence[Substance]) -> frozenset[str]:
    """The names of all of them."""
    return frozenset[str]().union(*(each.known_as for each in substances))


class Facet(NamedTuple):
    """An item with what pairs of items are compared by, worked out once. `under`: as `Interactions.under`."""

    item: Item
    product: str
    generic_groups: frozenset[str]
    known_as: frozenset[str]
    under: frozenset[str]
    atc_class: str | None


class Dispensed(NamedTuple):
    """One line of the history: what it says of itself, and for how many days it lasts."""

    dispensed_on: date
    label: str
    cip13: str | None = None
    cis: str | None = None
    substances: tuple[str, ...] = ()
    atc: str | None = None
    days: int | None = None

    @property
    def product(self) -> str:
        """As `Item.product`."""
        return self.cis or self.cip13 or self.label


def still_taken(
    history: Iterable[Sequence[Any]], today: date, assumed_days: int
) -> list[tuple[Dispensed, date | None]]:
    """What of a history may still be taken today, each product once, by its last line, with the day it ends.

    A line is a `Dispensed`, or what makes one. What is dispensed before the end of the former adds to it. A line that
    tells no days counts for `assumed_days`; the day on which it ends is not known.
    """
    last: dict[str, tuple[Sequence[Any], int, bool]] = {}  # days as numbers: a history is long
    for each in sorted(history, key=itemgetter(0)):
        on, label, cip13, cis, _, _, days = each
        if on > today:
            break
        product, begin, is_told = cis or cip13 or label, on.toordinal(), days is not None
        before = last.get(product)
        if before is not None and before[1] > begin:
            _, begin, was_told = before
            is_told = is_told and was_told
        # Boxes add up for ever.
        ends = min(begin + (assumed_days if days is None else days), _LAST_DAY)
        last[product] = each, ends, is_told
    now = today.toordinal()
    return [
        (Dispensed._make(each), date.fromordinal(ends) if is_told else None)
        for each, ends, is_told in last.values()
        if ends > now
    ]
