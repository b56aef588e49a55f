"""Allergies that documents of the record tell, held against what is about to be dispensed.

What a document says is a text, sometimes a code. It is understood as a substance or a family that the tables know, or
as one of the classes of `allergen_classes.toml`; what is not understood is said to be so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

from passerelle.kernel import messages
from passerelle.pharmacy.checks.findings import Alert, Finding, FindingCode, NotChecked, Source, TableName, Unchecked
from passerelle.pharmacy.checks.interactions import Interactions
from passerelle.pharmacy.checks.items import Item, Substance
from passerelle.pharmacy.reference.names import folded

_LONGEST_NAME: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Allergen:
    """One allergy as a document tells it, and the day of that document: in words, by an ATC code, by a medicine's.

    `substances` are those of that medicine, where the table knows it.
    """

    label: str
    told_on: date
    atc: str | None = None
    cis: str | None = None
    substances: tuple[Substance, ...] = ()


@dataclass(frozen=True, slots=True)
class Understood:
    """What an allergy is to: names that the tables know, beginnings of ATC codes, one medicine."""

    names: frozenset[str] = field(default_factory=frozenset)
    classes: tuple[str, ...] = ()
    cis: str | None = None

    def __bool__(self) -> bool:
        return bool(self.names or self.classes)

    def meets(self, item: Item, under: Callable[[Substance], frozenset[str]]) -> bool:
        """Whether a product is what the allergy is to."""
        of_class = item.atc is not None and item.atc.startswith(self.classes)
        return (
            of_class
            or (item.cis is not None and item.cis == self.cis)
            or any(not self.names.isdisjoint(under(each)) for each in item.substances)
        )


def understood(allergen: Allergen, known: frozenset[str], basket: Sequence[Item]) -> Understood:
    """What an allergy is to; nothing when neither the tables nor the basket know its words."""
    own = frozenset(name for item in basket for each in item.substances for name in each.known_as)
    words = folded(allergen.label).split()
    names = {name for each in allergen.substances for name in each.known_as}
    classes: list[str] = [allergen.atc] if allergen.atc else []
    for said in _phrases(words):
        names.update(each for each in (said, said.removesuffix("s"), f"{said}s") if each in known or each in own)
        classes += _allergen_classes().get(said, ())
    return Understood(frozenset(names), tuple(dict.fromkeys(classes)), allergen.cis)


def _phrases(words: Sequence[str]) -> Iterator[str]:
    for start in range(len(words)):
        for stop in range(start + 1, min(start + _LONGEST_NAME, len(words)) + 1):
            yield " ".join(words[start:stop])


def allergies_met(
    basket: Sequence[Item], allergens: Iterable[Allergen], table: Interactions | None
) -> Iterator[Finding | NotChecked]:
    """The products of the basket that an allergy is to, and the allergies that could not be understood."""
    known = table.names if table is not None else frozenset[str]()

    def under(substance: Substance) -> frozenset[str]:
        return table.under(substance.known_as) if table is not None else substance.known_as

    for each in sorted(set(allergens), key=lambda one: (one.label, one.atc or "", one.cis or "", one.told_on)):
        to = understood(each, known, basket)
        met = [item for item in basket if to.meets(item, under)]
        said = (("allergy", each.label),)
        if not (to or met):
            yield NotChecked(Unchecked.ALLERGY_UNRESOLVED, said=said)
        for item in basket if to.classes else ():
            if item.atc is None and item.is_known and item not in met:
                yield NotChecked(Unchecked.ALLERGY_CLASS_UNKNOWN, item, said)
        alert = Alert(
            code=FindingCode.ALLERGY,
            source=Source(TableName.DOCUMENTS, each.told_on),
            between=(each.label,),
            sentence=messages.sentence(FindingCode.ALLERGY, {"allergy": each.label}),
        )
        for item in met:
            yield Finding(alert, (item,), (item.product,))


@cache
def _allergen_classes() -> Mapping[str, tuple[str, ...]]:
    """Beginnings of ATC codes by the folded word that stands for them in an allergy."""
    told = tomllib.loads(files(__package__).joinpath("allergen_classes.toml").read_text("utf-8"))
    return {folded(word): tuple(each["atc"]) for each in told["class"] for word in each["words"]}
