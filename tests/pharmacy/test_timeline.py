"""The time line of each substance: gaps and overlaps as the database tells them, against a plain count of days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Uuid, bindparam, select

from passerelle.pharmacy import history, timeline, windows
from tests.conftest import Cloned
from tests.pharmacy.lines import TODAY, dispensed, line

LINES = history.shown_lines(bindparam("patient_id", type_=Uuid())).cte("line")
SPANS = select(timeline.spans(LINES).subquery())


async def spans_of(cloned: Cloned, lines: Sequence[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """What the database makes of the lines of a new patient, each in a dispensation of its own."""
    patient_id = uuid4()
    async with cloned.database.transaction() as connection:
        await dispensed(connection, patient_id, lines)
        given_values = {
            "patient_id": patient_id,
            "history_place": None,
            "history_of_person": False,
            **windows.parameters(TODAY),
        }
        return [dict(row) for row in (await connection.execute(SPANS, given_values)).mappings()]


async def test_gaps_and_overlaps(tenant_database: Cloned) -> None:
    spans = await spans_of(
        tenant_database,
        [
            line(400, ["ramipril"], 500),  # has left the window: nothing is told against it
            line(300, ["ramipril"], 30),
            line(270, ["ramipril"], 30),  # follows exactly
            line(250, ["ramipril", "ramipril"], 30),  # ten days too early
            line(150, ["ramipril"], None),
            line(100, ["ramipril"], 30),
            line(99, ["warfarine"], 10),
            line(80, [], 5),
        ],
    )
    told = {(each["substance"], each["place"]): each for each in spans}
    expected = {5: (None, None), 4: (0, 0), 3: (0, 10), 2: (70, None), 1: (None, 0)}
    of_ramipril = {place: told["ramipril", place] for place in expected}
    assert {place: (each["gap_days"], each["overlap_days"]) for place, each in of_ramipril.items()} == expected
    lines = timeline.by_substance(spans, size=2)
    assert [(each.substance, each.is_resolved, each.dispensings) for each in lines] == [
        ("PRODUIT D'ESSAI", False, 1),
        ("warfarine", True, 1),
    ]
    ramipril = timeline.by_substance(spans, size=3)[2]
    assert (ramipril.dispensings, len(ramipril.spans), ramipril.first_on) == (5, 3, TODAY - timedelta(days=300))
    assert ramipril.lasts_until == TODAY - timedelta(days=70)


@given(
    lines=st.lists(
        st.builds(
            line,
            st.integers(0, 360),
            st.sets(st.sampled_from(["a", "b"]), min_size=1),
            st.one_of(st.none(), st.integers(0, 90)),
        ),
        max_size=9,
        unique_by=lambda each: each["dispensed_on"],
    )
)
@settings(max_examples=40)
async def test_days_are_counted_as_by_hand(tenant_database: Cloned, lines: list[dict[str, Any]]) -> None:
    spans = await spans_of(tenant_database, lines)
    told = {(each["substance"], each["dispensed_on"]): (each["gap_days"], each["overlap_days"]) for each in spans}
    by_substance: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in sorted(lines, key=lambda each: each["dispensed_on"]):
        for substance in each["substances"]:
            by_substance[substance].append(each)
    assert len(told) == sum(map(len, by_substance.values()))
    for substance, own in by_substance.items():
        covered: set[date] = set()
        for number, each in enumerate(own):
            day, days = each["dispensed_on"], each["days"]
            last = max(covered, default=day)
            gap = None if number == 0 or own[number - 1]["days"] is None else max(0, (day - last).days - 1)
            its_own = {day + timedelta(days=one) for one in range(days or 0)}
            overlap = None if days is None or not covered else len(covered & its_own)
            assert told[substance, day] == (gap, overlap)
            covered |= its_own
