"""The relay: sends what commands left in the outboxes, in the order of each aggregate.

What the broker has confirmed is taken out. One process of a service sends at a time. It is told of commits in its own
process at once, of other processes' by the store's change stream; what a dead one left, and what the stream did not
tell, it finds by looking.
"""

import asyncio
import random
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from chassis import log, telemetry
from chassis.backoff import Backoff
from chassis.components import Background, within
from chassis.messaging.change_stream import watch
from chassis.messaging.connection import BrokerLost, Connection, reconnecting
from chassis.messaging.outbox_queues import AggregateQueue, OutboxQueues
from chassis.messaging.publisher import Publisher, PublishOutcome
from chassis.run_with_lease import TTL, run_with_lease
from chassis.store import Database, Key, OutboxEntry, StoreError, Unsent

BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_LAST_SECONDS = 60.0
STORE_AWAY_SECONDS = 5.0
_log = log.get(__name__)


@dataclass(frozen=True, kw_only=True)
class RelayLimits:
    """Bounds of the relay.

    Attributes:
        outstanding: events published and not yet confirmed.
        aggregates: aggregates held in memory; more are left in the store until there is room.
        page: aggregates read at once when looking for what is unsent.
        look_seconds: how often to look for what nobody told of.
    """

    outstanding: int = 500
    aggregates: int = 5_000
    page: int = 500
    look_seconds: float = 1.0


