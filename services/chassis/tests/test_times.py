"""Conversion between Timestamp messages and datetimes."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from chassis.times import CAIRO, cairo_day, timestamp, to_datetime
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

zones = st.sampled_from([UTC, CAIRO, timezone(timedelta(hours=-11))])
times = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001 -- the bounds, each in its own zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=zones,
)


@given(times)
def test_a_time_survives_a_round_trip_to_the_millisecond(time: datetime) -> None:
    """The result is in UTC; finer fractions are cut off, as in the store."""
    converted = to_datetime(timestamp(time))

    assert converted.tzinfo is UTC
    assert timedelta() <= time - converted < timedelta(milliseconds=1)
    assert converted.microsecond % 1000 == 0


def test_a_time_without_a_zone_is_refused() -> None:
    """It could be in Cairo's zone or in UTC."""
    with pytest.raises(ValueError, match="without a zone"):
        timestamp(datetime(2026, 3, 1, 9, 30))  # noqa: DTZ001 -- the case under test


def test_a_timestamp_out_of_range_is_refused() -> None:
    """The seconds are beyond the calendar."""
    with pytest.raises(ValueError, match="must be in range"):
        to_datetime(Timestamp(seconds=10**12))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


DAYS = [
    # Winter: midnight is 22:00 UTC.
    ("2026-01-31T21:59:59.999999Z", "2026-01-31"),
    ("2026-01-31T22:00:00Z", "2026-02-01"),
    ("2025-12-31T22:00:00Z", "2026-01-01"),
    ("2024-02-28T22:00:00Z", "2024-02-29"),
    # Summer: 21:00 UTC.
    ("2026-06-30T20:59:59.999999Z", "2026-06-30"),
    ("2026-06-30T21:00:00Z", "2026-07-01"),
    # Summer time begins with Friday 24 April 2026: midnight becomes 01:00.
    ("2026-04-22T22:00:00Z", "2026-04-23"),
    ("2026-04-23T21:30:00Z", "2026-04-23"),
    ("2026-04-23T21:59:59Z", "2026-04-23"),
    ("2026-04-23T22:00:00Z", "2026-04-24"),
    ("2026-04-24T20:59:59Z", "2026-04-24"),
    ("2026-04-24T21:00:00Z", "2026-04-25"),
    # It ends with Thursday 29 October 2026: the hour before midnight comes twice.
    ("2026-10-28T20:59:59Z", "2026-10-28"),
    ("2026-10-28T21:00:00Z", "2026-10-29"),
    ("2026-10-29T20:59:59Z", "2026-10-29"),
    ("2026-10-29T21:00:00Z", "2026-10-29"),
    ("2026-10-29T21:59:59Z", "2026-10-29"),
    ("2026-10-29T22:00:00Z", "2026-10-30"),
    # In 2022, without summer time.
    ("2022-06-30T21:30:00Z", "2022-06-30"),
    # From another zone.
    ("2026-07-01T00:00:00+03:00", "2026-07-01"),
    ("2026-06-30T23:59:00-05:00", "2026-07-01"),
]


@pytest.mark.parametrize(("time", "day"), DAYS)
def test_a_day_starts_at_midnight_in_cairo(time: str, day: str) -> None:
    """In winter, in summer, and on the days of change."""
    assert cairo_day(at(time)) == date.fromisoformat(day)


def test_a_time_without_a_zone_has_no_day() -> None:
    """It could be another day in Cairo."""
    with pytest.raises(ValueError, match="without a zone"):
        cairo_day(datetime(2026, 3, 1, 9, 30))  # noqa: DTZ001 -- the case under test
