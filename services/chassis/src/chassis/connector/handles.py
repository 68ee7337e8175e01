"""The one entrypoint of all connectors: from a queue to a method, its outcome to the broker, and then the ack."""

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
from chassis.connector.delivery import Delivery, Envelope, envelope, open_delivery
from chassis.connector.memory import Memory
from chassis.connector.outcomes import Outcome, Park, Retry
from chassis.connector.publisher import PublisherExtension, Unroutable
from chassis.connector.settings import ConnectorSettings
from chassis.key_ring import KeyRing
from chassis.messaging import headers, inbound
from chassis.messaging.names import parked_queue, retry_queue

UNROUTABLE_PAUSE_SECONDS: Final = 5

_log = log.get(__name__)

Handler = Callable[[Delivery[Any]], Outcome]


def handles(queue: str, kind: type[Message]) -> Callable[[Callable[..., Outcome]], Callable[..., Any]]:
    """Let a method work on the deliveries of a queue, whose messages are of this kind.

    The method gets a `Delivery` and returns an `Outcome`. What it raises counts as a try that came to nothing.
    """

    def register(method: Callable[..., Outcome]) -> Callable[..., Any]:
        @wraps(method)
        def work(service: object, process: Callable[[Handler], None]) -> None:
            process(partial(method, service))

        register_entrypoint(work, Handles(queue, kind))
        return work

    return register


class Handles(Entrypoint):  # type: ignore[misc]  # nameko has no types
    """Reads one queue. See `handles`."""

    consumer = QueueConsumer()
    publisher = PublisherExtension()

    def __init__(self, queue: str, kind: type[Message], **options: Any) -> None:
        self.queue = queue
        self.kind = kind
        super().__init__(**options)

    def setup(self) -> None:
        self._settings: ConnectorSettings = self.container.config["settings"]
        self._keys: KeyRing = self.container.config["keys"]
        self._memory = Memory()
        shown = telemetry.current()
        self._outcomes = shown.counter(
            "diwan_connector_deliveries_total",
            "Deliveries by what came of them",
            ("queue", "outcome", "reason"),
        )
        self._seconds = shown.histogram(
            "diwan_connector_delivery_seconds", "From delivery to published outcome", ("queue",)
        )
        self.consumer.register(self)

    def stop(self) -> None:
        self.consumer.drain()

    def receive(self, raw: RawMessage) -> None:
        """Hand a delivery to a worker and return when it is acked, or given back."""
        read = envelope(self.queue, raw)
        had = self._memory.had(read.key) if read.message_id else None
        if had is not None:
            (ack if had.wait() else requeue)(raw)
            return
        self._memory.begin(read.key)
        done = eventlet.event.Event()
        try:
            self.container.spawn_worker(
                self,
                (partial(self._process, read),),
                {},
                handle_result=partial(self._finish, raw, read, done),
            )
        except ContainerBeingKilled:
            self._memory.forget(read.key)
            requeue(raw)
            return
        done.wait()

    def _finish(
        self,
        raw: RawMessage,
        read: Envelope,
        done: Any,
        _context: Any,
        result: Any = None,
        exc_info: Any = None,
    ) -> tuple[Any, Any]:
        """Runs in the worker, after it; must not raise."""
        if exc_info is None:
            self._memory.settled(read.key)
            ack(raw)
        else:
            self._memory.forget(read.key)
            requeue(raw)
        done.send(None)
        return result, exc_info

    def _process(self, read: Envelope, handler: Handler) -> None:
        traceparent = str(read.attributes.get(headers.TRACEPARENT, ""))
        with (
            self._seconds.labels(self.queue).time(),
            telemetry.following(
                f"process {self.queue}",
                traceparent,
                late=read.attempt > 0,
                kind=SpanKind.CONSUMER,
                attributes={
                    "messaging.system": "rabbitmq",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": self.queue,
                    "messaging.message.id": read.message_id,
                    "diwan.attempt": read.attempt,
                },
            ) as made,
        ):
            outcome = self._outcome(read, handler)
            made.set_attribute("diwan.outcome", type(outcome).__name__.lower())
            if isinstance(outcome, Retry | Park):
                telemetry.failed(made, outcome.reason)
            self._settle(read, outcome)

    def _outcome(self, read: Envelope, handler: Handler) -> Outcome:
        try:
            delivery = open_delivery(read, self.kind, self._keys, uncertain=read.redelivered)
        except inbound.MessageRejected as refused:
            _log.warning("message refused", queue=self.queue, reason=refused.reason, detail=refused.detail)
            return Park(refused.reason)
        with log.correlated(delivery.inbound.correlation):
            try:
                return handler(delivery)
            except Exception as error:  # noqa: BLE001 -- whatever a handler raises is a try that came to nothing
                _log.exception("handler failed", queue=self.queue)
                # What earlier tries left is as true as before: a charge perhaps made, parts already sent.
                return Retry(type(error).__name__, progress=delivery.progress)

    def _settle(self, read: Envelope, outcome: Outcome) -> None:
        """Publish what came of it, and return when the broker has it."""
        name = type(outcome).__name__.lower()
        reason = outcome.reason if isinstance(outcome, Retry | Park) else ""
        try:
            if isinstance(outcome, Retry):
                name = self._try_again(read, outcome)
            elif isinstance(outcome, Park):
                self.publisher.send(read.copy(parked_queue(self.queue), reason=reason))
            else:
                self.publisher.publish(outcome.events)
        except Unroutable:
            # The broker's table lacks a queue. Given back, the delivery limit ends it; meanwhile do not spin.
            eventlet.sleep(UNROUTABLE_PAUSE_SECONDS)
            raise
        self._outcomes.labels(self.queue, name, reason).inc()

    def _try_again(self, read: Envelope, retry: Retry) -> str:
        """Put a copy aside, or park it after the last try; the name of what was done."""
        tries = read.attempt + 1
        last = tries > self._settings.retry_steps
        key = parked_queue(self.queue) if last else retry_queue(self.queue, tries)
        _log.warning(
            "try failed", queue=self.queue, message_id=read.message_id, attempt=tries, reason=retry.reason
        )
        if last:
            self.publisher.publish(retry.giving_up)
        self.publisher.send(read.copy(key, attempt=tries, progress=retry.progress, reason=retry.reason))
        return "parked" if last else "retry"
