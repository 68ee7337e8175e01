"""The relay finds what is unsent, and takes out what was confirmed, beside the commands."""

import asyncio
from typing import Any

import pytest
from chassis.commands import execute
from chassis.store import LimitExceeded, Unsent, dataclass_codec

pytestmark = pytest.mark.real


def data(unsent: list[Unsent]) -> dict[str, list[str]]:
    return {item.id: [entry.data for entry in item.entries] for item in unsent}


async def test_finds_what_is_unsent(bench: Any) -> None:
    """Aggregates with something to send are found with their entries in order, others are not."""
    await execute(bench.accounts, "a", bench.put(1, "one", "two"), bench.request())
    await execute(bench.accounts, "b", bench.put(1), bench.request())
    await execute(bench.accounts, "c", bench.put(1, "three"), bench.request())

    found = await bench.database.outbox.unsent(10)

    assert data(found) == {"a": ["one", "two"], "c": ["three"]}
    assert len(await bench.database.outbox.unsent(1)) == 1


async def test_sent_entries_leave_without_a_new_version(bench: Any) -> None:
    """What was confirmed leaves the outbox; the version stays."""
    await execute(bench.accounts, "a", bench.put(1, "one", "two"), bench.request())
    before = await bench.document("a")
    (unsent,) = await bench.database.outbox.unsent(10)

    await bench.database.outbox.sent([unsent])

    after = await bench.document("a")
    assert after == before | {"outbox": [], "unsent": 0}
    assert await bench.database.outbox.unsent(10) == []


async def test_sent_twice(bench: Any) -> None:
    """Taking out the same entries again, or some of them with others, counts nothing twice."""
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


async def test_what_was_sent_is_kept_nowhere(bench: Any) -> None:
    """Texts and codes that went out as commands lie in no collection afterwards."""
    await execute(bench.accounts, "a", bench.put(1, "secret 123456", "open"), bench.request())
    (unsent,) = await bench.database.outbox.unsent(10)

    await bench.database.outbox.sent([unsent])

    database = bench.accounts.collection.database
    for name in await database.list_collection_names():
        assert "123456" not in str(await database[name].find({}).to_list(100)), name


async def test_beside_commands(bench: Any) -> None:
    """A relay that takes out while commands save loses no entry, doubles none, and hinders no command."""
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


async def test_chosen_aggregates(bench: Any) -> None:
    """The outboxes of some aggregates can be read by themselves; those with nothing to send are left out."""
    await execute(bench.accounts, "a", bench.put(1, "one"), bench.request())
    await execute(bench.accounts, "b", bench.put(1), bench.request())
    await execute(bench.accounts, "c", bench.put(1, "two"), bench.request())

    found = await bench.database.outbox.of([("accounts", "a"), ("accounts", "b"), ("accounts", "none")])

    assert data(found) == {"a": ["one"]}
    assert await bench.database.outbox.of([]) == []


async def test_what_is_never_sent_hides_nothing(bench: Any) -> None:
    """Pages go round over all collections, so that every aggregate is found though none is ever sent."""
    cards = await bench.database.aggregates("cards", dataclass_codec(bench.account))
    for n in range(5):
        # Some have one event to send, some two: the order is by both count and id.
        await execute(bench.accounts, f"a{n}", bench.put(1, *["fact"] * (1 + n % 2)), bench.request())
        await execute(cards, f"c{n}", bench.put(1, "fact"), bench.request())

    pages = [await bench.database.outbox.unsent(3) for _ in range(8)]

    ids = [[unsent.id for unsent in page] for page in pages]
    every = {f"{kind}{n}" for kind in "ac" for n in range(5)}
    # 10 aggregates, 3 at a time: four pages that follow each other hold all, wherever they begin.
    assert all(set().union(*ids[first : first + 4]) == every for first in range(5))
    assert all(len(set(page)) == 3 for page in ids)
    assert len(await bench.database.outbox.unsent(100)) == 10


async def test_page_has_an_end(bench: Any) -> None:
    """Nobody reads all outboxes at once."""
    with pytest.raises(LimitExceeded):
        await bench.database.outbox.unsent(100_000)
