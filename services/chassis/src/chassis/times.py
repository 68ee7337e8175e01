"""Time: UTC in the store and on the wire, `Timestamp` in messages; calendar days are those of Africa/Cairo."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

Clock = Callable[[], datetime]
"""A source of the current time, UTC: `utc_now`, or a test's own."""

CAIRO: Final = ZoneInfo("Africa/Cairo")
"""Time zone of calendar days in texts for people and in business rules. Only `cairo_day` uses it."""


def utc_now() -> datetime:
    """The system clock, UTC."""
    return datetime.now(UTC)


def cairo_day(time: datetime) -> date:
    """The calendar day in Cairo at a time; of the current time, today. The one source of days for all programs.

    Cairo is two hours before UTC, three in summer. A day in April begins at 01:00, one in October has 25 hours.

    Raises:
        ValueError: the time has no zone.
    """
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.astimezone(CAIRO).date()


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC, ending in Z."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """The moment that an RFC 3339 text names, UTC; ValueError for another text, or one without a zone."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError("a time without a zone")
    return parsed.astimezone(UTC)


def timestamp(time: datetime) -> Timestamp:
    """A time as a message's field, truncated to milliseconds, the store's precision.

    So an answer is the same whether it is rendered before its state is stored or after.

    Raises:
        ValueError: the time has no zone.
    """
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    stamp = Timestamp()
    stamp.FromDatetime(time.replace(microsecond=time.microsecond // 1000 * 1000))
    return stamp


def to_datetime(stamp: Timestamp) -> datetime:
    """The time of a message's field, UTC, truncated to microseconds.

    Raises:
        ValueError: the year is not between 1 and 9999.
    """
    return stamp.ToDatetime(tzinfo=UTC)
