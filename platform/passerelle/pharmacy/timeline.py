"""What was dispensed, substance by substance: how long each dispensing lasts, what gap or overlap precedes it.

A gap or an overlap is told against the dispensings of the substance that came before, within the window: never against
what left it. Where it is not known for how many days a dispensing lasts, nothing is told of what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import CTE, Select, case, func, or_, select, true
from sqlalchemy.dialects.postgresql import array

from passerelle.pharmacy.product_classes import ProductClass

#: What a span is made of; `place` counts the spans of its substance from the newest.
SPAN = (
    "substance", "is_resolved", "place", "dispensation_id", "line_number", "label", "dispensed_on", "lasts_until",
    "gap_days", "overlap_days",
)  # fmt: skip
_TAKEN = (ProductClass.MEDICINE, ProductClass.BIOLOGIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubstanceLine:
    """One substance on the time line, and its newest spans (columns `SPAN`). `dispensings` counts those in the window.

    Where no substance of a product is known, its label stands for one: not `is_resolved`.
    """

    substance: str
    is_resolved: bool
    dispensings: int
    first_on: date
    last_on: date
    lasts_until: date | None
    spans: list[Mapping[str, Any]]


def spans(lines: CTE) -> Select[Any]:
    """Every dispensing of every substance in `lines` (`history.shown_lines`): columns `SPAN`."""
    named = func.cardinality(lines.c.substances) > 0
    names = case((named, lines.c.substances), else_=array([lines.c.label]))
    # In code points, as Python sorts: an order of words would cost half of the sorting.
    name = func.unnest(names).collate("C").label("substance")
    substance = select(name).distinct().correlate(lines).lateral("substance_of_line")
    taken = (
        select(
            substance.c.substance,
            named.label("is_resolved"),
            lines.c.dispensation_id,
            lines.c.number.label("line_number"),
            lines.c.label,
            lines.c.dispensed_on,
            (lines.c.dispensed_on + lines.c.days).label("lasts_until"),
        )
        .join_from(lines, substance, true())
        .where(or_(*(lines.c.product_class == each.value for each in _TAKEN)))
        .subquery("taken")
    )
    of_one = (taken.c.substance, taken.c.is_resolved)
    key = (taken.c.dispensed_on, taken.c.dispensation_id, taken.c.line_number)
    before = func.max(taken.c.lasts_until).over(partition_by=of_one, order_by=key, rows=(None, -1))
    number = func.row_number().over(partition_by=of_one, order_by=key)
    told = select(
        taken,
        before.label("covered_until"),
        func.lag(taken.c.lasts_until).over(partition_by=of_one, order_by=key).is_(None).label("is_after_unknown"),
        (func.count().over(partition_by=of_one) - number + 1).label("place"),
    ).subquery("told")
    day, covered, end = told.c.dispensed_on, told.c.covered_until, told.c.lasts_until
    gap = case((told.c.is_after_unknown, None), else_=func.greatest(day - covered, 0))
    overlap = case((covered.is_not(None), func.greatest(func.least(covered, end) - day, 0)))
    return select(
        told.c.substance,
        told.c.is_resolved,
        told.c.place,
        told.c.dispensation_id,
        told.c.line_number,
        told.c.label,
        day,
        end,
        gap.label("gap_days"),
        case((end.is_not(None), overlap)).label("overlap_days"),
    )


def by_substance(found: Iterable[Mapping[str, Any]], *, size: int) -> list[SubstanceLine]:
    """Spans, put together: the `size` substances that were dispensed last, and of each its `size` newest spans."""
    of_one = itemgetter("substance", "is_resolved")
    together = (list(each) for _, each in groupby(sorted(found, key=of_one), key=of_one))
    timeline = [
        SubstanceLine(
            substance=some[0]["substance"],
            is_resolved=some[0]["is_resolved"],
            dispensings=len(some),
            first_on=min(each["dispensed_on"] for each in some),
            last_on=max(each["dispensed_on"] for each in some),
            lasts_until=max((each["lasts_until"] for each in some if each["lasts_until"] is not None), default=None),
            spans=sorted((each for each in some if each["place"] <= size), key=itemgetter("place")),
        )
        for some in together
    ]
    timeline.sort(key=lambda each: (-each.last_on.toordinal(), each.substance, each.is_resolved))
    return timeline[:size]
