"""Timers: one process runs them at a time, and runs do not overlap."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis import telemetry
from chassis.timers import Timers, every

from .conftest import eventually

pytestmark = pytest.mark.real

SOON = timedelta(milliseconds=20)


def runs(outcome: str) -> float:
    labels = {"timer": "tick", "outcome": outcome}
    return telemetry.current().registry.get_sample_value("diwan_timer_runs_total", labels) or 0.0


async def test_runs_are_repeated_without_overlap(bench: Any) -> None:
    """Each run has its own trace."""
    running, most, times = 0, 0, 0

    async def tick() -> None:
        nonlocal running, most, times
        running, times = running + 1, times + 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    await bench.run(Timers(await bench.database("notary"), [every("tick", SOON, tick)], holder="a"))

    await eventually(lambda: times >= 3)
    assert most == 1
    roots = [span for span in bench.spans.get_finished_spans() if span.name == "timer tick"]
    assert len({span.context.trace_id for span in roots}) == len(roots) >= 2
    assert all(span.parent is None for span in roots)


async def test_a_failed_run_is_counted_and_the_next_follows(bench: Any) -> None:
    """A run that fails or exceeds its limit does not end the timer."""
    times = 0

    async def tick() -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise RuntimeError
        if times == 2:
            await asyncio.sleep(60)

    timer = every("tick", SOON, tick, limit=timedelta(milliseconds=100))
    await bench.run(Timers(await bench.database("notary"), [timer], holder="a"))

    await eventually(lambda: times >= 3)
    assert runs("failed") == 2


async def test_one_process_runs_the_timers(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it stops, the other process takes over."""
    monkeypatch.setattr("chassis.timers.TTL", timedelta(minutes=5))  # longer than any delay of a busy machine
    runners: list[str] = []

    def timers(name: str, database: Any) -> Timers:
        async def tick() -> None:
            runners.append(name)

        return Timers(database, [every("tick", SOON, tick)], holder=f"{name}-{uuid4().hex}")

    database = await bench.database("notary")
    first = await bench.run(timers("first", database))
    await eventually(lambda: len(runners) > 3)
    await bench.run(timers("second", database))
    await asyncio.sleep(0.3)
    assert set(runners) == {"first"}

    await bench.end(first)

    await eventually(lambda: "second" in runners)


async def test_stop_waits_for_the_current_run(bench: Any) -> None:
    """The run is finished before the timers stop."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def tick() -> None:
        started.set()
        await asyncio.sleep(0.2)
        ended.set()

    timers = await bench.run(Timers(await bench.database("notary"), [every("tick", SOON, tick)], holder="a"))
    await started.wait()

    await timers.stop()

    assert ended.is_set()


def test_a_timer_needs_a_period() -> None:
    """A timer without a period would run without pause."""

    async def tick() -> None:
        pass

    with pytest.raises(ValueError, match="period"):
        every("tick", timedelta(), tick)
