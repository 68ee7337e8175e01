"""Bounds the work that a server has accepted: calls in progress, and calls that wait for their turn."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chassis import telemetry
from chassis.errors import ChassisError

WAIT_SHARE: Final = 0.5
"""A call waits for at most this share of its remaining time: a later answer would come too late for its caller."""

RETRY_SECONDS: Final = (1.0, 3.0)
"""Range of the pause that a refused caller is asked to make; drawn at random, so that callers return one by one."""


class Overloaded(ChassisError):
    """The server has accepted as many calls as it can answer in time."""

    reason = "OVERLOADED"
    code = "RESOURCE_EXHAUSTED"

    def __init__(self) -> None:
        pause = random.uniform(*RETRY_SECONDS)  # noqa: S311 -- spreads retries, protects nothing
        super().__init__(
            "The service is overloaded; repeat the call later with the same request id",
            retry_after_seconds=f"{pause:.1f}",
        )


class Admission:
    """Lets calls in, in the order of their arrival.

    Args:
        concurrent: calls in progress at most.
        waiting: calls that wait at most; further ones are refused at once.
    """

    def __init__(self, concurrent: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(concurrent)
        self._max_waiting = waiting
        self._waiting = 0
        metrics = telemetry.current()
        self._waiting_gauge = metrics.gauge("rpc_server_calls_waiting", "Calls that wait for their turn.")
        self._refused = metrics.counter("rpc_server_calls_shed_total", "Calls refused because of overload.")

    @asynccontextmanager
    async def place(self, seconds: float) -> AsyncIterator[None]:
        """Hold a place for a call with this remaining time. Raises Overloaded."""
        await self._acquire(seconds * WAIT_SHARE)
        try:
            yield
        finally:
            self._places.release()

    async def _acquire(self, seconds: float) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        if self._waiting >= self._max_waiting:
            self._refused.inc()
            raise Overloaded
        self._waiting += 1
        try:
            with self._waiting_gauge.track_inprogress():
                async with asyncio.timeout(seconds):
                    await self._places.acquire()
        except TimeoutError:
            self._refused.inc()
            raise Overloaded from None
        finally:
            self._waiting -= 1
