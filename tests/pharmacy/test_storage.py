"""Nothing is erased before its storage ends, nor while it may be seen, whatever its class, the day and the rules."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from passerelle.kernel.clock import months_before
from passerelle.pharmacy import storage, windows
from passerelle.pharmacy.product_classes import ProductClass
from passerelle_policies.packs import Pack, packs
from tests.pharmacy.rules import CLASSES, DAYS, months, of_day, pack, successions

MEDICINE = ProductClass.MEDICINE
_ALL = [1] * len(ProductClass)


@given(rules=successions(), product_class=CLASSES, on=DAYS, age=st.integers(0, 12_000))
@example(  # the rule of its day kept it for less than it was seen
    rules=(pack(date(2012, 1, 1), [12] * 4, _ALL),), product_class=MEDICINE, on=date(2026, 1, 1), age=200
)
@example(  # a shorter rule since does not end it sooner
    rules=(pack(date(2012, 1, 1), _ALL, [36] * 4), pack(date(2025, 1, 1), _ALL, _ALL)),
    product_class=MEDICINE,
    on=date(2026, 1, 1),
    age=500,
)
@settings(max_examples=250)
def test_what_is_past_its_storage_is_so_by_the_rule_of_its_day_and_by_every_rule_since(
    rules: tuple[Pack, ...], product_class: ProductClass, on: date, age: int
) -> None:
    dispensed_on = on - timedelta(days=age)
    past = storage.is_past(product_class, dispensed_on, on=on, of=rules)
    if on < rules[0].effective:
        assert not past
        return
    of_it = [of_day(rules, dispensed_on), *(each for each in rules if dispensed_on < each.effective <= on)]
    longest = max(months(each, what, product_class) for each in of_it for what in ("storage", "window"))
    assert past == (dispensed_on < months_before(on, longest))
    assert not (past and windows.is_visible(product_class, dispensed_on, on=on, of=rules))


@given(rules=successions(), product_class=CLASSES, on=DAYS, age=st.integers(0, 12_000))
@settings(max_examples=120)
def test_what_may_be_erased_is_seen_on_no_later_day(
    rules: tuple[Pack, ...], product_class: ProductClass, on: date, age: int
) -> None:
    dispensed_on = on - timedelta(days=age)
    if storage.is_past(product_class, dispensed_on, on=on, of=rules):
        for later in (1, 40, 400, 4_000):
            assert not windows.is_visible(product_class, dispensed_on, on=on + timedelta(days=later), of=rules)


@given(rules=successions(), on=DAYS)
def test_days_past_of_a_class_neither_meet_nor_overlap(rules: tuple[Pack, ...], on: date) -> None:
    for product_class in ProductClass:
        own = sorted(each for each in storage.past(on, rules) if each.product_class is product_class)
        assert all(each.since < each.until for each in own)
        assert all(one.until < other.since for one, other in pairwise(own))


def test_the_storage_of_the_house() -> None:
    """Thirty-six months, five years for biologics, twenty-three years for vaccines; each longer than its window."""
    on = date(2026, 11, 16)
    assert {each.product_class: (each.since, each.until) for each in storage.past(on)} == {
        ProductClass.MEDICINE: (date.min, date(2023, 11, 16)),
        ProductClass.BIOLOGIC: (date.min, date(2021, 11, 16)),
        ProductClass.VACCINE: (date.min, date(2003, 11, 16)),
        ProductClass.DEVICE: (date.min, date(2023, 11, 16)),
    }
    for each in packs():
        for product_class in ProductClass:
            assert months(each, "storage", product_class) > months(each, "window", product_class)
