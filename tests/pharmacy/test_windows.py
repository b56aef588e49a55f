"""What of the history may be seen is exactly the window, for any class of product, day and succession of rules."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import ARRAY, Date, Text, bindparam, cast, func, select, true

from passerelle.kernel.clock import months_before
from passerelle.pharmacy import windows
from passerelle.pharmacy.product_classes import ProductClass
from passerelle_policies.packs import Pack, packs
from tests.conftest import Cloned
from tests.pharmacy.rules import CLASSES, DAYS, MONTHS, months, of_day, pack, successions

MEDICINE, VACCINE = ProductClass.MEDICINE, ProductClass.VACCINE


def shown_by(rule: Pack, product_class: ProductClass, dispensed_on: date, on: date) -> bool:
    return dispensed_on >= months_before(on, months(rule, "window", product_class))


@given(rules=successions(), product_class=CLASSES, on=DAYS, age=st.integers(0, 10_000))
@settings(max_examples=250)
def test_what_is_visible_is_exactly_the_window(
    rules: tuple[Pack, ...], product_class: ProductClass, on: date, age: int
) -> None:
    dispensed_on = on - timedelta(days=age)
    visible = windows.is_visible(product_class, dispensed_on, on=on, of=rules)
    if on < rules[0].effective:
        assert not visible
        return
    # Each rule since is asked on the last day on which it was in force.
    passed = [each for each in rules if dispensed_on < each.effective <= on]
    ends = [later.effective - timedelta(days=1) for later in passed[1:]] + [on]
    expected = shown_by(of_day(rules, dispensed_on), product_class, dispensed_on, on) and all(
        shown_by(rule, product_class, dispensed_on, end) for rule, end in zip(passed, ends, strict=False)
    )
    assert visible == expected


@given(rules=successions(), product_class=CLASSES, on=DAYS, age=st.integers(0, 10_000), later=st.integers(1, 4_000))
@settings(max_examples=120)
def test_what_has_left_its_window_never_comes_back(
    rules: tuple[Pack, ...], product_class: ProductClass, on: date, age: int, later: int
) -> None:
    dispensed_on = on - timedelta(days=age)
    if on >= rules[0].effective and not windows.is_visible(product_class, dispensed_on, on=on, of=rules):
        after = on + timedelta(days=later)
        assert not windows.is_visible(product_class, dispensed_on, on=after, of=rules)


@given(rules=successions(), on=DAYS)
def test_windows_of_a_class_neither_meet_nor_overlap(rules: tuple[Pack, ...], on: date) -> None:
    for product_class in ProductClass:
        own = [each for each in windows.windows(on, rules) if each.product_class is product_class]
        assert all(each.since < each.until for each in own)
        assert all(one.until < other.since for one, other in pairwise(own))


@given(
    product_class=CLASSES,
    on=DAYS,
    each=MONTHS,
)
@example(product_class=MEDICINE, on=date(2026, 3, 31), each=[1, 1, 1, 1])
def test_under_one_rule_the_first_day_is_in_and_the_day_before_is_out(
    product_class: ProductClass, on: date, each: list[int]
) -> None:
    rules = (pack(date(2000, 1, 1), each),)
    first = windows.window(product_class, on=on, pack=rules[0])
    assert windows.is_visible(product_class, first, on=on, of=rules)
    assert not windows.is_visible(product_class, first - timedelta(days=1), on=on, of=rules)


def test_the_windows_of_the_house() -> None:
    """Four months of the seed era, twelve today; three years for biologics, twenty-one for vaccines."""
    then, now = date(2020, 6, 15), date(2026, 11, 16)
    since = {each.product_class: each.since for each in windows.windows(then)}
    assert since[MEDICINE] == date(2020, 2, 15)
    since = {each.product_class: each.since for each in windows.windows(now)}
    assert since == {
        ProductClass.MEDICINE: date(2025, 11, 16),
        ProductClass.BIOLOGIC: date(2023, 11, 16),
        ProductClass.VACCINE: date(2005, 11, 16),
        ProductClass.DEVICE: date(2025, 11, 16),
    }
    assert len(windows.windows(now)) == len(ProductClass)


def test_a_longer_window_does_not_bring_back_what_was_dispensed_before_it() -> None:
    changed = next(each.effective for each in packs() if each.number("pharmacy.window_months.medicine") == 12)
    before, reading = changed - timedelta(days=1), months_before(changed, -6)
    assert not windows.is_visible(MEDICINE, before, on=reading)
    assert windows.is_visible(MEDICINE, changed, on=reading)
    assert windows.is_visible(VACCINE, before, on=reading)


async def test_the_database_shows_the_same(tenant_database: Cloned) -> None:
    """Each day of 23 years, for each class, on days before, on and after each change of rules."""
    days = [date(2004, 1, 1) + timedelta(days=each) for each in range(365 * 23)]
    one_class = (
        func.unnest(cast(list(ProductClass), ARRAY(Text())))
        .table_valued("product_class", name="classes")
        .render_derived(name="one_class")
    )
    one_day = (
        func.unnest(bindparam("days", type_=ARRAY(Date())))
        .table_valued("dispensed_on", name="days")
        .render_derived(name="one_day")
    )
    line = select(one_class.c.product_class, one_day.c.dispensed_on).join_from(one_class, one_day, true()).subquery()
    asked = select(line.c.product_class, line.c.dispensed_on).where(windows.is_within(line))
    for on in (date(2013, 1, 1), packs()[-2].effective, date(2024, 1, 31), date(2026, 11, 16)):
        async with tenant_database.database.transaction() as connection:
            rows = await connection.execute(asked, {**windows.parameters(on), "days": days})
            seen = {(row.product_class, row.dispensed_on) for row in rows}
        expected = {(each.value, day) for each in ProductClass for day in days if windows.is_visible(each, day, on=on)}
        assert seen == expected
