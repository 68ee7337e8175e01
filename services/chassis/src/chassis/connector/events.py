"""The events a connector publishes: read from their protos, named by their cause."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

from diwan.options.v1 import options_pb2
from google.protobuf.message import Message

from chassis import protojson, telemetry
from chassis.key_ring import Binding, KeyRing
from chassis.messaging import headers


@dataclass(frozen=True)
class OutboundEvent:
    """A fact to publish.

    Attributes:
        message: protobuf message with the option `(diwan.options.v1.event)`.
        subject: opaque id of what it is about, no personal datum.
        origin: what its id follows from, with type and content: a repetition is one event, handled once, and another
            content of the same origin is another event.
        causation: id of the event that caused it, empty if none did.
        correlation: the journey's request number, or empty.
    """

    message: Message
    subject: str
    origin: str
    causation: str = ""
    correlation: str = ""

    @property
    def type(self) -> str:
        """The protobuf message's full name."""
        return str(self.message.DESCRIPTOR.full_name)

    @property
    def id(self) -> str:
        """UUID5 of type, origin and content."""
        return str(uuid5(NAMESPACE_OID, f"{self.type}/{self.origin}/{_content_hash(self.message)}"))


def _content_hash(message: Message) -> str:
    """SHA-256 of the content without its sealed fields: a hash of personal data could be reversed by trying."""
    open_part = type(message)()
    open_part.CopyFrom(message)
    for field in message.DESCRIPTOR.fields:
        if field.GetOptions().Extensions[options_pb2.sealed_for]:
            open_part.ClearField(field.name)
    return hashlib.sha256(open_part.SerializeToString(deterministic=True)).hexdigest()


@dataclass(frozen=True)
class OutboundMessage:
    """A message as it goes to the broker. `mandatory`: publishing fails if no queue takes it."""

    exchange: str
    key: str
    body: bytes
    message_id: str
    attributes: Mapping[str, object]
    mandatory: bool = False


def outbound(event: OutboundEvent, owner: str, keys: KeyRing) -> OutboundMessage:
    """The message of an event that `owner` publishes, its sealed fields sealed with the readers' keys.

    Raises:
        TypeError: its proto says that another program publishes it.
        SealError: a reader's public key is missing.
    """
    options = event.message.DESCRIPTOR.GetOptions()
    where = options.Extensions[options_pb2.event]
    if not where.key or headers.owner(where.exchange) != owner:
        raise TypeError(f"{event.type} is not published by {owner}")
    sealed = type(event.message)()
    sealed.CopyFrom(event.message)
    keys.seal_fields(sealed, Binding(event.id, event.type, headers.source_of(owner)))
    attributes = headers.write(
        event_id=event.id,
        publisher=owner,
        kind=event.type,
        time=datetime.now(UTC),
        subject=event.subject,
        causation=event.causation,
        correlation=event.correlation,
        traceparent=telemetry.traceparent(),
    )
    return OutboundMessage(
        exchange=where.exchange,
        key=where.key,
        body=protojson.dumps(sealed).encode(),
        message_id=event.id,
        attributes=attributes,
        mandatory=where.exchange.endswith(".commands"),
    )
