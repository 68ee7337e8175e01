"""Times at the edge of messages."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from chassis.times import CAIRO, timestamp, to_datetime
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

zones = st.sampled_from([UTC, CAIRO, timezone(timedelta(hours=-11))])
times = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001 -- the bounds of what is drawn, each in its own zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=zones,
)


@given(times)
def test_a_time_comes_back_to_the_millisecond(time: datetime) -> None:
    """In UTC, whatever its zone was; what is finer than the store keeps is not told."""
    back = to_datetime(timestamp(time))

    assert back.tzinfo is UTC
    assert timedelta() <= time - back < timedelta(milliseconds=1)
    assert back.microsecond % 1000 == 0


def test_a_time_without_a_zone_is_refused() -> None:
    """It could be Cairo's or UTC's, and nobody would notice."""
    with pytest.raises(ValueError, match="without a zone"):
        timestamp(datetime(2026, 3, 1, 9, 30))  # noqa: DTZ001 -- that is the point


def test_a_moment_that_is_none_is_refused() -> None:
    """Seconds beyond the calendar name no time."""
    with pytest.raises(ValueError, match="must be in range"):
        to_datetime(Timestamp(seconds=10**12))


def test_a_day_begins_in_cairo() -> None:
    """Two hours, in summer three, before it does in UTC."""
    winter, summer = datetime(2026, 1, 31, 22, 30, tzinfo=UTC), datetime(2026, 6, 30, 21, 30, tzinfo=UTC)

    assert [time.astimezone(CAIRO).day for time in (winter, summer)] == [1, 1]
