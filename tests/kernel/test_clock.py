"""Delays of the law are counted on the calendar of Paris, and never end early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.kernel.clock import PARIS, days_after, months_after

INSTANTS = st.integers(1_577_836_800, 2_208_988_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
HOUR = timedelta(hours=1)


def _paris(year: int, month: int, day: int, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=PARIS, fold=fold)


@pytest.mark.parametrize(
    ("since", "days", "until"),
    [
        (_paris(2026, 10, 20, 9), 14, _paris(2026, 11, 3, 9)),  # an hour more than 14 times 24
        (_paris(2027, 3, 20, 9), 14, _paris(2027, 4, 3, 9)),  # an hour less
        (_paris(2027, 3, 14, 2, 30), 14, _paris(2027, 3, 28, 3, 30)),  # half past two is not, that day
        (_paris(2026, 10, 11, 2, 30), 14, _paris(2026, 10, 25, 2, 30, fold=1)),  # and is twice, that day
    ],
)
def test_days_are_those_of_the_calendar(since: datetime, days: int, until: datetime) -> None:
    assert days_after(since, days) == until.astimezone(UTC)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (_paris(2026, 10, 10, 9), _paris(2026, 11, 10, 9)),
        (_paris(2027, 1, 31, 0, 30), _paris(2027, 2, 28, 0, 30)),
        (_paris(2027, 2, 1, 0, 30), _paris(2027, 3, 1, 0, 30)),  # still January in UTC
        (_paris(2027, 2, 28, 2, 30), _paris(2027, 3, 28, 3, 30)),
    ],
)
def test_months_are_those_of_the_calendar(since: datetime, until: datetime) -> None:
    assert months_after(since, 1) == until.astimezone(UTC)


@given(since=INSTANTS, days=st.integers(0, 400))
def test_a_delay_of_days_never_ends_before_its_hour(since: datetime, days: int) -> None:
    until, local = days_after(since, days), since.astimezone(PARIS)
    assert until.astimezone(PARIS).replace(tzinfo=None) >= local.replace(tzinfo=None) + timedelta(days=days)
    assert abs(until - since - timedelta(days=days)) <= HOUR
