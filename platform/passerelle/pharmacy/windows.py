"""How far back the pharmacy record is read, by class of product (CSP, art. R.1111-20-1 ff.; decision 0110).

What was dispensed is shown by the rule of the day on which it was dispensed, and no longer than any rule since has
shown it: what has left its window is stored still, and no reading of the history comes to it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ARRAY, ColumnElement, Date, Text, and_, bindparam, column, func, literal_column, select

from passerelle.kernel.clock import months_before
from passerelle.pharmacy.product_classes import ProductClass
from passerelle_policies.packs import Pack, packs

#: Of windows that nothing ends but the day of reading.
FOREVER = date.max
_DAY = timedelta(days=1)
Era: TypeAlias = tuple[Pack, tuple[date, date]]


class Window(NamedTuple):
    """Days of dispensing that may be seen: from `since`, and before `until`."""

    product_class: ProductClass
    since: date
    until: date


def window(product_class: ProductClass, *, on: date, pack: Pack) -> date:
    """The first day of dispensing that `pack` shows to a reader of the day `on`: that day of the month is in."""
    return months_before(on, pack.number(f"pharmacy.window_months.{product_class}"))


def windows(on: date, of: Sequence[Pack] | None = None) -> tuple[Window, ...]:
    """Every window of a reader of the day `on`, under the packs `of` (oldest first), else those of the house.

    Those of one class neither meet nor overlap: there are several only as long as a rule that changed still counts.
    """
    if of is None:
        return _of_the_house(on)
    each_era = eras(on, of)
    return tuple(each for one in ProductClass for each in reversed(list(joined(_of_class(one, on, each_era)))))


def eras(on: date, of: Sequence[Pack]) -> Sequence[Era]:
    """The packs `of` in force by the day `on`, oldest first, each with its days: the first has all before it too."""
    known = [each for each in of if each.effective <= on]
    began = (date.min, *(each.effective for each in known[1:]), FOREVER)
    return list(zip(known, pairwise(began), strict=True)) if known else ()


@lru_cache(maxsize=256)
def _of_the_house(on: date) -> tuple[Window, ...]:
    return windows(on, packs())


def _of_class(product_class: ProductClass, on: date, each_era: Sequence[Era]) -> Iterator[Window]:
    """Newest first."""
    left = date.min  # what was dispensed before it had left its window under a later rule
    for pack, (begin, end) in reversed(each_era):
        since = max(begin, left, window(product_class, on=on, pack=pack))
        left = max(left, window(product_class, on=min(on, end - _DAY), pack=pack))
        if since < end:
            yield Window(product_class, since, end)


def joined(newest_first: Iterable[Window]) -> Iterator[Window]:
    """Those of one class, each that meets the one before it made one with it."""
    last = None
    for each in newest_first:
        if last is not None and last.since == each.until:
            last = last._replace(since=each.since)
            continue
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield last


def is_visible(product_class: ProductClass, dispensed_on: date, *, on: date, of: Sequence[Pack] | None = None) -> bool:
    """Whether a product dispensed that day is in its window for a reader of the day `on`."""
    return any(
        each.product_class is product_class and each.since <= dispensed_on < each.until for each in windows(on, of)
    )


def is_within(line: Any) -> ColumnElement[bool]:
    """SQL condition, `is_visible` of a row of `dispensation_line` (or of what has its `product_class` and
    `dispensed_on`); bind values in `parameters`."""
    given = (
        func.unnest(
            bindparam("window_classes", type_=ARRAY(Text())),
            bindparam("window_since", type_=ARRAY(Date())),
            bindparam("window_until", type_=ARRAY(Date())),
        )
        .table_valued(column("product_class", Text()), column("since", Date()), column("until", Date()))
        .render_derived(name="shown_window")
    )
    return (
        select(literal_column("1"))
        .select_from(given)
        .where(
            and_(
                line.c.product_class == given.c.product_class,
                line.c.dispensed_on >= given.c.since,
                line.c.dispensed_on < given.c.until,
            )
        )
        .exists()
    )


def parameters(on: date) -> dict[str, Any]:
    """Values for the bind parameters of `is_within`, for a reader of the day `on`."""
    shown = windows(on)
    return {
        "window_classes": [each.product_class.value for each in shown],
        "window_since": [each.since for each in shown],
        "window_until": [each.until for each in shown],
    }
