"""Rules that say nothing but how long what was dispensed is seen and stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from hypothesis import strategies as st

from passerelle.pharmacy.product_classes import ProductClass
from passerelle_policies.packs import Pack, packs

DAYS = st.dates(min_value=date(2012, 1, 1), max_value=date(2040, 12, 31))
CLASSES = st.sampled_from(ProductClass)
MONTHS = st.lists(st.integers(1, 300), min_size=len(ProductClass), max_size=len(ProductClass))


def pack(effective: date, windows: Sequence[int], storage: Sequence[int] | None = None) -> Pack:
    """A pack with these months for each class; stored for no longer than seen, unless told."""
    first = packs()[0].parameters
    parameters = {}
    for what, months in (("window", windows), ("storage", storage or windows)):
        for each, number in zip(ProductClass, months, strict=True):
            name = f"pharmacy.{what}_months.{each}"
            parameters[name] = replace(first[name], value=number, source="", meaning="")
    return Pack(name="", label="", effective=effective, source="", lines=(), groups={}, parameters=parameters)


@st.composite
def successions(draw: st.DrawFn) -> tuple[Pack, ...]:
    """One to four packs, oldest first."""
    days = sorted(draw(st.sets(DAYS, min_size=1, max_size=4)))
    return tuple(pack(each, draw(MONTHS), draw(MONTHS)) for each in days)


def months(rule: Pack, what: str, product_class: ProductClass) -> int:
    """`window` or `storage` months of a pack."""
    number = rule.parameters[f"pharmacy.{what}_months.{product_class}"].value
    assert isinstance(number, int)
    return number


def of_day(rules: Sequence[Pack], day: date) -> Pack:
    """The rule of a day; before the first, the first."""
    return max((each for each in rules if each.effective <= day), key=lambda each: each.effective, default=rules[0])
