"""The pure core: a basket, what the patient may still be taking and the tables become findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from passerelle.pharmacy.checks.allergens import Allergen, allergies_met
from passerelle.pharmacy.checks.availability import Shortage, running_short
from passerelle.pharmacy.checks.findings import Finding, NotChecked, Source, Unchecked
from passerelle.pharmacy.checks.interactions import Interactions, interactions_met
from passerelle.pharmacy.checks.items import Item
from passerelle.pharmacy.checks.protocols import overlaps_met
from passerelle.pharmacy.checks.repeats import Repetition, class_of, repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a basket is held against: a table that is missing is none. `protocols` are names of substances."""

    today: date
    repetition: Repetition
    taken: Sequence[Item] = ()
    allergens: Sequence[Allergen] = ()
    protocols: frozenset[str] = frozenset()
    interactions: Interactions | None = None
    medicines: Source | None = None
    shortages: Sequence[tuple[Item, Shortage]] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """Findings, the heaviest first, and what could not be checked."""

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]


def compare(basket: Sequence[Item], ground: Ground) -> Compared:
    """Hold a basket against itself and against the ground. The order of either changes nothing."""
    ordered = sorted(basket, key=lambda each: (each.product, each.place or 0))
    pairs = [*combinations(ordered, 2), *((one, other) for one in ordered for other in ground.taken)]
    findings: list[Finding] = []
    not_checked = [*_untold(basket, ground)]
    if ground.interactions is not None:
        findings += interactions_met(pairs, ground.interactions)
    if ground.medicines is not None:
        findings += repeated(pairs, ground.repetition, ground.today, ground.medicines)
        findings += running_short(ground.shortages, ground.medicines)
    findings += overlaps_met(ordered, ground.protocols, ground.interactions)
    for each in allergies_met(ordered, ground.allergens, ground.interactions):
        if isinstance(each, Finding):
            findings.append(each)
        else:
            not_checked.append(each)
    by_key = {each.key: each for each in findings}
    return Compared(
        tuple(sorted(by_key.values(), key=lambda each: each.weight)),
        tuple(dict.fromkeys(not_checked)),
    )


def _untold(basket: Sequence[Item], ground: Ground) -> Iterator[NotChecked]:
    """What the tables do not know of the products that are compared."""
    if ground.medicines is None:
        yield NotChecked(Unchecked.NO_MEDICINES)
    if ground.interactions is None:
        yield NotChecked(Unchecked.NO_INTERACTIONS)
    for item in (*basket, *ground.taken):
        if ground.medicines is not None:
            yield from _unknown_of(item, ground.repetition.atc_level)
        if ground.interactions is not None:
            for each in item.substances:
                if not ground.interactions.knows(each):
                    yield NotChecked(Unchecked.SUBSTANCE_UNRESOLVED, item, (("substance", each.name),))
    for other in ground.taken:
        if other.ends_on is None and any(one.renews(other) for one in basket):
            yield NotChecked(Unchecked.DURATION_UNKNOWN, other)


def _unknown_of(item: Item, atc_level: int) -> Iterator[NotChecked]:
    if not item.is_known:
        yield NotChecked(Unchecked.PRODUCT_UNKNOWN, item)
    elif not item.substances:
        yield NotChecked(Unchecked.NO_SUBSTANCE, item)
    elif class_of(item, atc_level) is None:
        yield NotChecked(Unchecked.CLASS_UNKNOWN, item)
