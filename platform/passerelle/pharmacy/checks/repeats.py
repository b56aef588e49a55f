"""The same twice: a substance, a therapeutic class, or a medicine that is not used up yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from passerelle.kernel import messages
from passerelle.pharmacy.checks.findings import Alert, Finding, FindingCode, Source, TableName, in_order
from passerelle.pharmacy.checks.items import Facet

#: How many signs of an ATC code each of its levels takes.
_ATC_SIGNS = {1: 1, 2: 3, 3: 4, 4: 5, 5: 7}


@dataclass(frozen=True, slots=True)
class Repetition:
    """What counts as the same, by the rules in force: the ATC level of a class, the days before the end of a treatment
    from which it may be renewed."""

    atc_level: int
    tolerance_days: int

    @property
    def atc_signs(self) -> int:
        """How many signs of its ATC code tell the class of a product; a code that does not go that far tells none."""
        return _ATC_SIGNS[self.atc_level]


def repeated(
    pairs: Iterable[tuple[Facet, Sequence[Facet]]], rule: Repetition, today: date, medicines: Source
) -> Iterator[Finding]:
    """What each product has twice with the others beside it, by the narrowest of the three: renewed too early, one
    substance, one class."""
    for one, others in pairs:
        for other in others:
            if other.item.dispensed_on is not None and renews(one, other):
                yield from _too_early(one, other, rule, today)
            elif not one.known_as.isdisjoint(other.known_as):
                yield _twice(one, other, medicines)
            elif one.atc_class is not None and one.atc_class == other.atc_class:
                yield _of_both(
                    one,
                    other,
                    Alert(
                        code=FindingCode.SAME_CLASS,
                        source=medicines,
                        between=(one.atc_class,),
                        sentence=messages.sentence(FindingCode.SAME_CLASS, {"class": one.atc_class}),
                    ),
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


def _twice(one: Facet, other: Facet, medicines: Source) -> Finding:
    shared = sorted({min(a.name, b.name) for a in one.item.substances for b in other.item.substances if a.is_same(b)})
    alert = Alert(
        code=FindingCode.SAME_SUBSTANCE,
        source=medicines,
        between=tuple(shared),
        sentence=messages.sentence(FindingCode.SAME_SUBSTANCE, {"substances": ", ".join(shared)}),
    )
    return _of_both(one, other, alert)


def _too_early(one: Facet, other: Facet, rule: Repetition, today: date) -> Iterator[Finding]:
    ends_on = other.item.ends_on
    if ends_on is None or (left := (ends_on - today).days) <= rule.tolerance_days:
        return
    alert = Alert(
        code=FindingCode.EARLY_RENEWAL,
        source=Source(TableName.HISTORY),
        sentence=messages.sentence(FindingCode.EARLY_RENEWAL, {"days": left}),
    )
    yield _of_both(one, other, alert)


def _of_both(one: Facet, other: Facet, alert: Alert) -> Finding:
    return Finding(alert, (one.item, other.item), in_order(one, other))
