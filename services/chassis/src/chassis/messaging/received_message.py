"""A message from the broker or the inbox, before it is checked."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.message import Message

from chassis.messaging import headers, inbound
from chassis.messaging.event_registry import event_option, event_type
from chassis.messaging.inbound import InboundEvent, MessageRejected
from chassis.store import InboxEntry

REFUSED = "refused"
"""Policy name of inbox entries whose message was rejected before any policy."""

EXCHANGE = "exchange"
USER = "user_id"

_STORED_CHARACTERS = 1024


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """A message as the broker delivers it, or as the inbox stored it."""

    queue: str
    exchange: str
    user: str | None
    attributes: Mapping[str, object]
    body: bytes

    @property
    def rejected_id(self) -> str:
        """The inbox id of a rejected message, whose own id is not checked."""
        return f"{REFUSED}/{inbound.fingerprint(self.queue, self.stored_headers(), self.body)}"

    def read(self) -> tuple[InboundEvent, type[Message]]:
        """Check the publisher, the attributes and the type; returns the event, its body unparsed, and its class.

        Raises:
            MessageRejected: see `inbound.read`; or TYPE_UNKNOWN, or TYPE_FOREIGN.
        """
        event = inbound.read(self.queue, self.exchange, self.user, self.attributes, self.body)
        kind = event_type(event.type)
        if kind is None:
            raise MessageRejected("TYPE_UNKNOWN")
        option = event_option(kind)
        if option is None or option.exchange != event.exchange:
            raise MessageRejected("TYPE_FOREIGN", f"not published on {event.exchange}")
        return event, kind

    def stored_headers(self) -> dict[str, str]:
        """The headers for the inbox: the known ones, as text that any store can hold, and the origin."""
        known = [name for name in (*headers.REQUIRED, *headers.OPTIONAL) if name in self.attributes]
        return {**{name: _storable(self.attributes[name]) for name in known}, **self.origin()}

    def origin(self) -> dict[str, str]:
        """Exchange and publisher, both set by the broker."""
        return {EXCHANGE: _storable(self.exchange), USER: _storable(self.user or "")}

    @classmethod
    def of(cls, entry: InboxEntry) -> "ReceivedMessage":
        """The message of an inbox entry."""
        attributes = dict(entry.headers)
        exchange, user = str(attributes.pop(EXCHANGE, "")), str(attributes.pop(USER, ""))
        return cls(queue=entry.queue, exchange=exchange, user=user, attributes=attributes, body=entry.body)


def _storable(value: object) -> str:
    """The value as bounded text; unprintable characters are replaced, so that the text stays malformed."""
    text = str(value)[:_STORED_CHARACTERS]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
