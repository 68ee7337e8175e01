"""The inbox holds what did not go well until it does, or a person has looked at it."""

from datetime import timedelta
from typing import Any

import pytest
from chassis.pages import PageTokenInvalid
from chassis.store import InboxEntry, LimitExceeded

pytestmark = pytest.mark.real


def entry(bench: Any, name: str = "1", **changes: Any) -> InboxEntry:
    fields: dict[str, Any] = {
        "id": f"count/{name}",
        "policy": "count",
        "queue": "bench.bench.account",
        "headers": {"cloudEvents_id": name, "cloudEvents_sequence": "3"},
        "body": b"{}",
        "attempt": 1,
        "next_at": bench.clock() + timedelta(seconds=10),
        "reason": "STORE_UNAVAILABLE",
        "at": bench.clock(),
    }
    return InboxEntry(**(fields | changes))


async def test_put_twice(bench: Any) -> None:
    """A message that is delivered again while it waits is kept once, as it was."""
    first = entry(bench)

    assert await bench.database.inbox.put(first)
    assert not await bench.database.inbox.put(entry(bench, attempt=0))

    assert await bench.database.inbox.get(first.id) == first


async def test_due(bench: Any) -> None:
    """What is due comes by its time; what is not, or is parked, does not."""
    inbox = bench.database.inbox
    now = bench.clock()
    await inbox.put(entry(bench, "late", next_at=now))
    await inbox.put(entry(bench, "early", next_at=now - timedelta(seconds=5)))
    await inbox.put(entry(bench, "future", next_at=now + timedelta(seconds=5)))
    await inbox.put(entry(bench, "parked", next_at=now, parked=True))

    found = await inbox.due(10)

    assert [item.id for item in found] == ["count/early", "count/late"]


async def test_retry_park_replay_delete(bench: Any) -> None:
    """A message that fails waits longer, is parked, is replayed by a person, and is gone when it succeeded."""
    inbox, item = bench.database.inbox, entry(bench)
    await inbox.put(item)
    later = bench.clock() + timedelta(minutes=1)

    assert await inbox.retry(item.id, attempt=2, next_at=later, reason="AGAIN")
    assert (await inbox.get(item.id)).next_at == later
    assert not await inbox.replay(item.id)
    assert await inbox.park(item.id, attempt=3, reason="ENOUGH")
    assert (await inbox.count(parked=True), await inbox.count(parked=False)) == (1, 0)
    assert [parked.reason for parked in (await inbox.page(parked=True)).items] == ["ENOUGH"]
    assert await inbox.replay(item.id)
    assert [(due.id, due.attempt) for due in await inbox.due(10)] == [(item.id, 0)]
    assert await inbox.delete(item.id)

    assert await inbox.get(item.id) is None
    assert not await inbox.delete(item.id)
    assert not await inbox.retry(item.id, attempt=2, next_at=later, reason="AGAIN")


async def test_pages(bench: Any) -> None:
    """Parked messages are listed page by page, and no page is without end."""
    inbox = bench.database.inbox
    for name in "abcde":
        await inbox.put(entry(bench, name, parked=True))

    first = await inbox.page(parked=True, page_size=3)
    second = await inbox.page(parked=True, page_size=3, page_token=first.next_page_token)

    assert [item.id[-1] for item in (*first.items, *second.items)] == list("abcde")
    assert second.next_page_token == ""
    with pytest.raises(PageTokenInvalid):
        await inbox.page(parked=False, page_token=first.next_page_token)
    with pytest.raises(LimitExceeded):
        await inbox.page(parked=True, page_size=10_000)


async def test_secret_expires(bench: Any) -> None:
    """A parked secret is not shown beyond its time, and the server has been told to remove it."""
    inbox = bench.database.inbox
    await inbox.put(entry(bench, parked=True, expires=bench.clock() + timedelta(minutes=5)))
    assert await inbox.count(parked=True) == 1

    bench.clock.move(timedelta(minutes=5))

    assert await inbox.get("count/1") is None
    assert (await inbox.page(parked=True)).items == []
    indexes = await bench.accounts.collection.database["inbox"].index_information()
    assert indexes["expires"]["expireAfterSeconds"] == 0
