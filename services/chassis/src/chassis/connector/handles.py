"""The entrypoint of connectors: a queue's delivery to a method, its outcome to the broker, then the ack."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final

import eventlet
from google.protobuf.message import Message
from kombu.message import Message as RawMessage
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import Entrypoint, register_entrypoint
from opentelemetry.trace import SpanKind

from chassis import log, telemetry
from chassis.connector.consumer import QueueConsumer, ack, requeue
from chassis.connector.delivery import Delivery, Envelope, open_delivery, read_envelope
from chassis.connector.outcomes import Outcome, Park, Retry
from chassis.connector.publisher import PublisherExtension, Unroutable
from chassis.connector.recent_deliveries import RecentDeliveries
from chassis.connector.settings import ConnectorSettings
from chassis.key_ring import KeyRing
from chassis.messaging import headers, inbound
from chassis.messaging.names import parked_queue, retry_queue

UNROUTABLE_PAUSE_SECONDS: Final = 5

_log = log.get(__name__)

Handler = Callable[[Delivery[Any]], Outcome]


def handles(queue: str, kind: type[Message]) -> Callable[[Callable[..., Outcome]], Callable[..., Any]]:
    """Register a method for the deliveries of a queue, whose messages are of this kind.

    The method takes a `Delivery` and returns an `Outcome`. An exception counts as a failed attempt.
    """

    def register(method: Callable[..., Outcome]) -> Callable[..., Any]:
        @wraps(method)
        def work(service: object, process: Callable[[Handler], None]) -> None:
            process(partial(method, service))

        register_entrypoint(work, Handles(queue, kind))
        return work

    return register


class Handles(Entrypoint):  # type: ignore[misc]  # nameko has no types
    """Consumes one queue. See `handles`."""

    consumer = QueueConsumer()
    publisher = PublisherExtension()

    def __init__(self, queue: str, kind: type[Message], **options: Any) -> None:
        self.queue = queue
        self.kind = kind
        super().__init__(**options)

    def setup(self) -> None:
        self._settings: ConnectorSettings = self.container.config["settings"]
        self._keys: KeyRing = self.container.config["keys"]
        self._recent = RecentDeliveries()
        metrics = telemetry.current()
        self._outcomes = metrics.counter(
            "diwan_connector_deliveries_total", "Deliveries by outcome", ("queue", "outcome", "reason")
        )
        self._seconds = metrics.histogram(
            "diwan_connector_delivery_seconds", "From delivery to published outcome", ("queue",)
        )
        self.consumer.register(self)

    def stop(self) -> None:
        self.consumer.drain()

    def receive(self, raw: RawMessage) -> None:
        """Pass a delivery to a worker and return when it is acked or requeued."""
        envelope = read_envelope(self.queue, raw)
        published = self._recent.find(envelope.key) if envelope.message_id else None
        if published is not None:
            (ack if published.wait() else requeue)(raw)
            return
        self._recent.begin(envelope.key)
        done = eventlet.event.Event()
        try:
            self.container.spawn_worker(
                self,
                (partial(self._process, envelope),),
                {},
                handle_result=partial(self._finish, raw, envelope, done),
            )
        except ContainerBeingKilled:
            self._recent.forget(envelope.key)
            requeue(raw)
            return
        done.wait()

    def _finish(
        self,
        raw: RawMessage,
        envelope: Envelope,
        done: Any,
        _context: Any,
        result: Any = None,
        exc_info: Any = None,
    ) -> tuple[Any, Any]:
        """Settle the delivery with the broker. Runs in the worker, after the method; must not raise."""
        if exc_info is None:
            self._recent.complete(envelope.key)
            ack(raw)
        else:
            self._recent.forget(envelope.key)
            requeue(raw)
        done.send(None)
        return result, exc_info

    def _process(self, envelope: Envelope, handler: Handler) -> None:
        traceparent = str(envelope.attributes.get(headers.TRACEPARENT, ""))
        with (
            self._seconds.labels(self.queue).time(),
            telemetry.continue_trace(
                f"process {self.queue}",
                traceparent,
                late=envelope.attempt > 0,
                kind=SpanKind.CONSUMER,
                attributes={
                    "messaging.system": "rabbitmq",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": self.queue,
                    "messaging.message.id": envelope.message_id,
                    "diwan.attempt": envelope.attempt,
                },
            ) as span,
        ):
            outcome = self._outcome(envelope, handler)
            span.set_attribute("diwan.outcome", type(outcome).__name__.lower())
            if isinstance(outcome, Retry | Park):
                telemetry.failed(span, outcome.reason)
            self._publish(envelope, outcome)

    def _outcome(self, envelope: Envelope, handler: Handler) -> Outcome:
        try:
            delivery = open_delivery(envelope, self.kind, self._keys, uncertain=envelope.redelivered)
        except inbound.MessageRejected as rejected:
            _log.warning("message rejected", queue=self.queue, reason=rejected.reason, detail=rejected.detail)
            return Park(rejected.reason)
        with log.correlated(delivery.inbound.correlation):
            try:
                return handler(delivery)
            except Exception as error:  # noqa: BLE001 -- any exception of a handler is a failed attempt
                _log.exception("handler failed", queue=self.queue)
                # Progress of earlier attempts stays valid: a charge perhaps made, parts already sent.
                return Retry(type(error).__name__, progress=delivery.progress)

    def _publish(self, envelope: Envelope, outcome: Outcome) -> None:
        """Publish the outcome's events or a copy of the delivery, and return when the broker has confirmed."""
        name = type(outcome).__name__.lower()
        reason = outcome.reason if isinstance(outcome, Retry | Park) else ""
        try:
            if isinstance(outcome, Retry):
                name = self._retry_or_park(envelope, outcome)
            elif isinstance(outcome, Park):
                self.publisher.send(envelope.copy(parked_queue(self.queue), reason=reason))
            else:
                self.publisher.publish(outcome.events)
        except Unroutable:
            # A queue is missing in the broker's topology. The delivery is requeued, bounded by its delivery limit; the
            # pause keeps it from spinning.
            eventlet.sleep(UNROUTABLE_PAUSE_SECONDS)
            raise
        self._outcomes.labels(self.queue, name, reason).inc()

    def _retry_or_park(self, envelope: Envelope, retry: Retry) -> str:
        """Send a copy to the next retry queue, or park it after the last attempt; returns "retry" or "parked"."""
        attempts = envelope.attempt + 1
        last = attempts > self._settings.retry_steps
        key = parked_queue(self.queue) if last else retry_queue(self.queue, attempts)
        _log.warning(
            "attempt failed",
            queue=self.queue,
            message_id=envelope.message_id,
            attempt=attempts,
            reason=retry.reason,
        )
        if last:
            self.publisher.publish(retry.giving_up)
        self.publisher.send(
            envelope.copy(key, attempt=attempts, progress=retry.progress, reason=retry.reason)
        )
        return "parked" if last else "retry"
