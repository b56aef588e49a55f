"""The same twice: a substance, a therapeutic class, or a medicine that is not used up yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from passerelle.kernel import messages
from passerelle.pharmacy.checks.findings import Finding, FindingCode, Source, TableName
from passerelle.pharmacy.checks.items import Item

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


def repeated(pairs: Iterable[tuple[Item, Item]], rule: Repetition, today: date, medicines: Source) -> Iterator[Finding]:
    """What each pair has twice, by the narrowest of the three: renewed too early, one substance, one class."""
    for one, other in pairs:
        if other.dispensed_on is not None and one.renews(other):
            yield from _too_early(one, other, rule, today)
        elif shared := sorted({mine.name for mine in one.substances for its in other.substances if mine.is_same(its)}):
            yield Finding(
                code=FindingCode.SAME_SUBSTANCE,
                source=medicines,
                products=(one, other),
                between=tuple(shared),
                sentence=messages.sentence(FindingCode.SAME_SUBSTANCE, {"substances": ", ".join(shared)}),
            )
        elif (common := class_of(one, rule.atc_level)) is not None and common == class_of(other, rule.atc_level):
            yield Finding(
                code=FindingCode.SAME_CLASS,
                source=medicines,
                products=(one, other),
                between=(common,),
                sentence=messages.sentence(FindingCode.SAME_CLASS, {"class": common}),
            )


def _too_early(one: Item, other: Item, rule: Repetition, today: date) -> Iterator[Finding]:
    if other.ends_on is None or (left := (other.ends_on - today).days) <= rule.tolerance_days:
        return
    yield Finding(
        code=FindingCode.EARLY_RENEWAL,
        source=Source(TableName.HISTORY),
        products=(one, other),
        sentence=messages.sentence(FindingCode.EARLY_RENEWAL, {"days": left}),
    )
