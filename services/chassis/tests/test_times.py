"""Conversion between Timestamp messages and datetimes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from chassis.times import CAIRO, timestamp, to_datetime
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


def test_a_day_starts_at_midnight_in_cairo() -> None:
    """That is two hours before UTC, and three in summer."""
    winter, summer = datetime(2026, 1, 31, 22, 30, tzinfo=UTC), datetime(2026, 6, 30, 21, 30, tzinfo=UTC)

    assert [time.astimezone(CAIRO).day for time in (winter, summer)] == [1, 1]
