"""A lease has one holder at a time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.real

TTL = timedelta(seconds=10)


def lease(bench: Any, holder: str) -> Any:
    return bench.database.lease("relay", holder=holder, ttl=TTL)


async def test_one_of_20_concurrent_holders_acquires_the_lease(bench: Any) -> None:
    """The others do not hold it."""
    leases = [lease(bench, f"holder {n}") for n in range(20)]

    acquired = await asyncio.gather(*(each.acquire() for each in leases))

    assert sum(acquired) == 1
    assert [each.held for each in leases] == acquired


async def test_a_lease_expires(bench: Any) -> None:
    """Another holder can acquire it, and the first one cannot renew it."""
    first, second = lease(bench, "first"), lease(bench, "second")
    assert await first.acquire()
    assert not await second.acquire()

    bench.clock.move(TTL)

    assert not first.held
    assert await second.acquire()
    assert not await first.renew()
    assert second.held


async def test_a_renewed_lease_is_kept(bench: Any) -> None:
    """Its time starts again with each renewal."""
    first, second = lease(bench, "first"), lease(bench, "second")
    await first.acquire()

    bench.clock.move(TTL * 0.7)
    assert await first.renew()
    bench.clock.move(TTL * 0.7)

    assert first.held
    assert not await second.acquire()
    assert await first.acquire()


async def test_a_released_lease_is_free(bench: Any) -> None:
    """Only its holder can release it."""
    first, second = lease(bench, "first"), lease(bench, "second")
    await first.acquire()

    await second.release()
    assert not await second.acquire()
    await first.release()

    assert not first.held
    assert await second.acquire()
