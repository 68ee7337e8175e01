"""Timers: work that a service does periodically. One process of a service runs them at a time."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from opentelemetry.trace import SpanKind

from chassis import log, telemetry
from chassis.components import Background, within
from chassis.run_with_lease import TTL, run_with_lease
from chassis.store import Database

Handler = Callable[[], Awaitable[None]]

JITTER = 0.1
_log = log.get(__name__)


@dataclass(frozen=True)
class Timer:
    """One row of a service's table of timers; created by `every`."""

    name: str
    period: timedelta
    handler: Handler
    limit: timedelta
    invalidate: Callable[[], None]


def every(
    name: str,
    period: timedelta,
    handler: Handler,
    *,
    limit: timedelta = timedelta(minutes=5),
    invalidate: Callable[[], None] = lambda: None,
) -> Timer:
    """A row of the table: run `handler` each `period`, with a jitter of a tenth.

    Args:
        name: stable, of low cardinality; names its span, log lines and metric.
        period: from the end of one run to the beginning of the next.
        handler: idempotent: another process may repeat a run.
        limit: a longer run is cancelled and counted as failed.
        invalidate: sets the gauges that the runs set to NaN; called after a failed run, and when this process runs
            the timer no more, because another process may then run it.

    """
    if period <= timedelta():
        raise ValueError(f"timer {name} needs a period")
    return Timer(name, period, handler, limit, invalidate)


class Timers(Background):
    """A service's timers."""

    def __init__(self, database: Database, table: Sequence[Timer], *, holder: str) -> None:
        """Prepare; `holder` is this process's own name, for the lease."""
        super().__init__("timers")
        self._table = table
        self._lease = database.lease("timers", holder=holder, ttl=TTL)
        metrics = telemetry.current()
        self._runs = metrics.counter("diwan_timer_runs", "Timer runs by outcome", ("timer", "outcome"))

    async def run(self) -> None:
        """Run the timers while this process holds the lease; a stop waits for the runs in progress."""
        if self._table:
            await run_with_lease(self._lease, "timers", self._work, self.stopping)
        else:
            await self.stopping.wait()

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for timer in self._table:
                    group.create_task(self._loop(timer))
        finally:
            for timer in self._table:
                timer.invalidate()

    async def _loop(self, timer: Timer) -> None:
        # The first run comes after a period: a service that restarts in a loop must not run its timers in a loop.
        while not await within(self.stopping, _jittered(timer.period)):
            await self._once(timer)

    async def _once(self, timer: Timer) -> None:
        outcome = "done"
        try:
            # The request numbers of the run's commands end with the run.
            with (
                log.correlated(""),
                telemetry.span(
                    f"timer {timer.name}",
                    kind=SpanKind.INTERNAL,
                    parent=telemetry.new_root(),
                    attributes={"diwan.timer": timer.name},
                ),
            ):
                async with asyncio.timeout(timer.limit.total_seconds()):
                    await timer.handler()
        except Exception:  # noqa: BLE001 -- the next run may succeed
            outcome = "failed"
            timer.invalidate()
            _log.exception("timer failed", timer=timer.name)
        self._runs.labels(timer.name, outcome).inc()


def _jittered(period: timedelta) -> float:
    return period.total_seconds() * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 -- jitter is no secret
