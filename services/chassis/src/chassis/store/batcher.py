"""Callers who ask while a round trip is under way share the next one. No timer: alone, nobody waits."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context as Variables
from dataclasses import dataclass
from typing import Generic, TypeVar

from opentelemetry.context import Context, get_current

from chassis.store.errors import LimitExceeded, StoreUnavailable

I = TypeVar("I")  # noqa: E741 - the item asked for
R = TypeVar("R")


@dataclass(frozen=True, eq=False, slots=True)
class Job(Generic[I, R]):
    """One caller's wish, with the trace it belongs to."""

    item: I
    size: int
    result: "asyncio.Future[R]"
    context: Context


Trip = Callable[[Sequence[Job[I, R]]], Awaitable[Sequence[R | Exception]]]


class Batcher(Generic[I, R]):
    """Runs round trips one after another, each for all who have asked meanwhile.

    `trip` gives an outcome for each job, in their order; an exception among them is raised for that caller.
    """

    def __init__(self, trip: Trip[I, R], *, batch: int, batch_bytes: int, waiting: int) -> None:
        self._trip = trip
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._limit = waiting
        self._waiting: deque[Job[I, R]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def ask(self, item: I, size: int = 0) -> R:
        """Go with the next round trip. A caller who is cancelled before it leaves is not taken along."""
        if len(self._waiting) >= self._limit:
            raise LimitExceeded("callers waiting", self._limit)
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(item, size, result, get_current()))
        if self._runner is None:
            # Of no caller's context: it outlives the one who happened to come first.
            self._runner = asyncio.create_task(self._run(), context=Variables())
        return await result

    async def close(self) -> None:
        """Wait for what is under way."""
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
                await self._serve(jobs)
        finally:
            self._runner = None
            # Only a stopped loop gets here with callers left: they are told, not left waiting.
            for job in (*jobs, *self._waiting):
                if not job.result.done():
                    job.result.set_exception(StoreUnavailable())
            self._waiting.clear()

    async def _serve(self, jobs: Sequence[Job[I, R]]) -> None:
        outcomes: Sequence[R | Exception]
        try:
            outcomes = await self._trip(jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers, not to the batcher
            outcomes = [error] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.result.done():
                continue
            if isinstance(outcome, Exception):
                job.result.set_exception(outcome)
            else:
                job.result.set_result(outcome)
