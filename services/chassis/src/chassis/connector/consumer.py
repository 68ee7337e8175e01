"""Reading ready-made queues: nothing is declared, nothing is acked here, and reading backoff while a gate is shut."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import eventlet
from kombu.message import Message
from nameko.extensions import SharedExtension

from chassis import log
from chassis.backoff import Backoff
from chassis.connector import broker
from chassis.connector.settings import ConnectorSettings

TURN_SECONDS = 0.25
HEARTBEAT_EVERY_TURNS = 4

_log = log.get(__name__)


class Reader(Protocol):
    """Who takes the deliveries of one queue."""

    queue: str

    def receive(self, raw: Message) -> None:
        """Work on a delivery, and ack it when that is done. Runs in a greenlet of its own; must not raise."""


class QueueConsumer(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """One connection that reads the queues of all entrypoints.

    nameko's own acks what it cannot decode, and closes its connection before the last acks are sent.
    """

    def __init__(self) -> None:
        # Others may register before our own setup: nameko sets extensions up in no order.
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
        """Read this reader's queue from `start` on."""
        self._readers.add(reader)

    def gate(self, is_open: Callable[[], bool]) -> None:
        """Read only while this says True: what cannot be worked on is better left to another replica."""
        self._gates.append(is_open)

    def start(self) -> None:
        if not self._started:
            self._started = True
            self._thread = self.container.spawn_managed_thread(self._run)

    def drain(self) -> None:
        """Read no more, and return when all that was read has been worked on and acked."""
        self._draining = True
        self._thread.wait()

    def stop(self) -> None:
        self.drain()

    def _run(self) -> None:
        backoff = broker.backoff()
        while not self._draining:
            try:
                with broker.connected(self._uri, f"{self.container.service_name} consumer") as connection:
                    self._read(connection, backoff)
            except broker.LOST as error:
                self.connected = False
                _log.warning("consumer lost the broker", error_type=type(error).__name__)
                eventlet.sleep(backoff.next())
            finally:
                self.connected = False
        while self._in_hand:
            eventlet.sleep(0.02)

    def _read(self, connection: Any, backoff: Backoff) -> None:
        """Read until told to drain and nothing is in hand any more."""
        channel = connection.channel()
        channel.basic_qos(0, self._prefetch, False)
        consumers = [
            broker.queue_consumer(channel, reader.queue, partial(self._on_message, reader))
            for reader in self._readers
        ]
        reading, turn = False, 0
        self.connected = True
        backoff.reset()
        while not (self._draining and not self._in_hand):
            wanted = not self._draining and all(is_open() for is_open in self._gates)
            if wanted != reading:
                for consumer in consumers:
                    (consumer.consume if wanted else consumer.cancel)()
                reading = wanted
            try:
                connection.drain_events(timeout=0.02 if self._draining else TURN_SECONDS)
            except TimeoutError:
                turn += 1
            if turn % HEARTBEAT_EVERY_TURNS == 0:
                connection.heartbeat_check()

    def _on_message(self, reader: Reader, raw: Message) -> None:
        self._in_hand += 1
        # Not a worker: with a full pool that would stall the reading, and with it the heartbeats.
        self.container.spawn_managed_thread(partial(self._hand_over, reader, raw))

    def _hand_over(self, reader: Reader, raw: Message) -> None:
        try:
            reader.receive(raw)
        finally:
            self._in_hand -= 1


def ack(raw: Message) -> None:
    """Ack; when the connection has gone meanwhile, the broker delivers again and the message is known."""
    _answer(raw, raw.ack)


def requeue(raw: Message) -> None:
    """Give it back to the broker, whose delivery limit ends it."""
    _answer(raw, raw.requeue)


def _answer(raw: Message, answer: Callable[[], None]) -> None:
    if raw.channel is None or raw.channel.connection is None:
        return
    try:
        answer()
    except broker.LOST as error:
        _log.warning("an ack was lost with the broker", error_type=type(error).__name__)
