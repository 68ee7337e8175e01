"""The outbox: the relay finds unsent entries and removes confirmed ones, concurrently with commands."""

import asyncio
from typing import Any

import pytest
from chassis.commands import execute
from chassis.store import LimitExceeded, Unsent, dataclass_codec

pytestmark = pytest.mark.real


def data(unsent: list[Unsent]) -> dict[str, list[str]]:
    return {item.id: [entry.data for entry in item.entries] for item in unsent}


async def test_unsent_entries_are_found(bench: Any) -> None:
    """The entries of an aggregate are in order; aggregates without any are not returned."""
    await execute(bench.accounts, "a", bench.put(1, "one", "two"), bench.request())
    await execute(bench.accounts, "b", bench.put(1), bench.request())
    await execute(bench.accounts, "c", bench.put(1, "three"), bench.request())

    found = await bench.database.outbox.unsent(10)

    assert data(found) == {"a": ["one", "two"], "c": ["three"]}
    assert len(await bench.database.outbox.unsent(1)) == 1


async def test_sent_entries_are_removed_without_a_new_version(bench: Any) -> None:
    """Confirmed entries leave the outbox; the version of the document is unchanged."""
    await execute(bench.accounts, "a", bench.put(1, "one", "two"), bench.request())
    before = await bench.document("a")
    (unsent,) = await bench.database.outbox.unsent(10)

    await bench.database.outbox.sent([unsent])

    after = await bench.document("a")
    assert after == before | {"outbox": [], "unsent": 0}
    assert await bench.database.outbox.unsent(10) == []


async def test_a_repeated_removal_counts_once(bench: Any) -> None:
    """The same entries are removed again, alone and with others."""
    await execute(bench.accounts, "a", bench.put(1, "one", "two"), bench.request())
    (first,) = await bench.database.outbox.unsent(10)
    await bench.database.outbox.sent([first])
    await execute(bench.accounts, "a", bench.put(1, "three", "four"), bench.request())
    (second,) = await bench.database.outbox.unsent(10)

    both = Unsent(collection="accounts", id="a", entries=(*first.entries, second.entries[0]))
    await bench.database.outbox.sent([first, both])
    await bench.database.outbox.sent([both])

    assert data(await bench.database.outbox.unsent(10)) == {"a": ["four"]}
    assert (await bench.document("a"))["unsent"] == 1


async def test_sent_entries_are_kept_in_no_collection(bench: Any) -> None:
    """Commands contain texts and codes."""
    await execute(bench.accounts, "a", bench.put(1, "secret 123456", "open"), bench.request())
    (unsent,) = await bench.database.outbox.unsent(10)

    await bench.database.outbox.sent([unsent])

    database = bench.accounts.collection.database
    for name in await database.list_collection_names():
        assert "123456" not in str(await database[name].find({}).to_list(100)), name


async def test_removals_during_commands_lose_nothing(bench: Any) -> None:
    """Each entry is sent once, and every command succeeds."""
    done = asyncio.Event()
    sent: list[int] = []

    async def relay() -> None:
        while not done.is_set() or await bench.database.outbox.unsent(10):
            found = await bench.database.outbox.unsent(10)
            await bench.database.outbox.sent(found)
            sent.extend(entry.sequence for unsent in found for entry in unsent.entries)

    relaying = asyncio.create_task(relay())
    for n in range(40):
        await execute(bench.accounts, "a", bench.put(1, f"fact {n}"), bench.request())
    done.set()
    await relaying

    document = await bench.document("a")
    assert sent == list(range(1, 41))
    assert (document["version"], document["outbox"], document["unsent"]) == (40, [], 0)


async def test_the_outboxes_of_given_aggregates_are_read(bench: Any) -> None:
    """Those without unsent entries are left out."""
    await execute(bench.accounts, "a", bench.put(1, "one"), bench.request())
    await execute(bench.accounts, "b", bench.put(1), bench.request())
    await execute(bench.accounts, "c", bench.put(1, "two"), bench.request())

    found = await bench.database.outbox.of([("accounts", "a"), ("accounts", "b"), ("accounts", "none")])

    assert data(found) == {"a": ["one"]}
    assert await bench.database.outbox.of([]) == []


async def test_unsendable_entries_hide_no_others(bench: Any) -> None:
    """Pages rotate over all collections, so that every aggregate is found even if none is ever sent."""
    cards = await bench.database.aggregates("cards", dataclass_codec(bench.account))
    for n in range(5):
        # Some have one unsent event, some two, because the order is by count and id.
        await execute(bench.accounts, f"a{n}", bench.put(1, *["fact"] * (1 + n % 2)), bench.request())
        await execute(cards, f"c{n}", bench.put(1, "fact"), bench.request())

    pages = [await bench.database.outbox.unsent(3) for _ in range(8)]

    ids = [[unsent.id for unsent in page] for page in pages]
    every = {f"{kind}{n}" for kind in "ac" for n in range(5)}
    # 10 aggregates, 3 per page: any four consecutive pages contain all of them.
    assert all(set().union(*ids[first : first + 4]) == every for first in range(5))
    assert all(len(set(page)) == 3 for page in ids)
    assert len(await bench.database.outbox.unsent(100)) == 10


async def test_the_size_of_a_page_is_limited(bench: Any) -> None:
    """All outboxes cannot be read at once."""
    with pytest.raises(LimitExceeded):
        await bench.database.outbox.unsent(100_000)
