"""CloudEvents 1.0 over AMQP 0-9-1: header names, and functions that write and read headers.

The CloudEvents binding is defined for AMQP 1.0. On 0-9-1 the attributes are in headers `cloudEvents_<name>` (binary
mode), the event's id also in `message_id`, the publisher in `user_id`. This module imports no gRPC and no store,
because connectors use it too.
"""

from collections.abc import Mapping
from datetime import datetime

from chassis import times

PREFIX = "cloudEvents_"
ID = PREFIX + "id"
SOURCE = PREFIX + "source"
TYPE = PREFIX + "type"
SPECVERSION = PREFIX + "specversion"
TIME = PREFIX + "time"
SUBJECT = PREFIX + "subject"
SEQUENCE = PREFIX + "sequence"
CAUSATION = PREFIX + "causationid"
CORRELATION = PREFIX + "correlationid"
EXPIRY = PREFIX + "expirytime"
TRACEPARENT = "traceparent"

CONTENT_TYPE = "application/json"
PERSISTENT = 2
REQUIRED = (ID, SOURCE, TYPE, SPECVERSION, TIME, SUBJECT)
OPTIONAL = (SEQUENCE, CAUSATION, CORRELATION, EXPIRY, TRACEPARENT)


def source_of(service: str) -> str:
    """The CloudEvents source of a service, connector or integrator."""
    return f"diwan/{service}"


def owner(exchange: str) -> str:
    """The only user with write permission on an exchange: the part of its name before the first dot."""
    return exchange.partition(".")[0]


def write(
    *,
    event_id: str,
    publisher: str,
    kind: str,
    time: datetime,
    subject: str,
    sequence: int = 0,
    causation: str = "",
    correlation: str = "",
    expires: datetime | None = None,
    traceparent: str = "",
) -> dict[str, str]:
    """The headers of one event; optional attributes that are empty are left out.

    Args:
        event_id: the event's id, a UUID; the `message_id` too.
        publisher: name of the service, connector or integrator that publishes it.
        kind: full name of the event's message.
        time: time of the event.
        subject: the opaque id of its subject.
        sequence: its position among the subject's events, from 1; 0 if it has none.
        causation: id of its cause.
        correlation: the journey's request number.
        expires: time after which it is not handled.
        traceparent: W3C trace context of the publisher's span.
    """
    optional = {
        SEQUENCE: str(sequence or ""),
        CAUSATION: causation,
        CORRELATION: correlation,
        EXPIRY: times.format_time(expires) if expires else "",
        TRACEPARENT: traceparent,
    }
    return {
        ID: event_id,
        SOURCE: source_of(publisher),
        TYPE: kind,
        SPECVERSION: "1.0",
        TIME: times.format_time(time),
        SUBJECT: subject,
        **{name: value for name, value in optional.items() if value},
    }


def text(headers: Mapping[str, object], name: str) -> str:
    """The value of a text header, empty when it is absent; ValueError for a value of another type."""
    value = headers.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"header {name} is no text")  # noqa: TRY004 -- external data with a wrong value
    return value
