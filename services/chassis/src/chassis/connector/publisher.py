"""Publishing with confirms: one greenlet owns one channel, sends pending messages and awaits their confirms."""

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
from chassis.broker_login import BrokerLogin
from chassis.connector import broker
from chassis.connector.events import OutboundEvent, OutboundMessage, outbound
from chassis.connector.settings import ConnectorSettings
from chassis.key_ring import KeyRing
from chassis.messaging import headers

BATCH_MAX = 200
PENDING_MAX = 10_000
CONFIRM_LIMIT_SECONDS = 15
NACK_PAUSE_SECONDS = 0.5
IDLE_SECONDS = 1.0

_log = log.get(__name__)


class Unroutable(Exception):
    """A mandatory message has no queue: the broker's topology differs from the platform table."""


class Stopped(Exception):
    """The connector stops and publishes no more."""


@dataclass
class _Pending:
    message: OutboundMessage
    done: Signal = field(default_factory=Signal)

    def settle(self, error: Exception | None = None) -> None:
        if self.done.ready():
            return
        if error is None:
            self.done.send(None)
        else:
            self.done.send_exception(error)


class PublisherExtension(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """The connector's publisher. `publish` and `send` return when the broker has confirmed."""

    def setup(self) -> None:
        settings: ConnectorSettings = self.container.config["settings"]
        self._uri = settings.broker_uri
        self._user = str(self.container.service_name)
        self._keys: KeyRing = self.container.config["keys"]
        self._pending: deque[_Pending] = deque()
        self._unconfirmed: dict[int, _Pending] = {}
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
        """Publish events of this connector and wait for their confirms, also across a loss of the broker."""
        messages = []
        for event in events:
            with telemetry.span(f"publish {event.type}", kind=SpanKind.PRODUCER) as span:
                message = outbound(event, self._user, self._keys)
                span.set_attributes(
                    {
                        "messaging.system": "rabbitmq",
                        "messaging.operation.type": "send",
                        "messaging.destination.name": message.exchange,
                        "messaging.rabbitmq.destination.routing_key": message.key,
                        "messaging.message.id": message.message_id,
                    }
                )
                messages.append(message)
        self.send(*messages)

    def send(self, *messages: OutboundMessage) -> None:
        """Send messages and wait for their confirms; Unroutable, or Stopped when the connector stops meanwhile."""
        sending = [_Pending(message) for message in messages]
        for each in sending:
            while len(self._pending) >= PENDING_MAX and not self._stopping:
                eventlet.sleep(0.05)
            if self._stopping:
                raise Stopped
            self._pending.append(each)
        self._wake_up()
        for each in sending:
            each.done.wait()

    def stop(self) -> None:
        """Send pending messages; those that miss the grace period are published after the next start."""
        while self._pending or self._unconfirmed:
            eventlet.sleep(0.02)
        self._stopping = True
        self._wake_up()
        self._thread.wait()

    def _wake_up(self) -> None:
        if not self._wake.ready():
            self._wake.send(None)

    def _run(self) -> None:
        backoff, name = broker.backoff(), f"{self._user} publisher"
        login = BrokerLogin(self._uri, name)
        while not self._stopping:
            try:
                with broker.connected(self._uri, name, login) as connection:
                    self._serve(connection, backoff)
            except broker.CONNECTION_ERRORS as error:
                _log.warning("publisher lost the broker", error_type=type(error).__name__)
                eventlet.sleep(backoff.next())
            finally:
                self.connected = False
                # Unconfirmed messages are sent again: readers handle an event once, by its id.
                self._pending.extendleft(reversed(self._unconfirmed.values()))
                self._unconfirmed.clear()

    def _serve(self, connection: Any, backoff: Backoff) -> None:
        channel = connection.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        self.connected, tag = True, 0
        backoff.opened()
        while not self._stopping:
            if not self._pending:
                self._idle(connection)
                continue
            for _ in range(min(BATCH_MAX, len(self._pending))):
                each = self._pending.popleft()
                tag += 1
                self._unconfirmed[tag] = each
                self._basic_publish(channel, each.message)
            with eventlet.Timeout(CONFIRM_LIMIT_SECONDS, TimeoutError("no confirm from the broker")):
                while self._unconfirmed:
                    connection.drain_events(timeout=CONFIRM_LIMIT_SECONDS)

    def _idle(self, connection: Any) -> None:
        self._wake = Signal()
        if self._pending:
            return
        with eventlet.Timeout(IDLE_SECONDS, False):
            self._wake.wait()
        if self._pending:
            return
        connection.heartbeat_check()
        try:
            # Reads heartbeats, and raises when the broker has closed the connection.
            connection.drain_events(timeout=0.001)
        except TimeoutError:
            return

    def _basic_publish(self, channel: Any, message: OutboundMessage) -> None:
        amqp_message = AmqpMessage(
            message.body,
            content_type=headers.CONTENT_TYPE,
            delivery_mode=headers.PERSISTENT,
            message_id=message.message_id,
            user_id=self._user,
            application_headers=dict(message.attributes),
        )
        channel.basic_publish(amqp_message, message.exchange, message.key, mandatory=message.mandatory)

    def _take_settled(self, tag: int, multiple: bool) -> list[_Pending]:
        tags = [each for each in self._unconfirmed if each <= tag] if multiple else [tag]
        return [self._unconfirmed.pop(each) for each in tags if each in self._unconfirmed]

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for each in self._take_settled(tag, multiple):
            if not each.done.ready():
                self._published.labels(each.message.exchange, each.message.key).inc()
            each.settle()

    def _on_nack(self, tag: int, multiple: bool) -> None:
        # A full queue, or one without a leader: later.
        refused = self._take_settled(tag, multiple)
        eventlet.spawn_after(NACK_PAUSE_SECONDS, self._send_again, refused)

    def _send_again(self, refused: list[_Pending]) -> None:
        _log.warning("broker refused messages, sending again", count=len(refused))
        self._pending.extend(refused)
        self._wake_up()

    def _on_return(self, _error: Exception, _exchange: str, key: str, message: Any) -> None:
        """Fail the returned message: the first unconfirmed one of its id and key. Its confirm follows the return."""
        identity = (message.properties.get("message_id"), key)
        matching = (
            each
            for each in self._unconfirmed.values()
            if (each.message.message_id, each.message.key) == identity
        )
        for each in islice(matching, 1):
            _log.error("broker has no queue for a message", key=key)
            each.settle(Unroutable(key))
