"""An event on its way: as it lies in an aggregate's outbox until the broker has confirmed it."""

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
        exchange: where it is published.
        key: the routing key.
        subject: the opaque id of the aggregate it is about.
        sequence: its place among the aggregate's events, from 1, without gaps.
        time: when it happened, UTC.
        causation: the id of what caused it.
        correlation: the journey's request number, or empty.
        traceparent: the W3C trace context of the command, or empty.
        data: the message as proto-JSON.
        mandatory: a reader must exist; an unroutable one is an error.
        expires: when it is no longer worth sending, or None.
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
        """Read an entry; fields that a newer program wrote are passed over."""
        return cls(**{name: document[name] for name in _NAMES if name in document})


_NAMES = tuple(field.name for field in fields(OutboxEntry))


@dataclass(frozen=True, kw_only=True)
class EventContext:
    """What is known of a fact beside its message: which aggregate, its place in the order, and why."""

    subject: str
    sequence: int
    cause: Cause


@dataclass(frozen=True, kw_only=True)
class Unsent:
    """What one aggregate has still to send, in its order. The same entries may be handed over more than once.

    Attributes:
        collection: the aggregate's collection.
        id: the aggregate's id.
        entries: in order of sequence.
        waiting: how many entries lay unsent before these at their commit; 0 when read from the outbox.
    """

    collection: str
    id: str
    entries: tuple[OutboxEntry, ...]
    waiting: int = 0


def unsent_of(collection: str, document: dict[str, Any]) -> Unsent:
    """What lies in the outbox of an aggregate's document."""
    entries = tuple(OutboxEntry.from_document(entry) for entry in document.get("outbox", ()))
    return Unsent(collection=collection, id=document["_id"], entries=entries)
