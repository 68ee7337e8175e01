"""An event as it is stored in an aggregate's outbox until the broker has confirmed it."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from chassis.store.cause import Cause

Key = tuple[str, str]
"""An aggregate: its collection and its id."""


@dataclass(frozen=True, kw_only=True)
class OutboxEntry:
    """One event or sealed command to publish.

    Attributes:
        id: the event's id, a UUID.
        type: the message's full protobuf name.
        exchange: the exchange it is published to.
        key: the routing key.
        subject: the opaque id of its aggregate.
        sequence: its position among the aggregate's events, from 1, without gaps.
        time: time of the event, UTC.
        causation: id of its cause: a request id, an event id or a cause id.
        correlation: the journey's request number, or empty.
        traceparent: the W3C trace context of the command, or empty.
        data: the message as proto-JSON.
        mandatory: True if a queue must be bound; an unroutable message is then an error.
        expires: time after which it is not sent, UTC, or None.
    """

    id: str
    type: str
    exchange: str
    key: str
    subject: str
    sequence: int
    time: datetime
    causation: str
    correlation: str
    traceparent: str
    data: str
    mandatory: bool
    expires: datetime | None = None

    def to_document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read an entry; unknown fields, written by a newer program, are ignored."""
        return cls(**{name: document[name] for name in _NAMES if name in document})


_NAMES = tuple(field.name for field in fields(OutboxEntry))


@dataclass(frozen=True, kw_only=True)
class EventContext:
    """The context of a fact: id of its aggregate, its sequence number from 1, and its cause."""

    subject: str
    sequence: int
    cause: Cause


@dataclass(frozen=True, kw_only=True)
class Unsent:
    """The unsent events of one aggregate. The same entries may be passed to the relay more than once.

    Attributes:
        collection: the aggregate's collection.
        id: the aggregate's id.
        entries: in order of sequence.
        waiting: number of unsent entries before these at their commit; 0 when read from the outbox.
    """

    collection: str
    id: str
    entries: tuple[OutboxEntry, ...]
    waiting: int = 0


def unsent_of(collection: str, document: dict[str, Any]) -> Unsent:
    """The content of the outbox of an aggregate's document."""
    entries = tuple(OutboxEntry.from_document(entry) for entry in document.get("outbox", ()))
    return Unsent(collection=collection, id=document["_id"], entries=entries)
