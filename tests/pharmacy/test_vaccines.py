"""What is due, by the vaccination calendar in force and what was dispensed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.kernel.clock import months_before
from passerelle.pharmacy.calendar import Calendar, calendar_on
from passerelle.pharmacy.vaccines import Doses, VaccineDue, VaccineStatus, vaccines_due

ON = date(2026, 11, 16)
SINCE = date(2005, 11, 16)
DTP, ZOSTER, INFLUENZA, HPV, PNEUMOCOCCUS = "dtp", "zoster", "influenza", "hpv", "pneumococcus"


def calendar() -> Calendar:
    found = calendar_on(ON)
    assert found is not None
    return found


def due(born: date, *dispensed: Doses, on: date = ON, since: date = SINCE) -> dict[str, VaccineDue]:
    return {each.code: each for each in vaccines_due(calendar(), born, dispensed, on=on, since=since)}


def test_a_calendar_has_a_day_and_a_source_and_says_what_it_leaves_out() -> None:
    assert calendar_on(date(2024, 12, 31)) is None
    assert calendar().effective == date(2025, 1, 1)
    assert calendar().source
    assert len(calendar().not_told) >= 3
    for each in calendar().vaccinations:
        assert each.atc
        assert all(code.startswith("J07") for code in each.atc)
        ages = [age for one in each.series for age in one.ages]
        assert ages == sorted(ages)


@pytest.mark.parametrize(
    ("age", "given_ago", "status"),
    [
        (46, None, VaccineStatus.DUE),  # the booster at 45
        (46, 12, VaccineStatus.DISPENSED),
        (46, 48, VaccineStatus.DISPENSED),  # at 42, less than five years before
        (46, 90, VaccineStatus.DUE),
        (44, None, VaccineStatus.UNKNOWN),  # that at 25 might be older than what is seen
        (44, 200, VaccineStatus.UPCOMING),
        (76, None, VaccineStatus.DUE),  # every ten years from 65 on
        (76, 20, VaccineStatus.DISPENSED),
        (76, 130, VaccineStatus.DUE),
    ],
)
def test_boosters_of_an_adult(age: int, given_ago: int | None, status: VaccineStatus) -> None:
    born = months_before(ON, age * 12 + 6)
    dispensed = [] if given_ago is None else [Doses(atc="J07CA01", on=months_before(ON, given_ago))]
    told = due(born, *dispensed)[DTP]
    assert told.status is status
    assert told.last_dispensed_on == (dispensed[0].on if dispensed else None)


def test_a_series_asks_for_its_next_dose_on_its_day() -> None:
    born = months_before(ON, 5)
    told = due(born, Doses(atc="J07CA09", on=months_before(ON, 3)))
    assert (told[DTP].status, told[DTP].on) == (VaccineStatus.DUE, months_before(born, -4))
    both = due(born, Doses(atc="J07CA09", on=months_before(ON, 3)), Doses(atc="J07CA09", on=months_before(ON, 1)))
    assert (both[DTP].status, both[DTP].on) == (VaccineStatus.UPCOMING, months_before(born, -11))
    two_at_once = due(born, Doses(atc="J07CA09", on=months_before(ON, 3), count=2))
    assert two_at_once[DTP].status is VaccineStatus.UPCOMING


def test_influenza_is_asked_once_a_season() -> None:
    born = date(1950, 3, 1)
    assert due(born)[INFLUENZA].on == date(2026, 10, 1)
    assert due(born, Doses(atc="J07BB02", on=date(2026, 10, 20)))[INFLUENZA].status is VaccineStatus.DISPENSED
    assert due(born, Doses(atc="J07BB02", on=date(2025, 11, 20)))[INFLUENZA].status is VaccineStatus.DUE
    in_june = due(born, on=date(2026, 6, 1))[INFLUENZA]
    assert (in_june.status, in_june.on) == (VaccineStatus.UPCOMING, date(2026, 10, 1))
    # The season runs over the end of the year.
    in_january = due(born, Doses(atc="J07BB02", on=date(2025, 12, 20)), on=date(2026, 1, 10))[INFLUENZA]
    assert in_january.status is VaccineStatus.DISPENSED


def test_what_asks_nothing_of_an_age_is_left_out() -> None:
    at_thirty = due(months_before(ON, 30 * 12), Doses(atc="J07CA02", on=months_before(ON, 50)))
    assert {ZOSTER, INFLUENZA, HPV, PNEUMOCOCCUS}.isdisjoint(at_thirty)
    assert due(months_before(ON, 12 * 12))[HPV].status is VaccineStatus.DUE
    assert due(months_before(ON, 64 * 12 + 6))[ZOSTER].status is VaccineStatus.UPCOMING
    assert due(months_before(ON, 70 * 12), Doses(atc="J07BK03", on=months_before(ON, 3)))[ZOSTER].status is (
        VaccineStatus.DUE
    )


@given(
    born=st.dates(min_value=date(1915, 1, 1), max_value=ON),
    dispensed=st.lists(
        st.builds(
            Doses,
            atc=st.sampled_from(["J07CA01", "J07BB02", "J07AL02", "J07BK03", "J07BM03", None]),
            on=st.dates(min_value=SINCE, max_value=ON),
            count=st.integers(1, 3),
        ),
        max_size=6,
    ),
    more=st.integers(1, 4),
)
def test_a_day_is_past_when_due_and_to_come_when_upcoming(born: date, dispensed: list[Doses], more: int) -> None:
    told = due(born, *dispensed)
    for each in told.values():
        if each.status in (VaccineStatus.DUE, VaccineStatus.UNKNOWN):
            assert each.on is not None
            assert born <= each.on <= ON
        elif each.status is VaccineStatus.UPCOMING:
            assert each.on is not None
            assert ON < each.on <= months_before(ON, -calendar().horizon)
        else:
            assert each.on is None
            assert each.last_dispensed_on is not None
    # One dose more never makes anything due that was not.
    with_more = due(born, *dispensed, Doses(atc="J07BK03", on=ON - timedelta(days=1), count=more))
    were_due = {code for code, each in told.items() if each.status is VaccineStatus.DUE}
    assert {code for code, each in with_more.items() if each.status is VaccineStatus.DUE} <= were_due
