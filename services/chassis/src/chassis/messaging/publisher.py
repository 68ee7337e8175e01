"""Publishing on one channel with publisher confirms: outstanding events and their outcomes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pika
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from pika.channel import Channel

from chassis import telemetry
from chassis.messaging import headers
from chassis.messaging.connection import Connection
from chassis.messaging.outbox_queues import AggregateQueue
from chassis.store.envelope import OutboxEntry


class PublishOutcome(StrEnum):
    """The outcome of publishing one event."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNROUTABLE = "unroutable"
    EXPIRED = "expired"


@dataclass(eq=False)
class _Flight:
    queue: AggregateQueue
    entry: OutboxEntry
    span: Span
    returned: bool = False


Settled = Callable[[AggregateQueue, OutboxEntry, PublishOutcome], None]


class Publisher:
    """Publishes on one channel and calls `settled` with the outcome of each event, once."""

    def __init__(self, connection: Connection, channel: Channel, service: str, settled: Settled) -> None:
        self._connection = connection
        self._channel = channel
        self._service = service
        self._settled = settled
        self._flights: dict[int, _Flight] = {}  # by delivery tag, in ascending order
        self._tag = 0

    @property
    def outstanding(self) -> int:
        """The number of events without a confirm yet."""
        return len(self._flights)

    async def start(self) -> None:
        """Enable publisher confirms; BrokerLost if the connection is lost meanwhile."""
        selected: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._channel.add_on_return_callback(self._on_return)
        self._channel.add_on_close_callback(lambda _, error: self._connection.fail(type(error).__name__))
        self._channel.confirm_delivery(self._on_confirm, callback=selected.set_result)
        await self._connection.wait(selected)

    def publish(self, queue: AggregateQueue, entry: OutboxEntry) -> None:
        """Send one event; its span ends with the broker's confirm."""
        span = telemetry.current().tracer.start_span(
            f"send {entry.exchange}",
            context=telemetry.parent(entry.traceparent),
            kind=SpanKind.PRODUCER,
            attributes=_attributes(entry),
        )
        with trace.use_span(span, end_on_exit=False):
            properties = properties_of(entry, self._service, telemetry.traceparent())
        self._tag += 1
        self._flights[self._tag] = _Flight(queue, entry, span)
        if self._channel.is_open:  # otherwise `abandon` returns it when the connection is lost
            self._channel.basic_publish(
                entry.exchange, entry.key, entry.data.encode(), properties, mandatory=entry.mandatory
            )

    def abandon(self) -> list[tuple[AggregateQueue, OutboxEntry]]:
        """Forget all events without a confirm and return them; the broker may or may not have them."""
        flights, self._flights = list(self._flights.values()), {}
        for flight in flights:
            telemetry.failed(flight.span, "BROKER_LOST")
            flight.span.end()
        return [(flight.queue, flight.entry) for flight in flights]

    def _on_return(self, _channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        """Mark an unroutable event as returned; the broker sends its confirm right after."""
        for flight in self._flights.values():
            if flight.entry.id == properties.message_id:
                flight.returned = True

    def _on_confirm(self, frame: Any) -> None:
        confirm = frame.method
        acknowledged = isinstance(confirm, pika.spec.Basic.Ack)
        tags = [confirm.delivery_tag]
        if confirm.multiple:
            tags = [tag for tag in self._flights if tag <= confirm.delivery_tag]
        for tag in tags:
            flight = self._flights.pop(tag, None)
            if flight is not None:
                self._settle(flight, acknowledged=acknowledged)

    def _settle(self, flight: _Flight, *, acknowledged: bool) -> None:
        confirmed = PublishOutcome.CONFIRMED if acknowledged else PublishOutcome.REFUSED
        outcome = PublishOutcome.UNROUTABLE if flight.returned else confirmed
        if outcome is not PublishOutcome.CONFIRMED:
            telemetry.failed(flight.span, outcome.name)
        flight.span.end()
        self._settled(flight.queue, flight.entry, outcome)


def properties_of(entry: OutboxEntry, service: str, traceparent: str) -> pika.BasicProperties:
    """Properties and headers of an event that `service` publishes within the span `traceparent` (W3C)."""
    return pika.BasicProperties(
        message_id=entry.id,
        user_id=service,
        content_type=headers.CONTENT_TYPE,
        delivery_mode=headers.PERSISTENT,
        headers=headers.write(
            event_id=entry.id,
            publisher=service,
            kind=entry.type,
            time=entry.time,
            subject=entry.subject,
            sequence=entry.sequence,
            causation=entry.causation,
            correlation=entry.correlation,
            expires=entry.expires,
            traceparent=traceparent,
        ),
    )


def _attributes(entry: OutboxEntry) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": entry.exchange,
        "messaging.rabbitmq.destination.routing_key": entry.key,
        "messaging.message.id": entry.id,
        "messaging.message.body.size": len(entry.data),
        "cloudevents.event_type": entry.type,
    }
    if entry.correlation:
        attributes["diwan.request_number"] = entry.correlation
    return attributes
