"""The same twice: a substance, a therapeutic class, or a medicine that is not used up yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from passerelle.kernel import messages
from passerelle.pharmacy.checks.findings import Finding, FindingCode, Source, TableName, in_order
from passerelle.pharmacy.checks.items import Facet, Item

#: How many signs of an ATC code each of its levels takes.
_ATC_SIGNS = {1: 1, 2: 3, 3: 4, 4: 5, 5: 7}


@dataclass(frozen=True, slots=True)
class Repetition:
    """What counts as the same, by the rules in force: the ATC level of a class, the days before the end of a treatment
    from which it may be renewed."""

    atc_level: int
    tolerance_days: int


def class_of(item: Item, level: int) -> str | None:
    """The therapeutic class of a product at a level of the ATC; none when its code does not go that far."""
    signs = _ATC_SIGNS[level]
    return item.atc[:signs] if item.atc is not None and len(item.atc) >= signs else None


def repeated(
    pairs: Iterable[tuple[Facet, Sequence[Facet]]], rule: Repetition, today: date, medicines: Source
) -> Iterator[Finding]:
    """What each product has twice with the others beside it, by the narrowest of the three: renewed too early, one
    substance, one class."""
    for one, others in pairs:
        for other in others:
            if other.item.dispensed_on is not None and renews(one, other):
                yield from _too_early(one.item, other.item, rule, today)
            elif not one.known_as.isdisjoint(other.known_as):
                yield _twice(one.item, other.item, medicines)
            elif one.atc_class is not None and one.atc_class == other.atc_class:
                yield Finding(
                    code=FindingCode.SAME_CLASS,
                    source=medicines,
                    products=(one.item, other.item),
                    about=in_order(one.item, other.item),
                    between=(one.atc_class,),
                    sentence=messages.sentence(FindingCode.SAME_CLASS, {"class": one.atc_class}),
                )


def alike(asked: Sequence[Facet], taken: Iterable[Facet]) -> list[Facet]:
    """What of a history has anything in common with what is asked: nothing else can be the same twice."""
    products = {each.product for each in asked}
    classes = {each.atc_class for each in asked} - {None}
    names = frozenset[str]().union(*(each.known_as for each in asked))
    groups = frozenset[str]().union(*(each.generic_groups for each in asked))
    return [
        each
        for each in taken
        if each.product in products
        or each.atc_class in classes
        or not names.isdisjoint(each.known_as)
        or not groups.isdisjoint(each.generic_groups)
    ]


def renews(one: Facet, other: Facet) -> bool:
    """It is the same medicine again, or another of its generic group."""
    return one.product == other.product or not one.generic_groups.isdisjoint(other.generic_groups)


def _twice(one: Item, other: Item, medicines: Source) -> Finding:
    shared = sorted({min(a.name, b.name) for a in one.substances for b in other.substances if a.is_same(b)})
    return Finding(
        code=FindingCode.SAME_SUBSTANCE,
        source=medicines,
        products=(one, other),
        about=in_order(one, other),
        between=tuple(shared),
        sentence=messages.sentence(FindingCode.SAME_SUBSTANCE, {"substances": ", ".join(shared)}),
    )


def _too_early(one: Item, other: Item, rule: Repetition, today: date) -> Iterator[Finding]:
    if other.ends_on is None or (left := (other.ends_on - today).days) <= rule.tolerance_days:
        return
    yield Finding(
        code=FindingCode.EARLY_RENEWAL,
        source=Source(TableName.HISTORY),
        products=(one, other),
        about=in_order(one, other),
        sentence=messages.sentence(FindingCode.EARLY_RENEWAL, {"days": left}),
    )
