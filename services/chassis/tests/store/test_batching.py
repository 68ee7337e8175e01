"""Loads and saves share round trips, and each caller gets its own result."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from chassis.commands import execute
from chassis.store import Conflict, Duplicate, Loaded, Saved, StoreUnavailable, Unstorable
from testkit.store import StoreServer

pytestmark = pytest.mark.real


def count_trips(bench: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the bench's batches of saves, as they go."""
    sizes: list[int] = []
    write = bench.accounts._write

    async def counted(writes: Any) -> Any:
        sizes.append(len(writes))
        return await write(writes)

    monkeypatch.setattr(bench.accounts, "_write", counted)
    return sizes


async def test_50_commands_on_one_aggregate(bench: Any) -> None:
    """Fifty commands on one aggregate all have their effect, each with the answer of its own turn."""
    answers = await asyncio.gather(
        *(
            execute(bench.accounts, "a", bench.put(1, f"fact {n}", note=f"{n}"), bench.request())
            for n in range(50)
        )
    )

    document = await bench.document("a")
    assert sorted(answer.value for answer in answers) == list(range(1, 51))
    assert [document["state"]["notes"][answer.value - 1] for answer in answers] == [str(n) for n in range(50)]
    assert [entry["data"] for entry in document["outbox"]] == [
        f"fact {n}" for n in document["state"]["notes"]
    ]
    assert [entry["sequence"] for entry in document["outbox"]] == list(range(1, 51))


