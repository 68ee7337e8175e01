"""A lease has one holder at a time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.real

TTL = timedelta(seconds=10)


def lease(bench: Any, holder: str) -> Any:
    return bench.database.lease("relay", holder=holder, ttl=TTL)


async def test_20_at_once(bench: Any) -> None:
    """Of twenty who want it one gets it."""
    leases = [lease(bench, f"holder {n}") for n in range(20)]

    got = await asyncio.gather(*(each.acquire() for each in leases))

    assert sum(got) == 1
    assert [each.held for each in leases] == got


async def test_runs_out(bench: Any) -> None:
    """A holder that does not renew loses it to the next, and learns so when it renews."""
    first, second = lease(bench, "first"), lease(bench, "second")
    assert await first.acquire()
    assert not await second.acquire()

    bench.clock.move(TTL)

    assert not first.held
    assert await second.acquire()
    assert not await first.renew()
    assert second.held


async def test_renewed(bench: Any) -> None:
    """A holder that renews keeps it."""
    first, second = lease(bench, "first"), lease(bench, "second")
    await first.acquire()

    bench.clock.move(TTL * 0.7)
    assert await first.renew()
    bench.clock.move(TTL * 0.7)

    assert first.held
    assert not await second.acquire()
    assert await first.acquire()


async def test_released(bench: Any) -> None:
    """What is given back is free at once; one cannot give back what another holds."""
    first, second = lease(bench, "first"), lease(bench, "second")
    await first.acquire()

    await second.release()
    assert not await second.acquire()
    await first.release()

    assert not first.held
    assert await second.acquire()
