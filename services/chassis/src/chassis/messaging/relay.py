"""The relay: publishes the events in the outboxes, in the order of each aggregate.

Events that the broker has confirmed are removed from the outbox. One process of a service publishes at a time.
Commits in its own process are passed to it directly, those of other processes by the store's change stream. A
periodic scan finds events of processes that died, and events that the stream missed.
"""

import asyncio
import math
import random
import time
from contextlib import aclosing, suppress
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
RETRIES_PER_SECOND = 50
"""Most retries of refused events, of all aggregates together; with more of them the pauses grow."""
STORE_AWAY_SECONDS = 5.0
OUTSTANDING = 500
"""Limit of events published and not yet confirmed."""
AGGREGATES = 5_000
"""Limit of aggregates in memory; further ones stay in the store until there is room."""
PAGE = 500
"""Aggregates per read of the outboxes."""
SCAN_SECONDS = 1.0
"""Period of the scan for unsent events."""
SCAN_STALE_SECONDS = 15.0
"""Age of the last scan after which its result says nothing about new events: longer than a round trip may take."""
_log = log.get(__name__)


class Relay(Background):
    """Publishes the events of one service."""

    def __init__(self, database: Database, uri: str, service: str, *, holder: str) -> None:
        """Prepare; nothing is published before `start`.

        Args:
            database: the service's.
            uri: AMQP URI with the service's own user.
            service: its name, which is also its broker user.
            holder: this process's own name, for the lease.
        """
        super().__init__("relay")
        self._outbox = database.outbox
        self._change_stream = database.change_stream
        self._lease = database.lease("relay", holder=holder, ttl=TTL)
        self._uri = uri
        self._service = service
        self._leased = False
        self._publisher: Publisher | None = None
        self._reset()
        database.listen(self._on_commit)
        metrics = telemetry.current()
        self._events = metrics.counter("diwan_relay_events", "Events by outcome", ("exchange", "outcome"))
        # Computed when they are read, so that they are true without a broker, a store or the lease too.
        age = metrics.gauge("diwan_outbox_age_seconds", "Age of the oldest event not yet confirmed")
        age.set_function(self._outbox_age)
        size = metrics.gauge("diwan_outbox_aggregates", "Aggregates with events not yet confirmed")
        size.set_function(self._outbox_size)

    async def run(self) -> None:
        """Publish while this process holds the lease."""
        await run_with_lease(self._lease, "relay", self._run_leased, self.stopping)

    async def stop(self) -> None:
        """Publish no more, and end when the published events are confirmed and removed."""
        self.stopping.set()
        self._wake.set()
        await super().stop()

    async def _run_leased(self) -> None:
        """Publish over one connection after another. The state of an earlier lease is out of date and dropped."""
        self._reset()
        self._leased = True
        try:
            async with asyncio.TaskGroup() as group:
                # The outboxes are read while the broker is away too, so that their age is known.
                jobs = [group.create_task(job) for job in (self._read_loop(), self._removal_loop())]
                await self._run_connections()
                for job in jobs:
                    job.cancel()
        finally:
            self._leased = False

    async def _run_connections(self) -> None:
        async with aclosing(reconnecting(self._uri, f"{self._service} relay", self.stopping)) as connections:
            async for connection in connections:
                await self._run_connected(connection)

    async def check(self) -> bool:
        """Whether it publishes, or another process holds the lease."""
        return not self._leased or self._publisher is not None

    def _reset(self) -> None:
        self._queues = OutboxQueues()
        self._keys_to_read: set[Key] = set()
        self._paused = 0
        self._scan_requested = True
        self._read_requested = asyncio.Event()
        self._removal_requested = asyncio.Event()
        self._wake = asyncio.Event()
        self._confirmed: list[tuple[AggregateQueue, OutboxEntry]] = []
        self._scanned_at = -math.inf

    async def _run_connected(self, connection: Connection) -> None:
        """Publish over one connection, until it is lost or the relay stops."""
        try:
            publisher = Publisher(connection, await connection.channel(), self._service, self._on_settled)
            await publisher.start()
            self._publisher = publisher
            await self._publish_until_stopped(connection, publisher)
        except BrokerLost as error:
            _log.warning("relay lost the broker", error_type=str(error))
        finally:
            self._publisher = None

    async def _publish_until_stopped(self, connection: Connection, publisher: Publisher) -> None:
        self._request_read(None)
        self._removal_requested.set()
        self._publish()
        task = connection.hold(watch(self._change_stream, self._request_read))
        try:
            while not (self.stopping.is_set() and not publisher.outstanding and not self._confirmed):
                await connection.wait(asyncio.ensure_future(self._wake.wait()))
                self._wake.clear()
                self._publish()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            # Events without an answer at the loss of the connection are published again over the next one.
            for queue, entry in publisher.abandon():
                queue.abandon(entry)
                self._queues.list_ready(queue)

    def _on_commit(self, unsent: Unsent) -> None:
        """Publish the events of a commit of this process; called within the command, must not block."""
        if self._publisher is None or len(self._queues) >= AGGREGATES:
            return  # they are in the store, where the scan finds them
        if self._queues.follows(unsent):
            self._queues.add(unsent)
            self._publish()
        else:
            # Earlier events of another process must be published first.
            self._request_read((unsent.collection, unsent.id))

    def _request_read(self, key: Key | None) -> None:
        """Request a read of an aggregate's outbox; None: of all outboxes with unsent events."""
        if key is None:
            self._scan_requested = True
        elif len(self._queues) + len(self._keys_to_read) < AGGREGATES:
            self._keys_to_read.add(key)
        self._read_requested.set()

    def _publish(self) -> None:
        """Publish the events of ready queues, within the limit of outstanding ones."""
        publisher = self._publisher
        if publisher is None or self.stopping.is_set():
            return
        for queue in self._queues.ready():
            while queue.pending and not queue.blocked:
                if publisher.outstanding >= OUTSTANDING:
                    self._queues.list_ready(queue)
                    return
                entry = queue.pending.popleft()
                if entry.expires is not None and entry.expires <= datetime.now(UTC):
                    self._on_settled(queue, entry, PublishOutcome.EXPIRED)
                    continue
                publisher.publish(queue, entry)
                if queue.failures:
                    queue.begin_retry()

    def _on_settled(self, queue: AggregateQueue, entry: OutboxEntry, outcome: PublishOutcome) -> None:
        """Handle the broker's answer for an event, or the expiry of an event."""
        self._events.labels(entry.exchange, outcome.value).inc()
        if outcome in (PublishOutcome.CONFIRMED, PublishOutcome.EXPIRED):
            if queue.confirm(entry):
                self._queues.list_ready(queue)
            self._confirmed.append((queue, entry))
            self._removal_requested.set()
        else:
            self._retry_later(queue, entry, outcome)
        self._wake.set()

    def _retry_later(self, queue: AggregateQueue, entry: OutboxEntry, outcome: PublishOutcome) -> None:
        """Block the event and those after it, and retry it after a growing pause."""
        if not queue.refuse(entry):
            return
        self._paused += 1
        longest = min(BACKOFF_FIRST_SECONDS * 2 ** (queue.failures - 1), BACKOFF_LAST_SECONDS)
        longest = max(longest, 2 * self._paused / RETRIES_PER_SECOND)
        delay = longest * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter is no secret
        _log.error(
            "event refused by the broker",
            outcome=outcome.value,
            event_id=entry.id,
            type=entry.type,
            exchange=entry.exchange,
            key=entry.key,
            failures=queue.failures,
            again_in_seconds=round(delay, 1),
        )
        asyncio.get_running_loop().call_later(delay, self._resume, queue, self._queues)

    def _resume(self, queue: AggregateQueue, queues: OutboxQueues) -> None:
        if queues is not self._queues:
            return  # of an earlier lease
        self._paused -= 1
        queue.resume()
        self._queues.list_ready(queue)
        self._wake.set()

    async def _read_loop(self) -> None:
        """Read the requested outboxes at once, and scan all when requested and every `scan_seconds`."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            await within(self._read_requested, due - clock())
            self._read_requested.clear()
            scan, self._scan_requested = self._scan_requested or clock() >= due, False
            with suppress(StoreError):
                await self._read_outboxes(scan=scan)
                if scan:
                    self._scanned_at = time.monotonic()
            if scan:
                due = clock() + SCAN_SECONDS

    async def _read_outboxes(self, *, scan: bool) -> None:
        keys = list(islice(self._keys_to_read, PAGE))
        self._keys_to_read.difference_update(keys)
        if self._keys_to_read:
            self._read_requested.set()
        outboxes = await self._outbox.of(keys)
        if scan and len(self._queues) < AGGREGATES:
            outboxes += await self._outbox.unsent(PAGE)
        for unsent in outboxes:
            self._queues.add(unsent)
        self._wake.set()

    def _outbox_age(self) -> float:
        """Age in seconds of the oldest unconfirmed event; NaN without the lease, or if the store does not answer.

        An event that is known stays unconfirmed while the store is away, so its age is still true.
        """
        oldest = self._queues.oldest() if self._leased else None
        if oldest is not None:
            return max(0.0, (datetime.now(UTC) - oldest).total_seconds())
        return 0.0 if self._has_scanned() else math.nan

    def _outbox_size(self) -> float:
        """Number of aggregates with unconfirmed events, at most AGGREGATES and those of a page; NaN if unknown."""
        return len(self._queues) if self._has_scanned() else math.nan

    def _has_scanned(self) -> bool:
        return self._leased and time.monotonic() - self._scanned_at < SCAN_STALE_SECONDS

    async def _removal_loop(self) -> None:
        """Remove confirmed events from the outboxes, all since the last removal in one write."""
        backoff = Backoff(BACKOFF_FIRST_SECONDS, STORE_AWAY_SECONDS)
        while True:
            await self._removal_requested.wait()
            self._removal_requested.clear()
            batch = self._confirmed[:]
            if not batch:
                continue
            try:
                await self._outbox.sent(_by_aggregate(batch))
            except StoreError as error:
                _log.warning("confirmed events not removed yet", error_type=type(error).__name__)
                await asyncio.sleep(backoff.next())
                self._removal_requested.set()
                continue
            backoff.reset()
            del self._confirmed[: len(batch)]
            for queue, entry in batch:
                self._queues.remove(queue, (entry,))
            self._wake.set()


def _by_aggregate(batch: list[tuple[AggregateQueue, OutboxEntry]]) -> list[Unsent]:
    entries: dict[Key, list[OutboxEntry]] = {}
    for queue, entry in batch:
        entries.setdefault(queue.key, []).append(entry)
    return [Unsent(collection=key[0], id=key[1], entries=tuple(events)) for key, events in entries.items()]
