"""Reading and checking of delivered messages. A message with a fault is rejected for good, with a stable reason.

Imports no gRPC and no store: connectors use it too.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import protovalidate
from google.protobuf.message import Message

from chassis import protojson, times
from chassis.input_forms import normalise
from chassis.key_ring import Binding, KeyRing, OpenError
from chassis.messaging import headers

BODY_BYTES_MAX = 1024 * 1024
HEADER_CHARACTERS_MAX = 512


class MessageRejected(Exception):
    """No retry can repair the message. `reason` is stable; `detail` names paths and rules, never a value."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class InboundEvent:
    """A delivered message: checked attributes, and the body unparsed (sealed fields still sealed).

    Attributes:
        queue: queue that it was read from.
        exchange: exchange that it was published to.
        user: publisher, by the broker's `user_id`, or empty.
        id, type, source, subject, causation, correlation: CloudEvents attributes.
        sequence: its position among its subject's events, 0 if it has none.
        time: time of the event, UTC, as RFC 3339.
        expires: time after which it must not be handled, as RFC 3339, or empty.
        traceparent: the W3C trace context of the publisher's span, or empty.
        data: the body, proto-JSON.
        content: keyed hash of the message, empty while it is not parsed.
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
    content: str = ""

    @property
    def happened(self) -> datetime:
        """`time`, parsed."""
        return times.parse_time(self.time)

    @property
    def binding(self) -> Binding:
        """The binding of its sealed fields."""
        return Binding(self.id, self.type, self.source)

    def expired(self, now: datetime) -> bool:
        """Whether it has expired."""
        return bool(self.expires) and times.parse_time(self.expires) <= now


def fingerprint(queue: str, attributes: Mapping[str, object], body: bytes) -> str:
    """An id computed from a message whose own id is not checked; the same for the same message, 32 hex digits."""
    sorted_attributes = repr(sorted((name, str(value)) for name, value in attributes.items()))
    parts = (queue.encode(), sorted_attributes.encode(), body)
    return hashlib.sha256(b"\x00".join(parts)).hexdigest()[:32]


def read(
    queue: str, exchange: str, user: str | None, attributes: Mapping[str, object], body: bytes
) -> InboundEvent:
    """Read a delivery, and check its publisher and its attributes.

    Raises:
        MessageRejected: USER_MISSING, USER_FOREIGN, ATTRIBUTES (with the name), TOO_LARGE or BODY.
    """
    owner = headers.owner(exchange)
    if not user:
        raise MessageRejected("USER_MISSING")
    if user != owner:
        raise MessageRejected("USER_FOREIGN")
    if len(body) > BODY_BYTES_MAX:
        raise MessageRejected("TOO_LARGE")
    texts = _checked_texts(attributes)
    if texts[headers.SOURCE] != headers.source_of(owner):
        raise MessageRejected("ATTRIBUTES", headers.SOURCE)
    try:
        data = body.decode()
    except UnicodeDecodeError:
        raise MessageRejected("BODY", "not UTF-8") from None
    return InboundEvent(
        queue=queue,
        exchange=exchange,
        user=user,
        id=texts[headers.ID],
        type=texts[headers.TYPE],
        source=texts[headers.SOURCE],
        subject=texts[headers.SUBJECT],
        sequence=int(texts[headers.SEQUENCE] or 0),
        time=texts[headers.TIME],
        causation=texts[headers.CAUSATION],
        correlation=texts[headers.CORRELATION],
        expires=texts[headers.EXPIRY],
        traceparent=texts[headers.TRACEPARENT],
        data=data,
    )


def _checked_texts(attributes: Mapping[str, object]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name in (*headers.REQUIRED, *headers.OPTIONAL):
        try:
            text = headers.text(attributes, name)
        except ValueError:
            raise MessageRejected("ATTRIBUTES", name) from None
        if not text.isprintable():
            raise MessageRejected("ATTRIBUTES", name)
        if len(text) > HEADER_CHARACTERS_MAX or (name in headers.REQUIRED and not text):
            raise MessageRejected("ATTRIBUTES", name)
        texts[name] = text
    for name, is_well_formed in _FORMATS.items():
        if texts[name] and not is_well_formed(texts[name]):
            raise MessageRejected("ATTRIBUTES", name)
    return texts


def _is_time(text: str) -> bool:
    try:
        times.parse_time(text)
    except ValueError:
        return False
    return True


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    headers.TIME: _is_time,
    headers.EXPIRY: _is_time,
    headers.SPECVERSION: lambda text: text == "1.0",
    headers.SEQUENCE: lambda text: text.isascii() and text.isdecimal() and len(text) <= 18,
}


def parse(inbound: InboundEvent, kind: type[Message], keys: KeyRing) -> Message:
    """The body as a message: parsed, normalised, validated by its rules, the fields sealed for this service opened.

    Raises:
        MessageRejected: BODY, INVALID (paths and rules) or SEALED_FIELD_UNREADABLE.
    """
    try:
        message = protojson.loads(inbound.data, kind)
    except protojson.Unreadable:
        raise MessageRejected("BODY", "no proto-JSON of its type") from None
    normalise(message)
    violations = _validator().collect_violations(message)
    if violations:
        detail = "; ".join(_path_and_rule(violation.proto) for violation in violations[:10])
        raise MessageRejected("INVALID", detail)
    try:
        keys.open_fields(message, inbound.binding)
    except OpenError as error:
        raise MessageRejected(error.reason, str(error)) from None
    return message


@cache
def _validator() -> Any:
    return protovalidate.Validator()


def _path_and_rule(violation: Any) -> str:
    path = ".".join(element.field_name for element in violation.field.elements)
    return f"{path} {violation.rule_id}"
