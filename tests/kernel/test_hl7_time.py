"""HL7 times: every precision, no offset, no sense; never an exception."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.kernel.hl7_time import Hl7Time

almost_times = st.from_regex(r"\A[0-9]{0,16}(\.[0-9]{0,10})?([+-][0-9]{0,5}|Z)?\Z")


@given(st.one_of(almost_times, st.text(), st.none()))
def test_any_text_gives_a_range_or_none_and_stays_as_given(text: str | None) -> None:
    time = Hl7Time.parse(text)
    assert time.given == (text or "")
    assert (time.earliest is None) == (time.latest is None) == (time.precision == "")
    if time.earliest is not None and time.latest is not None:
        assert time.earliest <= time.latest
        assert time.earliest.tzinfo is UTC
        assert time.latest.tzinfo is UTC
    else:
        assert time.is_broken


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9998, 12, 29)),  # noqa: DTZ001  given its offset below
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from([4, 6, 8, 10, 12, 14]),
)
def test_a_range_holds_the_instant_it_was_cut_from(instant: datetime, offset: int, length: int) -> None:
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    written = f"{instant.year:04d}{instant:%m%d%H%M%S}"[:length] + f"{sign}{minutes // 60:02d}{minutes % 60:02d}"
    time = Hl7Time.parse(written)
    held = instant.replace(tzinfo=UTC) - timedelta(minutes=offset)
    assert not time.is_broken
    assert time.earliest is not None
    assert time.latest is not None
    assert time.earliest <= held <= time.latest + timedelta(microseconds=999_999)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "earliest", "latest", "precision"),
    [
        ("2021", utc(2020, 12, 31, 23), utc(2021, 12, 31, 22, 59, 59, 999_999), "year"),
        ("202112", utc(2021, 11, 30, 23), utc(2021, 12, 31, 22, 59, 59, 999_999), "month"),
        ("20170417", utc(2017, 4, 16, 22), utc(2017, 4, 17, 21, 59, 59, 999_999), "day"),
        ("202302091130+0100", utc(2023, 2, 9, 10, 30), utc(2023, 2, 9, 10, 30, 59, 999_999), "minute"),
        ("20210108111700+0100", utc(2021, 1, 8, 10, 17), utc(2021, 1, 8, 10, 17, 0, 999_999), "second"),
        ("20210101120000.123Z", utc(2021, 1, 1, 12, 0, 0, 123_000), utc(2021, 1, 1, 12, 0, 0, 123_999), "fraction"),
        ("20161231235960Z", utc(2016, 12, 31, 23, 59, 59), utc(2016, 12, 31, 23, 59, 59, 999_999), "second"),
        # The hour that comes twice and the hour that never comes have two readings: the range takes both.
        ("2021103102", utc(2021, 10, 31, 0), utc(2021, 10, 31, 1, 59, 59, 999_999), "hour"),
        ("202203270230", utc(2022, 3, 27, 0, 30), utc(2022, 3, 27, 1, 30, 59, 999_999), "minute"),
    ],
)
def test_known_times(text: str, earliest: datetime, latest: datetime, precision: str) -> None:
    time = Hl7Time.parse(text)
    assert (time.earliest, time.latest, time.precision, time.is_broken) == (earliest, latest, precision, False)


@pytest.mark.parametrize(
    ("text", "precision"),
    [("20210230", "month"), ("2021010125", "day"), ("2021-03-01", "year"), ("20210101+9900", "day"), ("abc", "")],
)
def test_a_broken_time_gives_the_range_of_its_beginning(text: str, precision: str) -> None:
    time = Hl7Time.parse(text)
    assert time.is_broken
    assert time.precision == precision


def test_the_zone_of_a_time_without_offset_may_be_told() -> None:
    assert Hl7Time.parse("20160711122758", default=UTC).earliest == utc(2016, 7, 11, 12, 27, 58)
