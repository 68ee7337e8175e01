"""Publishing with confirms: one greenlet owns one channel, sends what waits and awaits the confirms together."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import eventlet
from amqp.basic_message import Message as AmqpMessage
from eventlet.event import Event as Signal
from nameko.extensions import SharedExtension
from opentelemetry.trace import SpanKind

from chassis import log, telemetry
from chassis.backoff import Backoff
from chassis.connector import broker
from chassis.connector.events import OutboundEvent, OutboundMessage, outbound
from chassis.connector.settings import ConnectorSettings
from chassis.messaging import headers

BATCH_MAX = 200
WAITING_MAX = 10_000
CONFIRM_LIMIT_SECONDS = 15
NACK_PAUSE_SECONDS = 0.5
IDLE_SECONDS = 1.0

_log = log.get(__name__)


class Unroutable(Exception):
    """Nobody takes a message that somebody must take: the broker's table is not what we think."""


class Stopped(Exception):
    """The connector leaves and publishes no more."""


@dataclass
class _Waiting:
    out: OutboundMessage
    done: Signal = field(default_factory=Signal)

    def settle(self, error: Exception | None = None) -> None:
        if self.done.ready():
            return
        if error is None:
            self.done.send(None)
        else:
            self.done.send_exception(error)


class PublisherExtension(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """The connector's only way to the broker. What `publish` and `send` return from has been confirmed."""

    def setup(self) -> None:
        settings: ConnectorSettings = self.container.config["settings"]
        self._uri = settings.broker_uri
        self._user = str(self.container.service_name)
        self._waiting: deque[_Waiting] = deque()
        self._sent: dict[int, _Waiting] = {}
        self._wake = Signal()
        self._stopping = False
        self._started = False
        self.connected = False
        self._published = telemetry.current().counter(
            "diwan_connector_published_total", "Messages confirmed by the broker", ("exchange", "key")
        )

    def start(self) -> None:
        if not self._started:
            self._started = True
            self._thread = self.container.spawn_managed_thread(self._run)

    def publish(self, events: Sequence[OutboundEvent]) -> None:
        """Publish events of this connector and wait for their confirms, through any loss of the broker."""
        sending = []
        for event in events:
            with telemetry.span(f"publish {event.type}", kind=SpanKind.PRODUCER) as made:
                out = outbound(event, self._user)
                made.set_attributes(
                    {
                        "messaging.system": "rabbitmq",
                        "messaging.operation.type": "send",
                        "messaging.destination.name": out.exchange,
                        "messaging.rabbitmq.destination.routing_key": out.key,
                        "messaging.message.id": out.message_id,
                    }
                )
                sending.append(out)
        self.send(*sending)

    def send(self, *outs: OutboundMessage) -> None:
        """Send and wait for the confirms; Unroutable, or Stopped when the connector leaves meanwhile."""
        waiting = [_Waiting(out) for out in outs]
        for each in waiting:
            while len(self._waiting) >= WAITING_MAX and not self._stopping:
                eventlet.sleep(0.05)
            if self._stopping:
                raise Stopped
            self._waiting.append(each)
        self._awake()
        for each in waiting:
            each.done.wait()

    def stop(self) -> None:
        """Send what waits; what does not go out in the grace period is published after the next start."""
        while self._waiting or self._sent:
            eventlet.sleep(0.02)
        self._stopping = True
        self._awake()
        self._thread.wait()

    def _awake(self) -> None:
        if not self._wake.ready():
            self._wake.send(None)

    def _run(self) -> None:
        backoff = broker.backoff()
        while not self._stopping:
            try:
                with broker.connected(self._uri, f"{self._user} publisher") as connection:
                    self._serve(connection, backoff)
            except broker.LOST as error:
                _log.warning("publisher lost the broker", error_type=type(error).__name__)
                eventlet.sleep(backoff.next())
            finally:
                self.connected = False
                # Whatever was not confirmed goes again: readers handle an event once, by its id.
                self._waiting.extendleft(reversed(self._sent.values()))
                self._sent.clear()

    def _serve(self, connection: Any, backoff: Backoff) -> None:
        channel = connection.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        self.connected, tag = True, 0
        while not self._stopping:
            if not self._waiting:
                self._idle(connection)
                continue
            for _ in range(min(BATCH_MAX, len(self._waiting))):
                each = self._waiting.popleft()
                tag += 1
                self._sent[tag] = each
                self._basic_publish(channel, each.out)
            with eventlet.Timeout(CONFIRM_LIMIT_SECONDS, TimeoutError("no confirm from the broker")):
                while self._sent:
                    connection.drain_events(timeout=CONFIRM_LIMIT_SECONDS)
            backoff.reset()

    def _idle(self, connection: Any) -> None:
        self._wake = Signal()
        if self._waiting:
            return
        with eventlet.Timeout(IDLE_SECONDS, False):
            self._wake.wait()
        if self._waiting:
            return
        connection.heartbeat_check()
        try:
            # Takes in heartbeats, and notices when the broker has gone.
            connection.drain_events(timeout=0.001)
        except TimeoutError:
            return

    def _basic_publish(self, channel: Any, out: OutboundMessage) -> None:
        message = AmqpMessage(
            out.body,
            content_type=headers.CONTENT_TYPE,
            delivery_mode=headers.PERSISTENT,
            message_id=out.message_id,
            user_id=self._user,
            application_headers=dict(out.attributes),
        )
        channel.basic_publish(message, out.exchange, out.key, mandatory=out.mandatory)

    def _answered(self, tag: int, multiple: bool) -> list[_Waiting]:
        tags = [sent for sent in self._sent if sent <= tag] if multiple else [tag]
        return [self._sent.pop(each) for each in tags if each in self._sent]

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for each in self._answered(tag, multiple):
            if not each.done.ready():
                self._published.labels(each.out.exchange, each.out.key).inc()
            each.settle()

    def _on_nack(self, tag: int, multiple: bool) -> None:
        # A full queue, or one without a leader: later.
        refused = self._answered(tag, multiple)
        eventlet.spawn_after(NACK_PAUSE_SECONDS, self._again, refused)

    def _again(self, refused: list[_Waiting]) -> None:
        _log.warning("broker refused messages for now", count=len(refused))
        self._waiting.extend(refused)
        self._awake()

    def _on_return(self, _error: Exception, _exchange: str, key: str, message: Any) -> None:
        """A return comes before its confirm: the first one sent that fits is the one."""
        returned = message.properties.get("message_id")
        fits = (
            each for each in self._sent.values() if (each.out.message_id, each.out.key) == (returned, key)
        )
        for each in islice(fits, 1):
            _log.error("broker has no queue for a message", key=key)
            each.settle(Unroutable(key))