class Relay(Background):
    """Sends one service's events."""

    def __init__(
        self, database: Database, uri: str, service: str, *, holder: str, limits: RelayLimits | None = None
    ) -> None:
        """Prepare; nothing is sent before `start`.

        Args:
            database: the service's.
            uri: AMQP URI with the service's own user.
            service: its name, which is also its broker user.
            holder: this process's own name, for the lease.
            limits: bounds.
        """
        super().__init__("relay")
        self._outbox = database.outbox
        self._change_stream = database.change_stream
        self._lease = database.lease("relay", holder=holder, ttl=TTL)
        self._uri = uri
        self._service = service
        self._limits = limits or RelayLimits()
        self._serving = False
        self._publisher: Publisher | None = None
        self._forget()
        database.listen(self._committed)
        metrics = telemetry.current()
        self._events = metrics.counter("diwan_relay_events", "Events by outcome", ("exchange", "outcome"))
        self._age = metrics.gauge("diwan_outbox_age_seconds", "Age of the oldest event not yet confirmed")
        self._size = metrics.gauge("diwan_outbox_aggregates", "Aggregates with events not yet confirmed")

    async def run(self) -> None:
        """Send, whenever this process holds the lease."""
        await run_with_lease(self._lease, "relay", self._serve, self.stopping)

    async def stop(self) -> None:
        """Publish nothing more, and end when what is published is confirmed and noted."""
        self.stopping.set()
        self._more.set()
        await super().stop()

    async def _serve(self) -> None:
        """Under the lease: connection after connection. What was known under an earlier lease may be long sent."""
        self._forget()
        self._serving = True
        try:
            async with aclosing(reconnecting(self._uri, f"{self._service} relay", self.stopping)) as opened:
                async for connection in opened:
                    await self._send(connection)
        finally:
            self._serving = False

    async def check(self) -> bool:
        """Whether it is well: sends, or leaves that to the process which holds the lease."""
        return not self._serving or self._publisher is not None

    def _forget(self) -> None:
        self._queues = OutboxQueues()
        self._wanted: set[Key] = set()
        self._everywhere = True
        self._look = asyncio.Event()
        self._more = asyncio.Event()
        self._noted = asyncio.Event()
        self._confirmed: list[tuple[AggregateQueue, OutboxEntry]] = []

    async def _send(self, connection: Connection) -> None:
        """Over one connection, until it is lost or we stop."""
        try:
            publisher = Publisher(connection, await connection.channel(), self._service, self._settled)
            await publisher.start()
            self._publisher = publisher
            await self._work(connection, publisher)
        except BrokerLost as error:
            _log.warning("relay lost the broker", error_type=str(error))
        finally:
            self._publisher = None

    async def _work(self, connection: Connection, publisher: Publisher) -> None:
        self._everywhere = True
        self._look.set()
        self._noted.set()
        self._publish()
        jobs = (self._looking(), self._noting(), watch(self._change_stream, self._notified))
        tasks = [connection.hold(job) for job in jobs]
        try:
            while not (self.stopping.is_set() and not publisher.outstanding and not self._confirmed):
                await connection.wait(asyncio.ensure_future(self._more.wait()))
                self._more.clear()
                self._publish()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # What was under way when the connection went is sent again over the next one.
            for queue, entry in publisher.abandon():
                queue.abandon(entry)
                self._queues.wake(queue)

    def _committed(self, unsent: Unsent) -> None:
        """A command of this process left something to send: called at its commit, must not block."""
        if self._publisher is None or len(self._queues) >= self._limits.aggregates:
            return  # it is in the store, where looking finds it
        if self._queues.follows(unsent):
            self._queues.adopt(unsent)
            self._publish()
        else:
            # Another process left something before it, which must go first.
            self._notified((unsent.collection, unsent.id))

    def _notified(self, key: Key | None) -> None:
        """An aggregate has something to send that we do not know; None: there may be some anywhere."""
        if key is None:
            self._everywhere = True
        elif len(self._queues) + len(self._wanted) < self._limits.aggregates:
            self._wanted.add(key)
        self._look.set()

    def _publish(self) -> None:
        """Publish what is ready, as far as there is room."""
        publisher = self._publisher
        if publisher is None or self.stopping.is_set():
            return
        for queue in self._queues.ready():
            while queue.pending and not queue.blocked:
                if publisher.outstanding >= self._limits.outstanding:
                    self._queues.wake(queue)
                    return
                entry = queue.pending.popleft()
                if entry.expires is not None and entry.expires <= datetime.now(UTC):
                    self._settled(queue, entry, PublishOutcome.EXPIRED)
                    continue
                publisher.publish(queue, entry)
                if queue.failures:
                    queue.trial()

    def _settled(self, queue: AggregateQueue, entry: OutboxEntry, outcome: PublishOutcome) -> None:
        """The broker has answered for an event, or it went out of date."""
        self._events.labels(entry.exchange, outcome.value).inc()
        if outcome in (PublishOutcome.CONFIRMED, PublishOutcome.EXPIRED):
            if queue.took(entry):
                self._queues.wake(queue)
            self._confirmed.append((queue, entry))
            self._noted.set()
        else:
            self._refused(queue, entry, outcome)
        self._more.set()

    def _refused(self, queue: AggregateQueue, entry: OutboxEntry, outcome: PublishOutcome) -> None:
        """Keep the event and those after it, and try again later, less and less often."""
        if not queue.refuse(entry):
            return
        longest = min(BACKOFF_FIRST_SECONDS * 2 ** (queue.failures - 1), BACKOFF_LAST_SECONDS)
        delay = longest * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter is no secret
        _log.error(
            "event not taken by the broker",
            outcome=outcome.value,
            event_id=entry.id,
            type=entry.type,
            exchange=entry.exchange,
            key=entry.key,
            failures=queue.failures,
            again_in_seconds=round(delay, 1),
        )
        asyncio.get_running_loop().call_later(delay, self._unblock, queue)

    def _unblock(self, queue: AggregateQueue) -> None:
        queue.unblock()
        self._queues.wake(queue)
        self._more.set()

    async def _looking(self) -> None:
        """Read what we were told of, at once; every second, and when asked, look for what nobody told of."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            await within(self._look, due - clock())
            self._look.clear()
            everywhere, self._everywhere = self._everywhere or clock() >= due, False
            with suppress(StoreError):
                await self._find(everywhere=everywhere)
            if everywhere:
                due = clock() + self._limits.look_seconds
                self._measure()

    async def _find(self, *, everywhere: bool) -> None:
        wanted = list(islice(self._wanted, self._limits.page))
        self._wanted.difference_update(wanted)
        if self._wanted:
            self._look.set()
        found = await self._outbox.of(wanted)
        if everywhere and len(self._queues) < self._limits.aggregates:
            found += await self._outbox.unsent(self._limits.page)
        for unsent in found:
            self._queues.adopt(unsent)
        self._more.set()

    def _measure(self) -> None:
        oldest = self._queues.oldest()
        self._age.set((datetime.now(UTC) - oldest).total_seconds() if oldest else 0)
        self._size.set(len(self._queues))

    async def _noting(self) -> None:
        """Take confirmed events out of the store, all that came together in one go."""
        backoff = Backoff(BACKOFF_FIRST_SECONDS, STORE_AWAY_SECONDS)
        while True:
            await self._noted.wait()
            self._noted.clear()
            batch = self._confirmed[:]
            if not batch:
                continue
            try:
                await self._outbox.sent(_by_aggregate(batch))
            except StoreError as error:
                _log.warning("confirmed events not taken out yet", error_type=type(error).__name__)
                await asyncio.sleep(backoff.next())
                self._noted.set()
                continue
            backoff.reset()
            del self._confirmed[: len(batch)]
            for queue, entry in batch:
                self._queues.done(queue, (entry,))
            self._more.set()


def _by_aggregate(batch: list[tuple[AggregateQueue, OutboxEntry]]) -> list[Unsent]:
    entries: dict[Key, list[OutboxEntry]] = {}
    for queue, entry in batch:
        entries.setdefault(queue.key, []).append(entry)
    return [Unsent(collection=key[0], id=key[1], entries=tuple(found)) for key, found in entries.items()]
