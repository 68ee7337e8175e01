"""Retention: old documents are deleted in bounded batches, never those with unsent events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chassis import retention, telemetry
from chassis.commands import execute
from chassis.retention import Retention
from chassis.store import InboxEntry

pytestmark = pytest.mark.real

OLD, YOUNG = datetime(2020, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
NOW = datetime(2024, 3, 1, tzinfo=UTC)


def run(bench: Any) -> Any:
    table = [Retention(bench.accounts, "state.at", 60)]
    return retention.timer(bench.database.inbox, 30, table, lambda: NOW).handler()


async def put(bench: Any, name: str, at: datetime, *facts: str) -> None:
    await execute(bench.accounts, name, bench.put(1, *facts), bench.request())
    await bench.accounts.collection.update_one({"_id": name}, {"$set": {"state.at": at}})


async def names(bench: Any) -> set[str]:
    return {document["_id"] async for document in bench.accounts.collection.find({}, {"_id": 1})}


async def test_documents_past_their_retention_are_deleted(bench: Any) -> None:
    """Younger ones are kept; one with unsent events is kept until these are sent."""
    await put(bench, "old", OLD)
    await put(bench, "unsent", OLD, "fact")
    await put(bench, "exactly 60 days", NOW - timedelta(days=60))
    await put(bench, "young", YOUNG)

    await run(bench)
    assert await names(bench) == {"unsent", "exactly 60 days", "young"}

    await bench.database.outbox.sent(await bench.database.outbox.unsent(10))
    await run(bench)
    assert await names(bench) == {"exactly 60 days", "young"}


async def test_many_documents_are_deleted_in_batches(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run deletes a bounded number, the oldest first; the next run continues. They are counted."""
    telemetry.install(telemetry.Telemetry("bench", "0"))
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(retention, "MOST_BATCHES", 2)
    for number in range(8):
        await put(bench, str(number), OLD + timedelta(days=number))

    await run(bench)
    assert await names(bench) == {"6", "7"}
    await run(bench)

    assert await names(bench) == set()
    labels = {"collection": "accounts"}
    counted = telemetry.current().registry.get_sample_value("diwan_retention_deleted_total", labels)
    assert counted == 8


async def test_only_parked_messages_are_deleted(bench: Any) -> None:
    """A message that waits for its next attempt is kept, however old."""
    for name, parked, at in (("a", True, OLD), ("b", True, YOUNG), ("c", False, OLD)):
        await bench.database.inbox.put(
            InboxEntry(
                id=name, policy="p", queue="q", headers={}, body=b"", attempt=1, next_at=at, reason="NO",
                at=at, parked=parked,
            )
        )  # fmt: skip

    await run(bench)

    left = [name for name in "abc" if await bench.database.inbox.get(name) is not None]
    assert left == ["b", "c"]
