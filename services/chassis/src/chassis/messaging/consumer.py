"""The consumer: hands what lies in a service's queues to its policies, and acknowledges what is done or kept.

A message that fails waits in the inbox, where it holds up no other. Only when the store itself is away do
messages stay in the broker: then nothing is taken until the store answers.
"""

import asyncio
import random
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pika.channel import Channel

from chassis import log, telemetry, times
from chassis.backoff import Backoff
from chassis.components import Background, within
from chassis.messaging import headers
from chassis.messaging.connection import BrokerLost, Connection, reconnecting
from chassis.messaging.inbound import MessageRejected
from chassis.messaging.message_processor import MessageProcessor
from chassis.messaging.policies import Policies
from chassis.messaging.received_message import ReceivedMessage
from chassis.store import Database, StoreError, StoreUnavailable

DELIVERY_COUNT = "x-delivery-count"
_FIRST_PING_SECONDS = 0.1
_FAULTS_MAX = 3
_FAULT_PAUSE_SECONDS = 0.5
_log = log.get(__name__)


@dataclass(frozen=True, kw_only=True)
class ConsumerLimits:
    """Bounds of the consumer.

    Attributes:
        concurrency: messages of one queue in hand at once, which is also its prefetch.
        deliveries: how often a message may come without being done or kept before it is parked: it may be
        what
            kills the process.
        ping_seconds: longest pause between two questions whether the store is back.
    """

    concurrency: int = 64
    deliveries: int = 20
    ping_seconds: float = 5.0


class Consumer(Background):
    """Consumes the queues that a service has policies for."""

    def __init__(
        self,
        database: Database,
        uri: str,
        service: str,
        policies: Policies,
        processor: MessageProcessor,
        *,
        limits: ConsumerLimits | None = None,
    ) -> None:
        """Prepare; nothing is consumed before `start`.

        Args:
            database: the service's; asked only whether it is there.
            uri: AMQP URI with the service's own user.
            service: its name.
            policies: its table, which says which queues.
            processor: runs one message through its policies.
            limits: bounds.
        """
        super().__init__("policies")
        self._database = database
        self._uri = uri
        self._service = service
        self._queues = policies.queues
        self._processor = processor
        self._limits = limits or ConsumerLimits()
        self._away = asyncio.Event()
        self._readers: list[_Reader] = []
        metrics = telemetry.current()
        self.age = metrics.gauge("diwan_queue_age_seconds", "Age of the event last taken", ("queue",))
        self.ready = False

    async def run(self) -> None:
        """Consume, connecting again for as long as it takes."""
        if not self._queues:
            self.ready = True
            await self.stopping.wait()
            return
        async with aclosing(reconnecting(self._uri, f"{self._service} policies", self.stopping)) as opened:
            async for connection in opened:
                try:
                    await self._consume(connection)
                except BrokerLost as error:
                    _log.warning("consumer lost the broker", error_type=str(error))
                finally:
                    self.ready = False
                    self._readers = []

    async def stop(self) -> None:
        """Take nothing more, and end when what is in hand is done or kept."""
        self.stopping.set()
        self._away.set()
        await super().stop()

    async def check(self) -> bool:
        """Whether it consumes."""
        return self.ready

    async def _consume(self, connection: Connection) -> None:
        """Over one connection, until it is lost or we stop."""
        self._away.clear()
        self._readers = [_Reader(self, queue, connection, self._limits) for queue in self._queues]
        try:
            for reader in self._readers:
                await reader.open()
            while not self.stopping.is_set():
                await self._wait_for_store(connection)
                for reader in self._readers:
                    reader.begin()
                self.ready = True
                await connection.wait(asyncio.ensure_future(self._away.wait()))
                self.ready = False
                for reader in self._readers:
                    await reader.end()
                self._away.clear()
        finally:
            for reader in self._readers:
                await reader.drop()

    async def _wait_for_store(self, connection: Connection) -> None:
        backoff = Backoff(_FIRST_PING_SECONDS, self._limits.ping_seconds)
        while not self.stopping.is_set():
            try:
                await self._database.ping()
            except StoreError:
                pause = backoff.next()
                _log.warning("store is away, nothing is consumed", pause_seconds=round(pause, 2))
                await connection.wait(asyncio.ensure_future(asyncio.sleep(pause)))
            else:
                return

    def store_away(self) -> None:
        """Somebody found the store away: stop taking messages, at once."""
        if not self._away.is_set():
            self._away.set()
            for reader in self._readers:
                reader.pause()

    async def take(self, received: ReceivedMessage, deliveries: int) -> None:
        """Do one message, or keep it; StoreUnavailable if neither was possible."""
        if deliveries >= self._limits.deliveries:
            await self._processor.refuse(received, MessageRejected("DELIVERED_TOO_OFTEN"))
        else:
            await self._processor.process(received)

    async def fault(self, received: ReceivedMessage, deliveries: int, error: Exception) -> bool:
        """What to do with a message that could be neither done nor kept, though the store is there.

        It alone waits, longer each time; after a few times it is kept without its headers, in which the fault may lie.
        Whether it is kept now; StoreUnavailable if the store went meanwhile.
        """
        _log.error("message could be neither handled nor kept", queue=received.queue, exc_info=error)
        if deliveries >= _FAULTS_MAX:
            try:
                await self._processor.keep_bare(received, error)
            except StoreUnavailable:
                raise
            except Exception as worse:  # noqa: BLE001 -- then it stays in the broker, and is asked for seldom
                _log.error("message could not be kept bare either", queue=received.queue, exc_info=worse)
            else:
                return True
        pause = min(_FAULT_PAUSE_SECONDS * 2.0 ** min(deliveries, 10), 60.0)
        # Jitter is no secret. Whoever stops, or finds the store away, does not wait for this.
        await within(self._away, pause * random.uniform(0.75, 1.25))  # noqa: S311
        return False


