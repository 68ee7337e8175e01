"""Consuming of existing queues: nothing is declared, acks are left to the readers, a closed gate pauses it."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import eventlet
from kombu.message import Message
from nameko.extensions import SharedExtension

from chassis import log
from chassis.backoff import Backoff
from chassis.broker_login import BrokerLogin
from chassis.connector import broker
from chassis.connector.settings import ConnectorSettings

POLL_SECONDS = 0.25
POLLS_PER_HEARTBEAT = 4
CLOSE_LIMIT_SECONDS = 2

_log = log.get(__name__)


class Reader(Protocol):
    """Handles the deliveries of one queue."""

    queue: str

    def receive(self, raw: Message) -> None:
        """Handle a delivery and ack it. Runs in a greenlet of its own; must not raise."""


class QueueConsumer(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """One connection that consumes the queues of all entrypoints.

    nameko's own consumer acks messages that it cannot decode, and closes its connection before the last acks are sent.
    """

    def __init__(self) -> None:
        # Entrypoints may register before `setup` of this one: nameko sets extensions up in no order.
        self._readers: set[Reader] = set()
        self._gates: list[Callable[[], bool]] = []
        super().__init__()

    def setup(self) -> None:
        settings: ConnectorSettings = self.container.config["settings"]
        self._uri = settings.broker_uri
        self._prefetch = settings.prefetch
        self._in_hand = 0
        self._draining = False
        self._started = False
        self.connected = False

    def register(self, reader: Reader) -> None:
        """Consume this reader's queue from `start` on."""
        self._readers.add(reader)

    def gate(self, is_open: Callable[[], bool]) -> None:
        """Consume only while this returns True, so that another replica takes the messages meanwhile."""
        self._gates.append(is_open)

    def start(self) -> None:
        if not self._started:
            self._started = True
            self._thread = self.container.spawn_managed_thread(self._run)

    def drain(self) -> None:
        """Stop consuming, and return when every delivery in hand is handled and acked."""
        self._draining = True
        self._thread.wait()

    def stop(self) -> None:
        self.drain()

    def _run(self) -> None:
        backoff, name = broker.backoff(), f"{self.container.service_name} consumer"
        login = BrokerLogin(self._uri, name)
        while not self._draining:
            try:
                with broker.connected(self._uri, name, login) as connection:
                    self._read(connection, backoff)
            except broker.CONNECTION_ERRORS as error:
                self.connected = False
                _log.warning("consumer lost the broker", error_type=type(error).__name__)
                eventlet.sleep(backoff.next())
            finally:
                self.connected = False
        while self._in_hand:
            eventlet.sleep(0.02)

    def _read(self, connection: Any, backoff: Backoff) -> None:
        """Consume until the drain is over: no new deliveries, and none in hand."""
        channel = connection.channel()
        channel.basic_qos(0, self._prefetch, False)
        consumers = [
            broker.queue_consumer(channel, reader.queue, partial(self._on_message, reader))
            for reader in self._readers
        ]
        consuming, polls = False, 0
        self.connected = True
        backoff.opened()
        # It ends with cancelled consumers: what comes after that is another process's.
        while consuming or self._in_hand or not self._draining:
            is_open = not self._draining and all(gate() for gate in self._gates)
            if is_open != consuming:
                for consumer in consumers:
                    (consumer.consume if is_open else consumer.cancel)()
                consuming = is_open
            try:
                connection.drain_events(timeout=0.02 if self._draining else POLL_SECONDS)
            except TimeoutError:
                polls += 1
            if polls % POLLS_PER_HEARTBEAT == 0:
                connection.heartbeat_check()
        # The answer shows that the broker has taken the last acks; a socket that is just closed may lose them.
        with eventlet.Timeout(CLOSE_LIMIT_SECONDS, TimeoutError("no answer from the broker")):
            channel.close()

    def _on_message(self, reader: Reader, raw: Message) -> None:
        self._in_hand += 1
        # Not `spawn_worker`: with a full pool it would block this loop, and with it the heartbeats.
        self.container.spawn_managed_thread(partial(self._receive, reader, raw))

    def _receive(self, reader: Reader, raw: Message) -> None:
        try:
            reader.receive(raw)
        finally:
            self._in_hand -= 1


def ack(raw: Message) -> None:
    """Ack a delivery; after a lost connection the broker delivers it again, as a known one."""
    _settle(raw, raw.ack)


def requeue(raw: Message) -> None:
    """Return a delivery to its queue; the broker's delivery limit bounds the repetitions."""
    _settle(raw, raw.requeue)


def _settle(raw: Message, send: Callable[[], None]) -> None:
    if raw.channel is None or raw.channel.connection is None:
        return
    try:
        send()
    except broker.CONNECTION_ERRORS as error:
        _log.warning("an ack was lost with the broker", error_type=type(error).__name__)
