"""The days that a frequency names, and what is no frequency of a board."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.kernel.clock import PARIS
from passerelle.kernel.errors import InvalidInput
from passerelle.oncology import recurrence


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "WEEKLY",
        "FREQ=SECONDLY",
        "FREQ=HOURLY;BYDAY=TU",
        "FREQ=WEEKLY;FREQ=WEEKLY",
        "FREQ=WEEKLY;BYHOUR=3",
        "FREQ=WEEKLY;COUNT=3",
        "FREQ=WEEKLY;UNTIL=20270101",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;INTERVAL=0",
        "FREQ=WEEKLY;INTERVAL=-1",
        "FREQ=MONTHLY;BYMONTHDAY=99",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY",
        "FREQ=WEEKLY;INTERVAL=53",
        "FREQ=WEEKLY;BYDAY=2TU",
        "FREQ=MONTHLY;BYDAY=5TU;BYSETPOS=2",
        "FREQ=MONTHLY;BYSETPOS=1",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=3",
        "FREQ=WEEKLY\nDTSTART:20260101",
        "FREQ=WEEKLY;BYDAY=" + "MO," * 200,
    ],
)
def test_what_is_no_frequency(rule: str) -> None:
    with pytest.raises(InvalidInput, match="RECURRENCE_INVALID"):
        recurrence.checked(rule)


def test_what_is_one() -> None:
    assert recurrence.checked(" rrule:freq=monthly;byday=2th ") == "FREQ=MONTHLY;BYDAY=2TH"
    for rule in (
        "FREQ=DAILY;INTERVAL=52;BYMONTH=9,10,11",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=MO",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=MONTHLY;BYDAY=5TU,-1FR",
        "FREQ=MONTHLY;BYMONTHDAY=1,-1",
    ):
        assert recurrence.checked(rule) == rule
        first = datetime(2026, 1, 1, 18, tzinfo=PARIS)
        assert next(recurrence.occurrences(rule, first, first + timedelta(days=800)))


@given(
    day=st.dates(date(2026, 1, 1), date(2030, 12, 31)),
    at=st.times(time(6), time(22)).map(lambda each: each.replace(second=0, microsecond=0)),
    rule=st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=TU,FR", "FREQ=MONTHLY;BYDAY=-1SU", "FREQ=DAILY;INTERVAL=3"]),
)
def test_the_hour_in_paris_is_always_the_first_one_s(day: date, at: time, rule: str) -> None:
    first = datetime.combine(day, at, PARIS)
    found = list(recurrence.occurrences(rule, first, first + timedelta(days=200)))
    assert found
    assert {each.astimezone(PARIS).time() for each in found} == {at}
    assert all(first <= each <= first + timedelta(days=200) for each in found)
    assert len({each.astimezone(PARIS).date() for each in found}) == len(found)
    assert {each.tzinfo for each in found} == {UTC}
