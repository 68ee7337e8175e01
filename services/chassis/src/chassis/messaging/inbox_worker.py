"""Tries again what waits in the inbox, each at its time. One process of a service does so at a time."""

import asyncio
from functools import partial

from chassis import log, telemetry
from chassis.components import Background, within
from chassis.messaging.message_processor import MessageProcessor
from chassis.run_with_lease import TTL, run_with_lease
from chassis.store import Database, InboxEntry, StoreError, StoreUnavailable

CONCURRENCY = 16
LOOK_SECONDS = 0.5
AWAY_SECONDS = 2.0
_MEASURE_EVERY = 20
_log = log.get(__name__)


class InboxWorker(Background):
    """The inbox's clock, beside the consumer."""

    def __init__(
        self,
        database: Database,
        processor: MessageProcessor,
        *,
        holder: str,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Prepare; `holder` is this process's own name, for the lease."""
        super().__init__("inbox")
        self._inbox = database.inbox
        self._processor = processor
        self._lease = database.lease("inbox", holder=holder, ttl=TTL)
        self._look_seconds = look_seconds
        self._running: dict[str, asyncio.Task[None]] = {}
        metrics = telemetry.current()
        self._waiting = metrics.gauge("diwan_inbox_messages", "Messages in the inbox", ("state",))

    async def run(self) -> None:
        """Try again what is due, whenever this process holds the lease, until asked to stop."""
        await run_with_lease(self._lease, "inbox", self._work, self.stopping)

    async def _work(self) -> None:
        turn = 0
        try:
            while not self.stopping.is_set():
                pause = self._look_seconds
                try:
                    await self._begin_due()
                    if turn % _MEASURE_EVERY == 0:
                        await self._measure()
                except StoreError:
                    pause = AWAY_SECONDS
                turn += 1
                await within(self.stopping, pause)
            await asyncio.gather(*self._running.values(), return_exceptions=True)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _begin_due(self) -> None:
        """Begin what is due, as far as there is room; what is slow holds up no other but by its place."""
        room = CONCURRENCY - len(self._running)
        if room <= 0:
            return
        # What runs is still due in the store: look past it. What ends while we look may be told as it was before.
        running = set(self._running)
        for entry in await self._inbox.due(CONCURRENCY + len(running)):
            if entry.id not in running and room > 0:
                room -= 1
                task = asyncio.create_task(self._again(entry))
                self._running[entry.id] = task
                task.add_done_callback(partial(self._ended, entry.id))

    def _ended(self, entry_id: str, _task: "asyncio.Task[None]") -> None:
        self._running.pop(entry_id, None)

    async def _again(self, entry: InboxEntry) -> None:
        try:
            await self._processor.retry(entry)
        except StoreUnavailable:
            await asyncio.sleep(AWAY_SECONDS)
        except Exception:  # noqa: BLE001 -- the others must go on
            _log.exception("retry failed", policy=entry.policy, queue=entry.queue)
            await asyncio.sleep(AWAY_SECONDS)

    async def _measure(self) -> None:
        self._waiting.labels("waiting").set(await self._inbox.count(parked=False))
        self._waiting.labels("parked").set(await self._inbox.count(parked=True))
