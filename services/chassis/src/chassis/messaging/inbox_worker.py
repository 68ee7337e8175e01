"""Retries the messages that are due in the inbox. One process of a service does this at a time."""

import asyncio
import math
from functools import partial

from chassis import log, telemetry
from chassis.backoff import RetryLimit
from chassis.components import Background, within
from chassis.messaging.message_processor import MessageProcessor
from chassis.run_with_lease import TTL, run_with_lease
from chassis.store import Database, InboxEntry, StoreError, StoreUnavailable

CONCURRENCY = 16
"""Most retries at once; fewer while they fail."""
POLL_SECONDS = 0.5
AWAY_SECONDS = 2.0
_MEASURE_EVERY = 20
_log = log.get(__name__)


class InboxWorker(Background):
    """Polls the inbox and retries due messages concurrently."""

    def __init__(self, database: Database, processor: MessageProcessor, *, holder: str) -> None:
        """Prepare; `holder` is this process's own name, for the lease."""
        super().__init__("inbox")
        self._inbox = database.inbox
        self._processor = processor
        self._lease = database.lease("inbox", holder=holder, ttl=TTL)
        self._limit = RetryLimit(CONCURRENCY)
        self._running: dict[str, asyncio.Task[None]] = {}
        metrics = telemetry.current()
        self._waiting = metrics.gauge("diwan_inbox_messages", "Messages in the inbox", ("state",))
        self._set_unknown()

    async def run(self) -> None:
        """Retry due messages while this process holds the lease, until asked to stop."""
        await run_with_lease(self._lease, "inbox", self._work, self.stopping)

    async def _work(self) -> None:
        polls = 0
        try:
            while not self.stopping.is_set():
                pause = POLL_SECONDS
                try:
                    await self._start_due()
                    if polls % _MEASURE_EVERY == 0:
                        await self._measure()
                    polls += 1
                except StoreError:
                    # The next poll counts again.
                    pause, polls = AWAY_SECONDS, 0
                    self._set_unknown()
                await within(self.stopping, pause)
            await asyncio.gather(*self._running.values(), return_exceptions=True)
        finally:
            # Another process may hold the lease, and change the numbers.
            self._set_unknown()
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _start_due(self) -> None:
        """Start retries of due messages, within the limit; a slow one occupies only its own slot."""
        free_slots = self._limit.value - len(self._running)
        if free_slots <= 0:
            return
        # Running entries are still due in the store, so they are skipped here. The set is copied before the query: an
        # entry whose retry ends during the query may be in its result as it was before.
        running = set(self._running)
        for entry in await self._inbox.due(CONCURRENCY + len(running)):
            if entry.id not in running and free_slots > 0:
                free_slots -= 1
                task = asyncio.create_task(self._retry(entry))
                self._running[entry.id] = task
                task.add_done_callback(partial(self._remove, entry.id))

    def _remove(self, entry_id: str, _task: "asyncio.Task[None]") -> None:
        self._running.pop(entry_id, None)

    async def _retry(self, entry: InboxEntry) -> None:
        succeeded = False
        try:
            succeeded = await self._processor.retry(entry)
        except StoreUnavailable:
            await asyncio.sleep(AWAY_SECONDS)
        except Exception:  # noqa: BLE001 -- other messages must go on
            _log.exception("retry failed", policy=entry.policy, queue=entry.queue)
            await asyncio.sleep(AWAY_SECONDS)
        finally:
            self._limit.record(succeeded=succeeded)

    def _set_unknown(self) -> None:
        for state in ("waiting", "parked"):
            self._waiting.labels(state).set(math.nan)

    async def _measure(self) -> None:
        self._waiting.labels("waiting").set(await self._inbox.count(parked=False))
        self._waiting.labels("parked").set(await self._inbox.count(parked=True))
