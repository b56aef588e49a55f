"""The pure core: a basket, what the patient may still be taking and the tables become findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from passerelle.pharmacy.checks.allergens import Allergen, allergies_met
from passerelle.pharmacy.checks.availability import Shortage, running_short
from passerelle.pharmacy.checks.findings import Finding, NotChecked, Source, Unchecked
from passerelle.pharmacy.checks.interactions import Interactions, interactions_met
from passerelle.pharmacy.checks.items import Facet, Item, Substance, known_as
from passerelle.pharmacy.checks.protocols import overlaps_met
from passerelle.pharmacy.checks.repeats import Repetition, alike, renews, repeated


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
    asked, taken = _facets(ordered, ground), _facets(ground.taken, ground)
    again = alike(asked, taken)
    findings: list[Finding] = []
    in_order = sorted(asked, key=lambda each: each.item.place or 0)
    not_checked = [*_untold([*in_order, *taken], ground), *_without_days(asked, again)]
    if ground.interactions is not None:
        findings += interactions_met(_pairs(asked, taken), ground.interactions)
    if ground.medicines is not None:
        findings += repeated(_pairs(asked, again), ground.repetition, ground.today, ground.medicines)
        findings += running_short(ground.shortages, ground.medicines)
    findings += overlaps_met(ordered, ground.protocols, ground.interactions)
    for each in allergies_met(ordered, ground.allergens, ground.interactions):
        if isinstance(each, Finding):
            findings.append(each)
        else:
            not_checked.append(each)
    by_place = {each.place: each for each in findings}
    return Compared(
        tuple(by_place[each] for each in sorted(by_place)),
        tuple(dict.fromkeys(not_checked)),
    )


def _pairs(asked: Sequence[Facet], taken: Sequence[Facet]) -> Iterator[tuple[Facet, Sequence[Facet]]]:
    """Each product with those after it in the basket, and all that is taken."""
    for at, one in enumerate(asked, 1):
        yield one, [*asked[at:], *taken]


def _facets(items: Iterable[Item], ground: Ground) -> list[Facet]:
    names_of = ground.interactions.names_of if ground.interactions is not None else _own_names
    signs, found = ground.repetition.atc_signs, []
    for each in items:
        names, under = names_of(each.substances)
        atc_class = each.atc[:signs] if each.atc is not None and len(each.atc) >= signs else None
        found.append(Facet(each, each.product, each.generic_groups, names, under, atc_class))
    return found


def _own_names(substances: tuple[Substance, ...]) -> tuple[frozenset[str], frozenset[str]]:
    own = known_as(substances)
    return own, own


def _untold(facets: Sequence[Facet], ground: Ground) -> Iterator[NotChecked]:
    """What the tables do not know of the products that are compared."""
    if ground.medicines is None:
        yield NotChecked(Unchecked.NO_MEDICINES)
    if ground.interactions is None:
        yield NotChecked(Unchecked.NO_INTERACTIONS)
    for each in facets:
        if ground.medicines is not None:
            why = _why_unknown(each)
            if why is not None:
                yield NotChecked(why, each.item)
        if ground.interactions is not None:
            for one in each.item.substances:
                if not ground.interactions.knows(one):
                    yield NotChecked(Unchecked.SUBSTANCE_UNRESOLVED, each.item, (("substance", one.name),))


def _why_unknown(facet: Facet) -> Unchecked | None:
    if not facet.item.is_known:
        return Unchecked.PRODUCT_UNKNOWN
    if not facet.item.substances:
        return Unchecked.NO_SUBSTANCE
    return Unchecked.CLASS_UNKNOWN if facet.atc_class is None else None


def _without_days(asked: Sequence[Facet], taken: Sequence[Facet]) -> Iterator[NotChecked]:
    """What is renewed nobody knows how early."""
    for other in taken:
        if other.item.ends_on is None and any(renews(one, other) for one in asked):
            yield NotChecked(Unchecked.DURATION_UNKNOWN, other.item)
