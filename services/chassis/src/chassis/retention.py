"""Retention: histories lose their oldest documents after a time that a setting gives (docs/retention.md)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from chassis import log, telemetry
from chassis.store import Aggregates, Inbox
from chassis.store.deletion import SENT, delete_older
from chassis.timers import Timer, every
from chassis.times import Clock

PERIOD: Final = timedelta(hours=1)
BATCH: Final = 500
MOST_BATCHES: Final = 200
"""Deletions of one collection in one run; the next run continues."""

Delete = Callable[[int], Awaitable[int]]
_log = log.get(__name__)


@dataclass(frozen=True)
class Retention:
    """The retention of one collection of aggregates.

    Attributes:
        aggregates: the collection, with an index on `field`. Documents with unsent events are kept until these are
            sent.
        field: document field with the time from which the age counts: `state.create_time`.
        days: the age at which a document is deleted.
    """

    aggregates: Aggregates[Any]
    field: str
    days: int


def timer(inbox: Inbox, parked_days: int, table: Sequence[Retention], clock: Clock) -> Timer:
    """The timer that deletes what is past its retention: parked messages, and documents of the given collections."""
    deletions: dict[str, Callable[[], Delete]] = {
        "inbox": lambda: partial(inbox.delete_parked, clock() - timedelta(days=parked_days))
    }
    for each in table:
        deletions[each.aggregates.name] = partial(_deletion, each, clock)
    return every("retention", PERIOD, partial(_run, deletions))


def _deletion(retention: Retention, clock: Clock) -> Delete:
    before = clock() - timedelta(days=retention.days)

    async def delete(limit: int) -> int:
        collection = retention.aggregates.collection
        return await delete_older(collection, retention.field, before, where=SENT, limit=limit)

    return delete


async def _run(deletions: dict[str, Callable[[], Delete]]) -> None:
    deleted = telemetry.current().counter(
        "diwan_retention_deleted", "Documents deleted after their retention", ("collection",)
    )
    for name, prepare in deletions.items():
        delete, total = prepare(), 0
        for _ in range(MOST_BATCHES):
            number = await delete(BATCH)
            total += number
            deleted.labels(name).inc(number)
            if number < BATCH:
                break
        if total:
            _log.info("documents deleted after their retention", collection=name, documents=total)
