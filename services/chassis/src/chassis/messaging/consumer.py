"""The consumer: runs the messages of a service's queues through its policies and acknowledges them.

A message is acknowledged when its effects are committed or it is stored in the inbox. A failed message waits in the
inbox and blocks no other. Only while the store is away do messages stay in the broker: the consumer then pauses.
"""

import asyncio
import math
import random
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
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
CONCURRENCY = 64
"""Messages of one queue in hand at once, unless a policy says fewer; also the prefetch of its channel."""
DELIVERIES = 20
"""Deliveries of a message without an acknowledgement before it is parked: its handling may kill the process."""
PING_SECONDS = 5.0
"""Longest pause between two pings of an unavailable store."""
_FIRST_PING_SECONDS = 0.1
_FAULTS_MAX = 3
_FAULT_PAUSE_SECONDS = 0.5
_log = log.get(__name__)


class Consumer(Background):
    """Consumes the queues of a service's policies."""

    def __init__(
        self,
        database: Database,
        uri: str,
        service: str,
        policies: Policies,
        processor: MessageProcessor,
    ) -> None:
        """Prepare; nothing is consumed before `start`.

        Args:
            database: the service's; used only for pings.
            uri: AMQP URI with the service's own user.
            service: its name.
            policies: the service's table of policies, which names the queues.
            processor: runs one message through its policies.
        """
        super().__init__("policies")
        self._database = database
        self._uri = uri
        self._service = service
        self._queues = policies.queues
        self._concurrency = policies.concurrency
        self._processor = processor
        self._paused = asyncio.Event()
        self._readers: list[_QueueReader] = []
        metrics = telemetry.current()
        age = metrics.gauge(
            "diwan_queue_age_seconds", "Age of the oldest event in hand, 0 without one", ("queue",)
        )
        for queue in self._queues:
            age.labels(queue).set_function(partial(self._age, queue))
        self.ready = False

    async def run(self) -> None:
        """Consume until asked to stop, reconnecting after each loss of the broker."""
        if not self._queues:
            self.ready = True
            await self.stopping.wait()
            return
        async with aclosing(
            reconnecting(self._uri, f"{self._service} policies", self.stopping)
        ) as connections:
            async for connection in connections:
                try:
                    await self._consume(connection)
                except BrokerLost as error:
                    _log.warning("consumer lost the broker", error_type=str(error))
                finally:
                    self.ready = False
                    self._readers = []

    async def stop(self) -> None:
        """Stop consuming, and return when the messages in hand are handled."""
        self.stopping.set()
        self._paused.set()
        await super().stop()

    async def check(self) -> bool:
        """Whether it consumes."""
        return self.ready

    async def _consume(self, connection: Connection) -> None:
        """Consume over one connection, until it is lost or the component stops."""
        self._paused.clear()
        self._readers = [
            _QueueReader(self, queue, connection, min(CONCURRENCY, self._concurrency(queue)))
            for queue in self._queues
        ]
        try:
            for reader in self._readers:
                await reader.open()
            while not self.stopping.is_set():
                await self._wait_for_store(connection)
                for reader in self._readers:
                    reader.begin()
                self.ready = True
                await connection.wait(asyncio.ensure_future(self._paused.wait()))
                self.ready = False
                for reader in self._readers:
                    await reader.finish()
                self._paused.clear()
        finally:
            for reader in self._readers:
                await reader.cancel()

    async def _wait_for_store(self, connection: Connection) -> None:
        backoff = Backoff(_FIRST_PING_SECONDS, PING_SECONDS)
        while not self.stopping.is_set():
            try:
                await self._database.ping()
            except StoreError:
                pause = backoff.next()
                _log.warning("store is away, nothing is consumed", pause_seconds=round(pause, 2))
                await connection.wait(asyncio.ensure_future(asyncio.sleep(pause)))
            else:
                return

    def _age(self, queue: str) -> float:
        """Age in seconds of the oldest event in hand; NaN while this process does not consume the queue."""
        return next((reader.age() for reader in self._readers if reader.queue == queue), math.nan)

    def pause(self) -> None:
        """Stop consuming at once, because the store is away; `_consume` resumes when it answers."""
        if not self._paused.is_set():
            self._paused.set()
            for reader in self._readers:
                reader.pause()

    async def handle(self, received: ReceivedMessage, deliveries: int) -> None:
        """Process a message, or park it after too many deliveries; StoreUnavailable if neither was possible."""
        if deliveries >= DELIVERIES:
            await self._processor.reject(received, MessageRejected("DELIVERED_TOO_OFTEN"))
        else:
            await self._processor.process(received)

    async def handle_fault(self, received: ReceivedMessage, deliveries: int, error: Exception) -> bool:
        """Delay or park a message whose handling raised, though the store is available.

        Each delivery waits longer, without blocking other messages. After a few deliveries the message is parked
        without its headers, which may be the cause of the fault. Returns whether it is parked; raises StoreUnavailable
        if the store is away.
        """
        _log.error("message neither handled nor stored", queue=received.queue, exc_info=error)
        if deliveries >= _FAULTS_MAX:
            try:
                await self._processor.park_without_headers(received, error)
            except StoreUnavailable:
                raise
            except Exception as second:  # noqa: BLE001 -- it stays in the broker, with long pauses
                _log.error("message not stored without headers", queue=received.queue, exc_info=second)
            else:
                return True
        pause = min(_FAULT_PAUSE_SECONDS * 2.0 ** min(deliveries, 10), 60.0)
        # Jitter is no secret. A stop or a pause of the consumer ends this wait.
        await within(self._paused, pause * random.uniform(0.75, 1.25))  # noqa: S311
        return False