async def test_50_commands_on_50_aggregates(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty commands on fifty aggregates share round trips, and none gets another's answer."""
    sizes = count_trips(bench, monkeypatch)

    answers = await asyncio.gather(
        *(execute(bench.accounts, f"a{n}", bench.put(n, note=f"{n}"), bench.request()) for n in range(50))
    )

    assert [answer.value for answer in answers] == list(range(50))
    assert [(await bench.state(f"a{n}")).notes for n in range(50)] == [(str(n),) for n in range(50)]
    assert sum(sizes) == 50
    assert len(sizes) <= 5


async def test_alone_waits_for_nobody(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single command goes by itself."""
    sizes = count_trips(bench, monkeypatch)

    await execute(bench.accounts, "a", bench.put(1), bench.request())

    assert sizes == [1]


async def test_two_processes_on_one_aggregate(bench: Any, open_bench: Any) -> None:
    """Commands of two processes on one aggregate interleave without losing one."""
    another = await open_bench()

    await asyncio.gather(
        *(
            execute(side.accounts, "a", bench.put(1), bench.request())
            for side in (bench, another)
            for _ in range(10)
        )
    )

    assert (await bench.state("a")).balance == 20
    assert (await bench.document("a"))["version"] == 20


async def test_one_winner_in_one_batch(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fifty saves of one version in one round trip one wins, and it is the one whose state is kept."""
    await execute(bench.accounts, "a", bench.put(0), bench.request())
    base = await bench.accounts.load("a")
    sizes = count_trips(bench, monkeypatch)

    outcomes = await asyncio.gather(
        *(bench.accounts.save(bench.change("a", base, bench.account(balance=n))) for n in range(1, 51)),
        return_exceptions=True,
    )

    winners = [n for n, outcome in enumerate(outcomes, start=1) if isinstance(outcome, Saved)]
    assert sizes == [50]
    assert winners == [(await bench.state("a")).balance]
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 49


async def test_mix_in_one_batch(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Creations, updates, stale updates and duplicates in one round trip: each caller learns its own fate."""
    for name in ("held", "kept", "stale"):
        await execute(bench.accounts, name, bench.put(0, mobile=f"mobile of {name}"), bench.request())
    stale = await bench.accounts.load("stale")
    await execute(bench.accounts, "stale", bench.put(1), bench.request())
    kept = await bench.accounts.load("kept")
    account = bench.account
    sizes = count_trips(bench, monkeypatch)

    outcomes = await asyncio.gather(
        bench.accounts.save(bench.change("new", None, account(balance=1))),
        bench.accounts.save(bench.change("held", None, account(balance=2))),
        bench.accounts.save(bench.change("stale", stale, account(balance=3))),
        bench.accounts.save(bench.change("kept", kept, account(balance=4))),
        bench.accounts.save(bench.change("thief", None, account(mobile="mobile of held"))),
        bench.accounts.save(bench.change("kept", kept, account(mobile="mobile of held"))),
        bench.accounts.save(bench.change("new too", None, account(balance=5))),
        bench.accounts.save(bench.change("broken", None, account(balance=2**70))),
        return_exceptions=True,
    )

    fates = [
        (type(outcome), getattr(outcome, "index", "") or getattr(outcome, "version", ""))
        for outcome in outcomes
    ]
    assert sizes == [7]
    assert fates[0] == (Saved, 1)
    assert fates[1] == (Duplicate, "_id")
    assert fates[2][0] is Conflict
    assert fates[3] == (Saved, 2)
    assert fates[4] == (Duplicate, "mobile")
    assert fates[5][0] in {Conflict, Duplicate}
    assert fates[6] == (Saved, 1)
    assert fates[7][0] is Unstorable
    assert [(await bench.state(name)).balance for name in ("new", "held", "stale", "kept", "new too")] == [
        1,
        0,
        1,
        4,
        5,
    ]


async def test_unreadable_document(bench: Any) -> None:
    """A document that cannot be read fails who asked for it and nobody who asked at the same time."""
    await execute(bench.accounts, "good", bench.put(1), bench.request())
    await execute(bench.accounts, "bad", bench.put(1), bench.request())
    await bench.accounts.collection.update_one({"_id": "bad"}, {"$set": {"state.notes": 7}})

    outcomes = await asyncio.gather(
        *(bench.accounts.load(name) for name in ("good", "bad", "none", "good")), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [Loaded, Unstorable, type(None), Loaded]


async def test_cancelled_caller(bench: Any) -> None:
    """A caller who gives up takes nobody else along."""
    tasks = [
        asyncio.create_task(execute(bench.accounts, f"a{n}", bench.put(n), bench.request()))
        for n in range(10)
    ]
    await asyncio.sleep(0)

    tasks[3].cancel()
    outcomes: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(outcomes[3], asyncio.CancelledError)
    assert [outcome.value for n, outcome in enumerate(outcomes) if n != 3] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


@asynccontextmanager
async def mortal_bench(open_bench: Any) -> Any:
    """A bench on a server of its own, which may be killed."""
    server = StoreServer()
    try:
        server.start()
        yield server, await open_bench(uri=server.uri)
    finally:
        server.close()


async def test_server_dies_in_the_middle(open_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands under way when the server is killed all have one effect and their own answer once it is back."""
    monkeypatch.setattr("chassis.commands.run.STORE_TIMEOUT_SECONDS", 60.0)  # a start takes its time
    async with mortal_bench(open_bench) as (server, bench):
        loop = asyncio.get_running_loop()

        async def commands(worker: int) -> list[int]:
            answers = []
            for n in range(20):
                request = bench.request()
                answer = await execute(bench.accounts, f"a{worker}", bench.put(1, f"fact {n}"), request)
                answers.append(answer.value)
            return answers

        running = asyncio.gather(*(commands(worker) for worker in range(10)))
        while len(bench.committed) < 20:  # noqa: ASYNC110 -- a list tells nobody that it grows
            await asyncio.sleep(0.001)
        assert not running.done()
        await loop.run_in_executor(None, server.kill)
        await loop.run_in_executor(None, server.start)
        answers = await running

        assert answers == [list(range(1, 21))] * 10
        for worker in range(10):
            document = await bench.document(f"a{worker}")
            assert (document["state"]["balance"], document["version"]) == (20, 20)
            assert [entry["sequence"] for entry in document["outbox"]] == list(range(1, 21))
        told = {entry.id for unsent in bench.committed for entry in unsent.entries}
        assert len(told) == 200


async def test_server_stays_dead(open_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits longer than a command's patience is told that the store is away."""
    monkeypatch.setattr("chassis.commands.run.STORE_TIMEOUT_SECONDS", 0.1)
    async with mortal_bench(open_bench) as (server, bench):
        await execute(bench.accounts, "a", bench.put(1), bench.request())
        server.kill()

        outcomes = await asyncio.gather(
            *(execute(bench.accounts, f"a{n}", bench.put(1), bench.request()) for n in range(5)),
            return_exceptions=True,
        )

        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 5
        assert len({id(outcome) for outcome in outcomes}) == 5


async def test_answer_lost_on_the_way(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that happened although its answer was lost is settled by the aggregate's memory, and announced."""
    save_all = bench.accounts._save_all
    lost = 0

    async def losing(jobs: Any) -> Any:
        nonlocal lost
        await save_all(jobs)
        lost += 1
        await asyncio.sleep(0)
        bench.committed.clear()
        return [StoreUnavailable() for _ in jobs]

    monkeypatch.setattr(bench.accounts._saves, "_round_trip", losing)
    answers = await asyncio.gather(
        *(execute(bench.accounts, f"a{n}", bench.put(n, "fact"), bench.request()) for n in range(5))
    )

    assert lost >= 1
    assert [answer.value for answer in answers] == list(range(5))
    assert [(await bench.document(f"a{n}"))["version"] for n in range(5)] == [1] * 5
    assert {unsent.id for unsent in bench.committed} == {f"a{n}" for n in range(5)}


async def test_waits_for_a_server_that_starts_late(open_bench: Any) -> None:
    """A service that starts before its store waits for it, and gives up in the end."""
    server = StoreServer()
    try:
        with pytest.raises(StoreUnavailable):
            await open_bench(uri=server.uri, timeout=timedelta(seconds=0.1))
        opening = asyncio.create_task(open_bench(uri=server.uri))
        await asyncio.get_running_loop().run_in_executor(None, server.start)

        bench = await opening

        await bench.database.ping()
    finally:
        server.close()
