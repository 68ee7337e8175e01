"""Batching of loads and saves: requests made during a round trip share the next one. Without a timer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context as Variables
from dataclasses import dataclass
from typing import Generic, TypeVar

from opentelemetry.context import Context, get_current

from chassis.store.errors import LimitExceeded, StoreUnavailable

I = TypeVar("I")  # noqa: E741 - the requested item
R = TypeVar("R")


@dataclass(frozen=True, eq=False, slots=True)
class Job(Generic[I, R]):
    """One caller's request, with its trace context."""

    item: I
    size: int
    result: "asyncio.Future[R]"
    context: Context


RoundTrip = Callable[[Sequence[Job[I, R]]], Awaitable[Sequence[R | Exception]]]


class Batcher(Generic[I, R]):
    """Runs round trips one after another, each for the jobs submitted during the one before.

    `round_trip` returns an outcome for each job, in their order; an exception among them is raised to that caller.
    """

    def __init__(self, round_trip: RoundTrip[I, R], *, batch: int, batch_bytes: int, waiting: int) -> None:
        self._round_trip = round_trip
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._limit = waiting
        self._waiting: deque[Job[I, R]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, item: I, size: int = 0) -> R:
        """Add a job of `size` bytes to the next round trip, and return its result.

        A job whose caller is cancelled before the round trip starts is dropped.

        Raises:
            LimitExceeded: too many jobs wait.
        """
        if len(self._waiting) >= self._limit:
            raise LimitExceeded("callers waiting", self._limit)
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(item, size, result, get_current()))
        if self._runner is None:
            # In an empty context: the task outlives the caller that started it.
            self._runner = asyncio.create_task(self._run(), context=Variables())
        return await result

    async def close(self) -> None:
        """Wait for the jobs in progress."""
        if self._runner is not None:
            await self._runner

    def _take(self) -> list[Job[I, R]]:
        jobs: list[Job[I, R]] = []
        size = 0
        while self._waiting and len(jobs) < self._batch:
            if self._waiting[0].result.done():
                self._waiting.popleft()
                continue
            size += self._waiting[0].size
            if jobs and size > self._batch_bytes:
                break
            jobs.append(self._waiting.popleft())
        return jobs

    async def _run(self) -> None:
        jobs: list[Job[I, R]] = []
        try:
            while jobs := self._take():
                await self._run_round_trip(jobs)
        finally:
            self._runner = None
            # Jobs are left only when the event loop stops: their callers get an error and do not wait for ever.
            for job in (*jobs, *self._waiting):
                if not job.result.done():
                    job.result.set_exception(StoreUnavailable())
            self._waiting.clear()

    async def _run_round_trip(self, jobs: Sequence[Job[I, R]]) -> None:
        outcomes: Sequence[R | Exception]
        try:
            outcomes = await self._round_trip(jobs)
        except Exception as error:  # noqa: BLE001 - every exception is raised to the callers
            outcomes = [error] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.result.done():
                continue
            if isinstance(outcome, Exception):
                job.result.set_exception(outcome)
            else:
                job.result.set_result(outcome)
