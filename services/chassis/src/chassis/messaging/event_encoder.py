"""Encoding of a fact's message as an outbox entry: exchange, routing key, id, sealed fields.

The message's proto declares them: exchange, key and secrecy in the option `(diwan.options.v1.event)`, the readers of
its sealed fields in `(diwan.options.v1.sealed_for)`.
"""

from datetime import datetime
from uuid import UUID, uuid5

from diwan.options.v1 import options_pb2
from google.protobuf.message import Message

from chassis import protojson, telemetry, times
from chassis.key_ring import Binding, KeyRing
from chassis.messaging import headers
from chassis.messaging.event_registry import event_option
from chassis.messaging.headers import owner
from chassis.store.envelope import EventContext, OutboxEntry

COMMANDS = ".commands"
EXPIRE_FIELD = "expire_time"


class NotAnEvent(TypeError):
    """The message's proto declares no exchange and key, or those of another service."""


class EventEncoder:
    """Creates the outbox entries of one service; the `encode_event` of `Database.open`."""

    def __init__(self, service: str, keys: KeyRing) -> None:
        self._service = service
        self._source = headers.source_of(service)
        self._keys = keys

    def __call__(self, message: Message, context: EventContext) -> OutboxEntry:
        """The entry of one message.

        The id follows from the cause, the subject and the sequence: a command that is decided again creates the same
        event.

        Raises:
            NotAnEvent: a fault of the program.
            SealError: a fault of the installation.
        """
        event = _event(message, self._service)
        kind = message.DESCRIPTOR.full_name
        event_id = str(uuid5(UUID(context.cause.id), f"{context.subject}/{context.sequence}"))
        sealed = type(message)()
        sealed.CopyFrom(message)
        self._keys.seal_fields(sealed, Binding(event_id, kind, self._source))
        return OutboxEntry(
            id=event_id,
            type=kind,
            exchange=event.exchange,
            key=event.key,
            subject=context.subject,
            sequence=context.sequence,
            time=context.cause.now,
            causation=context.cause.causation,
            correlation=context.cause.correlation,
            traceparent=telemetry.traceparent(),
            data=protojson.dumps(sealed),
            mandatory=event.exchange.endswith(COMMANDS),
            expires=_expires(message),
        )


def _event(message: Message, service: str) -> options_pb2.Event:
    event = event_option(message)
    if event is None or not event.exchange or not event.key:
        raise NotAnEvent(f"{message.DESCRIPTOR.full_name} declares no exchange and key")
    if owner(event.exchange) != service:
        raise NotAnEvent(
            f"{message.DESCRIPTOR.full_name} is published by {owner(event.exchange)}, not by {service}"
        )
    return event


def _expires(message: Message) -> datetime | None:
    """The message's `expire_time` (RFC 3339 text, or a Timestamp), after which it is not published, or None."""
    field = message.DESCRIPTOR.fields_by_name.get(EXPIRE_FIELD)
    value = getattr(message, EXPIRE_FIELD, None)
    if field is None or not value:
        return None
    if isinstance(value, str):
        return times.parse_time(value)
    return times.to_datetime(value) if value.seconds else None