class _Reader:
    """One queue on one channel."""

    def __init__(
        self, consumer: Consumer, queue: str, connection: Connection, limits: ConsumerLimits
    ) -> None:
        self._consumer = consumer
        self._queue = queue
        self._connection = connection
        self._limits = limits
        self._channel: Channel | None = None
        self._tag = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._channel = channel = await self._connection.channel()
        channel.add_on_close_callback(lambda _, error: self._connection.fail(type(error).__name__))
        # The broker cancels when the queue goes or moves to another node.
        channel.add_on_cancel_callback(lambda _: self._connection.fail("consumer cancelled"))
        bounded: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        channel.basic_qos(prefetch_count=self._limits.concurrency, callback=bounded.set_result)
        await self._connection.wait(bounded)

    def begin(self) -> None:
        assert self._channel is not None
        self._tag = self._channel.basic_consume(self._queue, self._on_message)

    def pause(self) -> None:
        """Take nothing more; said before anything is given back, so that it does not come back to us."""
        if self._tag and self._channel is not None and self._channel.is_open:
            self._channel.basic_cancel(self._tag)
        self._tag = ""

    async def end(self) -> None:
        """Take nothing more, and wait for what is in hand; BrokerLost if the connection goes meanwhile."""
        self.pause()
        if self._tasks:
            await self._connection.wait(asyncio.ensure_future(asyncio.wait(set(self._tasks))))

    async def drop(self) -> None:
        """Give up what is in hand: it will be delivered again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_message(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if not self._tag:
            self._give_back(method.delivery_tag)
            return
        task = asyncio.create_task(self._take(method, properties, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, method: Any, properties: Any, body: bytes) -> None:
        attributes = properties.headers or {}
        self._measure(attributes)
        received = ReceivedMessage(
            queue=self._queue,
            exchange=method.exchange,
            user=properties.user_id,
            attributes=attributes,
            body=body,
        )
        told = attributes.get(DELIVERY_COUNT, 0)
        try:
            settled = await self._settle(received, told if isinstance(told, int) else 0)
        except StoreUnavailable:
            self._consumer.store_away()
            settled = False
        if not settled:
            self._give_back(method.delivery_tag)
        elif self._channel is not None and self._channel.is_open:
            self._channel.basic_ack(method.delivery_tag)

    async def _settle(self, received: ReceivedMessage, count: int) -> bool:
        """Whether it is done or kept; StoreUnavailable if nobody can say."""
        try:
            await self._consumer.take(received, count)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- a fault of ours, which must neither spin nor stop the others
            return await self._consumer.fault(received, count, error)
        return True

    def _give_back(self, tag: int) -> None:
        if self._channel is not None and self._channel.is_open:
            self._channel.basic_nack(tag, requeue=True)

    def _measure(self, attributes: Any) -> None:
        try:
            happened = times.parse_time(headers.text(attributes, headers.TIME))
        except ValueError:
            return
        self._consumer.age.labels(self._queue).set(max(0.0, (datetime.now(UTC) - happened).total_seconds()))
