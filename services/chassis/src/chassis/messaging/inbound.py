"""What came from a queue: read, checked, opened. Whatever is wrong has a name, and is refused for good.

Imports no gRPC and no store: connectors use it too.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any, Self

import protovalidate
from google.protobuf.message import Message

from chassis import protojson, times
from chassis.key_ring import Binding, KeyRing, OpenError
from chassis.messaging import headers

BODY_BYTES_MAX = 1024 * 1024
HEADER_CHARACTERS_MAX = 512


class MessageRejected(Exception):
    """No later try can mend it. `reason` is stable; `detail` names paths and rules, never a value."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class InboundEvent:
    """A message as it was delivered, attributes read and body as it came (sealed fields still sealed).

    Attributes:
        queue: where it was read.
        exchange: where it was published.
        user: who the broker says published it, or empty.
        id, type, source, subject, causation, correlation: CloudEvents attributes.
        sequence: its place among its subject's events, 0 if it does not say.
        time: when it happened, UTC, as RFC 3339.
        expires: when it is no longer worth handling, as RFC 3339, or empty.
        traceparent: the W3C trace context of the publisher's span, or empty.
        data: the body, proto-JSON.
    """

    queue: str
    exchange: str
    user: str = ""
    id: str = ""
    type: str = ""
    source: str = ""
    subject: str = ""
    sequence: int = 0
    time: str = ""
    causation: str = ""
    correlation: str = ""
    expires: str = ""
    traceparent: str = ""
    data: str = ""

    def to_document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read a kept message; fields that a newer program wrote are passed over."""
        return cls(**{name: document[name] for name in cls.__dataclass_fields__ if name in document})

    @property
    def happened(self) -> datetime:
        """The moment in `time`."""
        return times.parse_time(self.time)

    @property
    def binding(self) -> Binding:
        """What its sealed fields must be bound to."""
        return Binding(self.id, self.type, self.source)

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return bool(self.expires) and times.parse_time(self.expires) <= now


def fingerprint(queue: str, attributes: Mapping[str, object], body: bytes) -> str:
    """A stand-in for the id of a message whose own cannot be believed; the same for the same message."""
    told = repr(sorted((name, str(value)) for name, value in attributes.items()))
    return hashlib.sha256(b"\x00".join((queue.encode(), told.encode(), body))).hexdigest()[:32]


def read(
    queue: str, exchange: str, user: str | None, attributes: Mapping[str, object], body: bytes
) -> InboundEvent:
    """Read a delivery and check who sent it and whether its attributes are there.

    Raises:
        MessageRejected: USER_MISSING, USER_FOREIGN, ATTRIBUTES (which), TOO_LARGE or BODY.
    """
    owner = headers.owner(exchange)
    if not user:
        raise MessageRejected("USER_MISSING")
    if user != owner:
        raise MessageRejected("USER_FOREIGN")
    if len(body) > BODY_BYTES_MAX:
        raise MessageRejected("TOO_LARGE")
    told = _attributes(attributes)
    if told[headers.SOURCE] != headers.source_of(owner):
        raise MessageRejected("ATTRIBUTES", headers.SOURCE)
    try:
        data = body.decode()
    except UnicodeDecodeError:
        raise MessageRejected("BODY", "not UTF-8") from None
    return InboundEvent(
        queue=queue,
        exchange=exchange,
        user=user,
        id=told[headers.ID],
        type=told[headers.TYPE],
        source=told[headers.SOURCE],
        subject=told[headers.SUBJECT],
        sequence=int(told[headers.SEQUENCE] or 0),
        time=told[headers.TIME],
        causation=told[headers.CAUSATION],
        correlation=told[headers.CORRELATION],
        expires=told[headers.EXPIRY],
        traceparent=told[headers.TRACEPARENT],
        data=data,
    )


def _attributes(given: Mapping[str, object]) -> dict[str, str]:
    told: dict[str, str] = {}
    for name in (*headers.REQUIRED, *headers.OPTIONAL):
        try:
            told[name] = headers.text(given, name)
        except ValueError:
            raise MessageRejected("ATTRIBUTES", name) from None
        if not told[name].isprintable():
            raise MessageRejected("ATTRIBUTES", name)
        if len(told[name]) > HEADER_CHARACTERS_MAX or (name in headers.REQUIRED and not told[name]):
            raise MessageRejected("ATTRIBUTES", name)
    for name, well_formed in _FORMS.items():
        if told[name] and not well_formed(told[name]):
            raise MessageRejected("ATTRIBUTES", name)
    return told


def _is_moment(text: str) -> bool:
    try:
        times.parse_time(text)
    except ValueError:
        return False
    return True


_FORMS: Mapping[str, Callable[[str], bool]] = {
    headers.TIME: _is_moment,
    headers.EXPIRY: _is_moment,
    headers.SPECVERSION: lambda text: text == "1.0",
    headers.SEQUENCE: lambda text: text.isascii() and text.isdecimal() and len(text) <= 18,
}


def parse(inbound: InboundEvent, kind: type[Message], keys: KeyRing) -> Message:
    """The body as its message: parsed, checked by its rules, opened where it is sealed for this service.

    Raises:
        MessageRejected: BODY, INVALID (paths and rules) or SEALED_FIELD_UNREADABLE.
    """
    try:
        message = protojson.loads(inbound.data, kind)
    except protojson.Unreadable:
        raise MessageRejected("BODY", "no proto-JSON of its type") from None
    violations = _validator().collect_violations(message)
    if violations:
        raise MessageRejected("INVALID", "; ".join(_told(violation.proto) for violation in violations[:10]))
    try:
        keys.open_fields(message, inbound.binding)
    except OpenError as error:
        raise MessageRejected(error.reason, str(error)) from None
    return message


@cache
def _validator() -> Any:
    return protovalidate.Validator()


def _told(violation: Any) -> str:
    path = ".".join(element.field_name for element in violation.field.elements)
    return f"{path} {violation.rule_id}"
