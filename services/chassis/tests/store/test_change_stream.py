"""The change stream yields the aggregates in which other processes committed events, and no others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from chassis.commands import execute
from chassis.store import Database, Key, StoreUnavailable
from testkit.store import StoreServer

pytestmark = pytest.mark.real


class Follower:
    """Collects the keys of a stream in the background."""

    def __init__(self, database: Database) -> None:
        self.keys: list[Key | None] = []
        self._queue: asyncio.Queue[Key | None] = asyncio.Queue()
        self.task = asyncio.create_task(self._follow(database))

    async def _follow(self, database: Database) -> None:
        async with aclosing(database.change_stream.commits()) as commits:
            async for key in commits:
                self._queue.put_nowait(key)

    async def until(self, count: int) -> list[Key | None]:
        async with asyncio.timeout(30):
            while len(self.keys) < count:
                self.keys.append(await self._queue.get())
        return self.keys


@pytest.fixture
async def follower(bench: Any) -> AsyncIterator[Follower]:
    follower = Follower(bench.database)
    await follower.until(1)
    yield follower
    follower.task.cancel()
    await asyncio.gather(follower.task, return_exceptions=True)


async def test_commits_of_other_processes_are_yielded(
    bench: Any, open_bench: Any, follower: Follower
) -> None:
    """Only creations and changes with events are."""
    other = await open_bench()
    await execute(other.accounts, "a", other.put(1, "one"), other.request())
    await execute(other.accounts, "b", other.put(1), other.request())
    await execute(other.accounts, "b", other.put(1), other.request())
    await execute(other.accounts, "b", other.put(1, "two"), other.request())

    assert await follower.until(3) == [None, ("accounts", "a"), ("accounts", "b")]


async def test_own_commits_and_removals_are_not_yielded(
    bench: Any, open_bench: Any, follower: Follower
) -> None:
    """The relay is notified of own commits in process, and a removal of sent entries is not a commit."""
    other = await open_bench()
    await execute(bench.accounts, "ours", bench.put(1, "one", "two"), bench.request())
    (unsent,) = await other.database.outbox.unsent(10)
    first = type(unsent)(collection=unsent.collection, id=unsent.id, entries=unsent.entries[:1])
    await other.database.outbox.sent([first])
    await bench.database.outbox.sent([unsent])

    await execute(other.accounts, "theirs", other.put(1, "three"), other.request())

    assert await follower.until(2) == [None, ("accounts", "theirs")]


async def test_writes_to_other_collections_are_not_yielded(
    bench: Any, open_bench: Any, follower: Follower
) -> None:
    """Only collections of aggregates are watched."""
    other = await open_bench()
    await bench.accounts.collection.database["notes"].insert_one(
        {"_id": "x", "unsent": 1, "write_token": "foreign-1"}
    )

    await execute(other.accounts, "a", other.put(1, "one"), other.request())

    assert await follower.until(2) == [None, ("accounts", "a")]


async def test_the_stream_contains_only_keys(bench: Any, open_bench: Any, follower: Follower) -> None:
    """The server sends neither states nor events."""
    changes: list[Any] = []
    watch = bench.database._database.watch
    async with watch(bench.database.change_stream._pipeline(), max_await_time_ms=100) as stream:
        other = await open_bench()
        await execute(
            other.accounts, "a", other.put(1, "secret 123456", mobile="+201555000111"), other.request()
        )
        await execute(other.accounts, "a", other.put(1, "secret 123456"), other.request())
        async with asyncio.timeout(30):
            while len(changes) < 2:
                change = await stream.try_next()
                changes += [change] if change else []

    assert [set(change) for change in changes] == [{"_id", "ns", "documentKey"}] * 2
    assert "123456" not in str(changes)
    assert "1555000111" not in str(changes)


async def test_the_stream_of_a_dead_store_fails(open_bench: Any) -> None:
    """The error is StoreUnavailable."""
    server = StoreServer()
    server.start()
    try:
        bench = await open_bench(uri=server.uri)
        follower = Follower(bench.database)
        await follower.until(1)

        await asyncio.to_thread(server.kill)

        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(follower.task, 60)
    finally:
        await asyncio.to_thread(server.close)