class _QueueReader:
    """Consumes one queue on one channel."""

    def __init__(self, consumer: Consumer, queue: str, connection: Connection, prefetch: int) -> None:
        self._consumer = consumer
        self._prefetch = prefetch
        self.queue = queue
        self._connection = connection
        self._channel: Channel | None = None
        self._tag = ""
        # Each message in hand, with the time of its event, if it has one.
        self._tasks: dict[asyncio.Task[None], datetime | None] = {}

    async def open(self) -> None:
        self._channel = channel = await self._connection.channel()
        channel.add_on_close_callback(lambda _, error: self._connection.fail(type(error).__name__))
        # The broker cancels a consumer when its queue is deleted or moves to another node.
        channel.add_on_cancel_callback(lambda _: self._connection.fail("consumer cancelled"))
        prefetch_set: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        channel.basic_qos(prefetch_count=self._prefetch, callback=prefetch_set.set_result)
        await self._connection.wait(prefetch_set)

    def age(self) -> float:
        """Age in seconds of the oldest event in hand, 0 without one; NaN if the queue is not consumed."""
        if not self._tag:
            return math.nan
        oldest = min((time for time in self._tasks.values() if time is not None), default=None)
        return max(0.0, (datetime.now(UTC) - oldest).total_seconds()) if oldest else 0.0

    def begin(self) -> None:
        assert self._channel is not None
        self._tag = self._channel.basic_consume(self.queue, self._on_message)

    def pause(self) -> None:
        """Cancel the consumer, before a message is requeued, so that it is not delivered here again."""
        if self._tag and self._channel is not None and self._channel.is_open:
            self._channel.basic_cancel(self._tag)
        self._tag = ""

    async def finish(self) -> None:
        """Cancel the consumer and wait for the messages in hand; BrokerLost if the connection is lost meanwhile."""
        self.pause()
        if self._tasks:
            await self._connection.wait(asyncio.ensure_future(asyncio.wait(set(self._tasks))))

    async def cancel(self) -> None:
        """Cancel the handling of the messages in hand; the broker delivers them again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_message(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if not self._tag:
            self._requeue(method.delivery_tag)
            return
        task = asyncio.create_task(self._handle(method, properties, body))
        self._tasks[task] = _event_time(properties.headers or {})
        task.add_done_callback(self._tasks.pop)

    async def _handle(self, method: Any, properties: Any, body: bytes) -> None:
        attributes = properties.headers or {}
        received = ReceivedMessage(
            queue=self.queue,
            exchange=method.exchange,
            user=properties.user_id,
            attributes=attributes,
            body=body,
        )
        count = attributes.get(DELIVERY_COUNT, 0)
        try:
            settled = await self._settle(received, count if isinstance(count, int) else 0)
        except StoreUnavailable:
            self._consumer.pause()
            settled = False
        if not settled:
            self._requeue(method.delivery_tag)
        elif self._channel is not None and self._channel.is_open:
            self._channel.basic_ack(method.delivery_tag)

    async def _settle(self, received: ReceivedMessage, count: int) -> bool:
        """Whether the message is handled or stored, so that it may be acknowledged; StoreUnavailable if unknown."""
        try:
            await self._consumer.handle(received, count)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- our own fault must neither spin nor stop other messages
            return await self._consumer.handle_fault(received, count, error)
        return True

    def _requeue(self, tag: int) -> None:
        if self._channel is not None and self._channel.is_open:
            self._channel.basic_nack(tag, requeue=True)


def _event_time(attributes: Any) -> datetime | None:
    try:
        return times.parse_time(headers.text(attributes, headers.TIME))
    except ValueError:
        return None
