"""How long what was dispensed is stored, by class of product, and its end (CSP, art. L.1111-23; decision 0115).

A line is stored for as long as the rule of its own day says, and for longer where a rule since said longer; never for
less than it may be seen. What is past that is erased, line by line; a dispensation goes with the last line of its last
version. The trace of an objection goes after its own time (R.1111-20-3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select, text

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import Act, transaction
from passerelle.kernel.clock import legal_day, months_before
from passerelle.kernel.context import Context
from passerelle.pharmacy import access
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.tables import pharmacy_storage_end
from passerelle.pharmacy.windows import Window, eras, joined
from passerelle_policies.packs import Pack, packs
from passerelle_policies.vocabulary import Action, Kind

AT_ONCE: Final = 2_000

_GIVEN: Final = (
    "cast(:classes as text[]), cast(:since as date[]), cast(:until as date[]), cast(:today as date), :at_once"
)
_IS_DUE: Final = text(
    "select exists (select from unnest(cast(:classes as text[]), cast(:since as date[]), cast(:until as date[]))"
    " as past(product_class, since, until) join dispensation_line using (product_class)"
    " where dispensed_on >= past.since and dispensed_on < past.until)"
    " or exists (select from pharmacy_record_act where kept_until < :today)"
    " or exists (select from unnest(cast(:override_since as date[]), cast(:override_until as date[]))"
    " as past(since, until) join check_override kept on kept.at >= timezone('Europe/Paris', past.since::timestamp)"
    " and kept.at < timezone('Europe/Paris', past.until::timestamp))"
)
_END: Final = text(f"select end_pharmacy_storage(:end_id, :at, {_GIVEN})")
_END_OVERRIDES: Final = text(
    "select end_override_storage(:end_id, :at, cast(:override_since as date[]), cast(:override_until as date[]),"
    " :at_once)"
)
#: A warning that was passed over is stored as what is stored least.
_OF_OVERRIDES: Final = ProductClass.MEDICINE


@dataclass(frozen=True, slots=True)
class Ended:
    """What a turn erased: lines, dispensations of which no line was left, traces of objections, reasons for which
    a warning was passed over."""

    lines: int = 0
    dispensations: int = 0
    traces: int = 0
    overrides: int = 0


def past(on: date, of: Sequence[Pack] | None = None) -> tuple[Window, ...]:
    """The days of dispensing whose storage is over on the day `on`, by class, under the packs `of` (oldest first),
    else those of the house. Those of one class neither meet nor overlap."""
    return (
        _of_the_house(on)
        if of is None
        else tuple(each for one in ProductClass for each in joined(_of_class(one, on, of)))
    )


def is_past(product_class: ProductClass, dispensed_on: date, *, on: date, of: Sequence[Pack] | None = None) -> bool:
    """Whether the storage of a product dispensed that day is over on the day `on`."""
    return any(each.product_class is product_class and each.since <= dispensed_on < each.until for each in past(on, of))


def may_be_past(dispensed_on: date, *, on: date) -> bool:
    """Whether that is so for some class."""
    return any(each.since <= dispensed_on < each.until for each in past(on))


@lru_cache(maxsize=256)
def _of_the_house(on: date) -> tuple[Window, ...]:
    return past(on, packs())


def _of_class(product_class: ProductClass, on: date, of: Sequence[Pack]) -> Iterator[Window]:
    """Newest first."""
    longest = 0
    for pack, (begin, end) in reversed(eras(on, of)):
        own = (pack.number(f"pharmacy.{each}_months.{product_class}") for each in ("storage", "window"))
        longest = max(longest, *own)
        until = min(end, months_before(on, longest))
        if begin < until:
            yield Window(product_class, begin, until)


async def end_due(context: Context, *, at_once: int = AT_ONCE) -> Ended:
    """Erase what is past its storage, `at_once` lines in a transaction, traces and overrides too; what went.

    For a task of ours. Each transaction has its line in the journal, of nobody, and its counts in
    `pharmacy_storage_end`; what a turn that was cut off had not come to, the next one finds.
    """
    done = Ended()
    while True:
        async with transaction(context) as act:
            turn = await _end(act, at_once)
        done = Ended(
            lines=done.lines + turn.lines,
            dispensations=done.dispensations + turn.dispensations,
            traces=done.traces + turn.traces,
            overrides=done.overrides + turn.overrides,
        )
        if max(turn.lines, turn.traces, turn.overrides) < at_once:
            return done


async def _end(act: Act, at_once: int) -> Ended:
    today = legal_day(act.context.clock)
    gone = past(today)
    given = {
        "classes": [each.product_class.value for each in gone],
        "since": [each.since for each in gone],
        "until": [each.until for each in gone],
        "override_since": [each.since for each in gone if each.product_class is _OF_OVERRIDES],
        "override_until": [each.until for each in gone if each.product_class is _OF_OVERRIDES],
        "today": today,
    }
    if not (await act.connection.execute(_IS_DUE, given)).scalar_one():
        return Ended()
    await access.require(act, NOBODY, Kind.DISPENSATION, Action.PURGE)
    end_id = uuid4()
    for each in (_END, _END_OVERRIDES):
        await act.connection.execute(each, {**given, "end_id": end_id, "at": act.now, "at_once": at_once})
    return await _told(act, end_id)


async def _told(act: Act, end_id: UUID) -> Ended:
    asked = select(pharmacy_storage_end.c.what, pharmacy_storage_end.c.erased)
    rows = await act.connection.execute(asked.where(pharmacy_storage_end.c.end_id == end_id))
    erased = {row.what: row.erased for row in rows}
    return Ended(
        lines=sum(erased.get(each.value, 0) for each in ProductClass),
        dispensations=erased.get("dispensation", 0),
        traces=erased.get("objection", 0),
        overrides=erased.get("override", 0),
    )
