"""Batching: loads and saves share round trips, and each caller receives its own result."""

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
    """Record the sizes of the bench's batches of saves in the returned list."""
    sizes: list[int] = []
    write = bench.accounts._write

    async def counted(writes: Any) -> Any:
        sizes.append(len(writes))
        return await write(writes)

    monkeypatch.setattr(bench.accounts, "_write", counted)
    return sizes


async def test_50_commands_on_one_aggregate_all_have_their_effect(bench: Any) -> None:
    """Each receives the answer of its own version."""
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


async def test_50_commands_on_50_aggregates_share_round_trips(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each receives its own answer."""
    sizes = count_trips(bench, monkeypatch)

    answers = await asyncio.gather(
        *(execute(bench.accounts, f"a{n}", bench.put(n, note=f"{n}"), bench.request()) for n in range(50))
    )

    assert [answer.value for answer in answers] == list(range(50))
    assert [(await bench.state(f"a{n}")).notes for n in range(50)] == [(str(n),) for n in range(50)]
    assert sum(sizes) == 50
    assert len(sizes) <= 5


async def test_a_single_command_does_not_wait(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a batch of its own."""
    sizes = count_trips(bench, monkeypatch)

    await execute(bench.accounts, "a", bench.put(1), bench.request())

    assert sizes == [1]


async def test_commands_of_two_processes_on_one_aggregate_are_all_applied(
    bench: Any, open_bench: Any
) -> None:
    """They interleave without a lost update."""
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


async def test_one_of_50_saves_of_one_version_succeeds(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are in one round trip, and the stored state is that of the successful one."""
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


async def test_each_caller_of_a_mixed_batch_receives_its_own_result(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Creations, updates, stale updates and duplicates are in one round trip."""
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

    results = [
        (type(outcome), getattr(outcome, "index", "") or getattr(outcome, "version", ""))
        for outcome in outcomes
    ]
    assert sizes == [7]
    assert results[0] == (Saved, 1)
    assert results[1] == (Duplicate, "_id")
    assert results[2][0] is Conflict
    assert results[3] == (Saved, 2)
    assert results[4] == (Duplicate, "mobile")
    assert results[5][0] in {Conflict, Duplicate}
    assert results[6] == (Saved, 1)
    assert results[7][0] is Unstorable
    assert [(await bench.state(name)).balance for name in ("new", "held", "stale", "kept", "new too")] == [
        1,
        0,
        1,
        4,
        5,
    ]


async def test_an_unreadable_document_fails_only_its_own_load(bench: Any) -> None:
    """Other loads of the batch succeed."""
    await execute(bench.accounts, "good", bench.put(1), bench.request())
    await execute(bench.accounts, "bad", bench.put(1), bench.request())
    await bench.accounts.collection.update_one({"_id": "bad"}, {"$set": {"state.notes": 7}})

    outcomes = await asyncio.gather(
        *(bench.accounts.load(name) for name in ("good", "bad", "none", "good")), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [Loaded, Unstorable, type(None), Loaded]


async def test_a_cancelled_caller_does_not_affect_others(bench: Any) -> None:
    """The other commands of the batch are answered."""
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
async def bench_on_own_server(open_bench: Any) -> Any:
    """Open a bench on its own server, which a test may kill."""
    server = StoreServer()
    try:
        server.start()
        yield server, await open_bench(uri=server.uri)
    finally:
        server.close()


async def test_commands_survive_a_restart_of_the_server(
    open_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command in progress at the kill has one effect and its own answer once the server is back."""
    monkeypatch.setattr(
        "chassis.commands.run.STORE_TIMEOUT_SECONDS", 60.0
    )  # enough for a start of the server
    async with bench_on_own_server(open_bench) as (server, bench):
        loop = asyncio.get_running_loop()

        async def commands(worker: int) -> list[int]:
            answers = []
            for n in range(20):
                request = bench.request()
                answer = await execute(bench.accounts, f"a{worker}", bench.put(1, f"fact {n}"), request)
                answers.append(answer.value)
            return answers

        running = asyncio.gather(*(commands(worker) for worker in range(10)))
        while len(bench.committed) < 20:  # noqa: ASYNC110 -- a list sends no notification
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
        event_ids = {entry.id for unsent in bench.committed for entry in unsent.entries}
        assert len(event_ids) == 200


async def test_commands_fail_when_the_server_stays_away(
    open_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fails with StoreUnavailable after the time limit of a command."""
    monkeypatch.setattr("chassis.commands.run.STORE_TIMEOUT_SECONDS", 0.1)
    async with bench_on_own_server(open_bench) as (server, bench):
        await execute(bench.accounts, "a", bench.put(1), bench.request())
        server.kill()

        outcomes = await asyncio.gather(
            *(execute(bench.accounts, f"a{n}", bench.put(1), bench.request()) for n in range(5)),
            return_exceptions=True,
        )

        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 5
        assert len({id(outcome) for outcome in outcomes}) == 5


async def test_a_save_with_a_lost_answer_has_one_effect(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The aggregate's memory answers the command, and its events are announced."""
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


async def test_open_waits_for_a_server_that_starts_late(open_bench: Any) -> None:
    """It fails after its time limit."""
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
