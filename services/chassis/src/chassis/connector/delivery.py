"""A delivery to a connector: its publisher, its attempt, its message."""

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


class RawDelivery(Protocol):
    """A delivery as the broker's client returns it; kombu's `Message` has this shape."""

    body: Any
    headers: Mapping[str, object]
    properties: Mapping[str, Any]
    delivery_info: Mapping[str, Any]


@dataclass(frozen=True)
class Envelope:
    """Headers and properties of a delivery, not checked yet, beside its body.

    Attributes:
        user: first publisher: the broker's `user_id`; in a copy by this connector or an operator, the copy's header.
        attempt: attempts before this one.
        progress: progress that the last attempt left (`Retry.progress`).
        redelivered: the broker has delivered this copy before.
        run: empty in a message of the service; new each time an operator replays it, so that it is handled again.
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
        """The connector that reads the queue: the first word of its name."""
        return self.queue.split(".")[0]

    @property
    def key(self) -> tuple[str, str, int]:
        """Identity of the delivery within a process: message id, run and attempt."""
        return (self.message_id, self.run, self.attempt)

    @property
    def source(self) -> str:
        """The service whose messages the queue holds: the second word of its name."""
        return self.queue.split(".")[1]

    def copy(self, key: str, **changed: object) -> OutboundMessage:
        """A copy for one of the connector's own queues.

        Args:
            key: routing key of the connector's retry exchange.
            changed: `diwan-` headers to set, by the name after the prefix.
        """
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
    """One request to the connector.

    Attributes:
        message: parsed, validated, its sealed fields opened.
        inbound: its CloudEvents attributes.
        attempt: attempts before this one.
        progress: progress that the last attempt left (`Retry.progress`), empty on the first.
        uncertain: another process may have begun it and died; its external effect is unknown.
    """

    message: M_co
    inbound: InboundEvent
    attempt: int = 0
    progress: str = ""
    uncertain: bool = False

    def expired(self, now: datetime) -> bool:
        """Whether it has expired, by its header or its `expire_time`."""
        until = str(getattr(self.message, "expire_time", "") or "")
        return self.inbound.expired(now) or bool(until and times.parse_time(until) <= now)

    def event(self, message: Message, subject: str = "") -> OutboundEvent:
        """An event caused by this delivery; its id follows from the delivery, the type and the content."""
        return OutboundEvent(
            message=message,
            subject=subject or self.inbound.subject,
            origin=self.inbound.id,
            causation=self.inbound.id,
            correlation=self.inbound.correlation,
        )


def read_envelope(queue: str, raw: RawDelivery) -> Envelope:
    """Read headers and properties of a delivery; malformed ones count as missing, nothing is raised."""
    attributes = dict(raw.headers or {})
    user, reader = str(raw.properties.get("user_id") or ""), queue.split(".", maxsplit=1)[0]
    body = raw.body.encode() if isinstance(raw.body, str) else bytes(raw.body or b"")
    envelope = Envelope(
        queue=queue,
        message_id=str(attributes.get(headers.ID) or ""),
        user=user,
        attempt=0,
        progress="",
        redelivered=bool(raw.delivery_info.get("redelivered")) or bool(attributes.get("x-delivery-count")),
        run=str(uuid4()) if user == OPERATOR else str(attributes.get(RUN) or "") if user == reader else "",
        attributes=attributes,
        body=body,
    )
    # Only users with write access to the retry exchange may state the first publisher; in other messages these
    # headers are ignored.
    if user not in (reader, OPERATOR):
        return envelope
    attempt = attributes.get(ATTEMPT)
    return replace(
        envelope,
        user=str(attributes.get(USER) or ""),
        attempt=attempt if isinstance(attempt, int) and attempt >= 0 else 0,
        progress=str(attributes.get(PROGRESS) or ""),
    )


def open_delivery(envelope: Envelope, kind: type[M], keys: KeyRing, *, uncertain: bool) -> Delivery[M]:
    """Check a delivery and open its sealed fields; `inbound.MessageRejected` when no retry can repair it."""
    event = inbound.read(
        envelope.queue, f"{envelope.source}.commands", envelope.user, envelope.attributes, envelope.body
    )
    if event.type != kind.DESCRIPTOR.full_name:
        raise inbound.MessageRejected("TYPE", event.type)
    message = inbound.parse(event, kind, keys)
    assert isinstance(message, kind)
    return Delivery(message, event, envelope.attempt, envelope.progress, uncertain)
