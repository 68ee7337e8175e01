"""The inbox keeps failed messages until they succeed, or until an operator replays or discards them."""

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


async def test_a_redelivered_message_is_stored_once(bench: Any) -> None:
    """The first entry is unchanged."""
    first = entry(bench)

    assert await bench.database.inbox.put(first)
    assert not await bench.database.inbox.put(entry(bench, attempt=0))

    assert await bench.database.inbox.get(first.id) == first


async def test_due_entries_are_returned_by_time(bench: Any) -> None:
    """Later and parked entries are not returned."""
    inbox = bench.database.inbox
    now = bench.clock()
    await inbox.put(entry(bench, "late", next_at=now))
    await inbox.put(entry(bench, "early", next_at=now - timedelta(seconds=5)))
    await inbox.put(entry(bench, "future", next_at=now + timedelta(seconds=5)))
    await inbox.put(entry(bench, "parked", next_at=now, parked=True))

    due = await inbox.due(10)

    assert [item.id for item in due] == ["count/early", "count/late"]


async def test_an_entry_is_retried_parked_replayed_and_deleted(bench: Any) -> None:
    """This is the life cycle of a failing message that an operator replays."""
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


async def test_parked_entries_are_listed_in_pages(bench: Any) -> None:
    """The size of a page is limited."""
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


async def test_a_parked_secret_expires(bench: Any) -> None:
    """It is not returned after its expiry, and an index lets the server remove it."""
    inbox = bench.database.inbox
    await inbox.put(entry(bench, parked=True, expires=bench.clock() + timedelta(minutes=5)))
    assert await inbox.count(parked=True) == 1

    bench.clock.move(timedelta(minutes=5))

    assert await inbox.get("count/1") is None
    assert (await inbox.page(parked=True)).items == []
    indexes = await bench.accounts.collection.database["inbox"].index_information()
    assert indexes["expires"]["expireAfterSeconds"] == 0
