"""A delivery as a connector sees it: who sent it, which try this is, what is in it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4

from google.protobuf.message import Message

from chassis import times
from chassis.connector.events import OutboundEvent, OutboundMessage
from chassis.key_ring import KeyRing
from chassis.messaging import headers, inbound
from chassis.messaging.inbound import InboundEvent
from chassis.messaging.names import retry_exchange

ATTEMPT = "diwan-attempt"
USER = "diwan-user"
PROGRESS = "diwan-progress"
RUN = "diwan-run"
REASON = "diwan-reason"
OPERATOR = "operator"

M = TypeVar("M", bound=Message)
M_co = TypeVar("M_co", bound=Message, covariant=True)


class Raw(Protocol):
    """What the broker's client hands us; kombu's Message has this shape."""

    body: Any
    headers: Mapping[str, object]
    properties: Mapping[str, Any]
    delivery_info: Mapping[str, Any]


@dataclass(frozen=True)
class Envelope:
    """The outside of a delivery, believable or not.

    Attributes:
        user: who first published it: the broker's word, or that of this connector or an operator, who put it back.
        attempt: tries before this one.
        progress: what the last try left for this one.
        redelivered: the broker has delivered this very copy before.
        run: empty from the service; another each time that an operator puts it back, who means it.
    """

    queue: str
    message_id: str
    user: str
    attempt: int
    progress: str
    redelivered: bool
    run: str
    attributes: Mapping[str, object]
    body: bytes

    @property
    def reader(self) -> str:
        """The connector: the first word of the queue."""
        return self.queue.split(".")[0]

    @property
    def key(self) -> tuple[str, str, int]:
        """By which a process knows it again: message, run and try."""
        return (self.message_id, self.run, self.attempt)

    @property
    def source(self) -> str:
        """Whose messages the queue holds: its second word."""
        return self.queue.split(".")[1]

    def copy(self, key: str, **changed: object) -> OutboundMessage:
        """A copy for one of the connector's own queues; `changed` are headers of ours, by their last word."""
        ours = {f"diwan-{name}": value for name, value in changed.items()}
        ours |= {RUN: self.run} if self.run else {}
        kept = {
            name: value
            for name, value in self.attributes.items()
            if not name.lower().startswith(("x-", "diwan-"))
        }
        attributes = {**kept, USER: self.user, ATTEMPT: self.attempt, PROGRESS: self.progress, **ours}
        return OutboundMessage(
            retry_exchange(self.reader), key, self.body, self.message_id, attributes, mandatory=True
        )


@dataclass(frozen=True)
class Delivery(Generic[M_co]):
    """One request to the connector, opened.

    Attributes:
        message: parsed, checked and unsealed.
        inbound: its CloudEvents attributes.
        attempt: tries before this one.
        progress: what the last try left (`Retry.progress`), empty on the first.
        uncertain: a process that died may have begun with it, and nobody can say how far it came.
    """

    message: M_co
    inbound: InboundEvent
    attempt: int = 0
    progress: str = ""
    uncertain: bool = False

    def expired(self, now: datetime) -> bool:
        """Whether its time is over, by its header or its `expire_time`."""
        until = str(getattr(self.message, "expire_time", "") or "")
        return self.inbound.expired(now) or bool(until and times.parse_time(until) <= now)

    def event(self, message: Message, subject: str = "") -> OutboundEvent:
        """An event that this delivery causes; the same type from the same delivery is the same event."""
        return OutboundEvent(
            message=message,
            subject=subject or self.inbound.subject,
            origin=self.inbound.id,
            causation=self.inbound.id,
            correlation=self.inbound.correlation,
        )


def envelope(queue: str, raw: Raw) -> Envelope:
    """Read the outside of a delivery; never fails, whatever somebody put there."""
    told = dict(raw.headers or {})
    user, reader = str(raw.properties.get("user_id") or ""), queue.split(".", maxsplit=1)[0]
    body = raw.body.encode() if isinstance(raw.body, str) else bytes(raw.body or b"")
    read = Envelope(
        queue=queue,
        message_id=str(told.get(headers.ID) or ""),
        user=user,
        attempt=0,
        progress="",
        redelivered=bool(raw.delivery_info.get("redelivered")) or bool(told.get("x-delivery-count")),
        run=str(uuid4()) if user == OPERATOR else str(told.get(RUN) or "") if user == reader else "",
        attributes=told,
        body=body,
    )
    # Only who may write the retry exchange may say who sent it first; from others these headers are noise.
    if user not in (reader, OPERATOR):
        return read
    attempt = told.get(ATTEMPT)
    return replace(
        read,
        user=str(told.get(USER) or ""),
        attempt=attempt if isinstance(attempt, int) and attempt >= 0 else 0,
        progress=str(told.get(PROGRESS) or ""),
    )


def open_delivery(read: Envelope, kind: type[M], keys: KeyRing, *, uncertain: bool) -> Delivery[M]:
    """Check and open a delivery; `inbound.MessageRejected` when no later try can mend it."""
    known = inbound.read(read.queue, f"{read.source}.commands", read.user, read.attributes, read.body)
    if known.type != kind.DESCRIPTOR.full_name:
        raise inbound.MessageRejected("TYPE", known.type)
    message = inbound.parse(known, kind, keys)
    assert isinstance(message, kind)
    return Delivery(message, known, read.attempt, read.progress, uncertain)
