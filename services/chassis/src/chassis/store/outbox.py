"""The outboxes as the relay uses them: find unsent events, remove confirmed ones."""

from collections.abc import Callable, Collection, Sequence

from motor.motor_asyncio import AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import UpdateOne

from chassis.store.document import Document
from chassis.store.driver import translated
from chassis.store.envelope import Key, Unsent, unsent_of
from chassis.store.errors import LimitExceeded
from chassis.store.indexes import Index

# A partial index of documents with unsent events, so that a search after a crash reads no others.
# With the id the order is total, so that a search can be continued.
UNSENT_INDEX = Index(name="unsent_in_order", keys=(("unsent", 1), ("_id", 1)), where={"unsent": {"$gt": 0}})

_PAGE = 1000


class Outbox:
    """The outboxes of all aggregates of one database; see `Database.outbox`.

    Args:
        database: the database.
        collections: returns the names of its collections of aggregates.
    """

    def __init__(
        self, database: "AsyncIOMotorDatabase[Document]", collections: Callable[[], Sequence[str]]
    ) -> None:
        self._database = database
        self._collections = collections
        # Position after the last full page: collection, unsent, id.
        self._reached: tuple[str, int, str] | None = None

    async def unsent(self, limit: int) -> list[Unsent]:
        """At most `limit` aggregates with unsent events.

        Each call continues after the last full page and wraps around at the end, so that aggregates that cannot be
        sent do not block the others.

        Raises:
            LimitExceeded: the limit is over 1000.
            StoreUnavailable: the server does not respond.
        """
        _check_page(limit)
        page: dict[Key, Unsent] = {}
        reached = None
        with translated():
            for name, where in self._round():
                cursor = self._database[name].find(where, {"outbox": 1, "unsent": 1})
                cursor = cursor.sort([("unsent", 1), ("_id", 1)]).limit(limit - len(page))
                for document in await cursor.to_list(limit):
                    page.setdefault((name, document["_id"]), unsent_of(name, document))
                    reached = (name, document["unsent"], document["_id"])
                if len(page) >= limit:
                    break
        # If the page is not full, it has all aggregates, and the next call starts at the beginning.
        self._reached = reached if len(page) >= limit else None
        return list(page.values())

    def _round(self) -> list[tuple[str, Document]]:
        """Collections and filters in the order of the search: from the last position around to it again."""
        unfiltered: Document = {"unsent": {"$gt": 0}}
        names = list(self._collections())
        if self._reached is None:
            return [(name, unfiltered) for name in names]
        name, unsent, last = self._reached
        here = names.index(name)
        return [
            (name, {"unsent": unsent, "_id": {"$gt": last}}),
            (name, {"unsent": {"$gt": unsent}}),
            *((other, unfiltered) for other in (*names[here + 1 :], *names[:here], name)),
        ]

    async def of(self, keys: Collection[Key]) -> list[Unsent]:
        """The unsent events of the given aggregates, without aggregates that have none.

        Raises:
            LimitExceeded: more than 1000 aggregates.
            StoreUnavailable: the server does not respond.
        """
        if keys:
            _check_page(len(keys))
        outboxes: list[Unsent] = []
        with translated():
            for name in {name for name, _ in keys}:
                where = {"_id": {"$in": [each for collection, each in keys if collection == name]}}
                cursor = self._database[name].find(where, {"outbox": 1})
                outboxes += [unsent_of(name, document) for document in await cursor.to_list(len(keys))]
        return [unsent for unsent in outboxes if unsent.entries]

    async def sent(self, batch: Sequence[Unsent]) -> None:
        """Remove confirmed entries. Versions and entries that were added meanwhile are unchanged.

        May be called again for the same entries: after an error with an unknown result, or by the relay of another
        process.

        Raises:
            StoreUnavailable: the server does not respond.
        """
        with translated():
            for name in {unsent.collection for unsent in batch}:
                await self._remove(self._database[name], [u for u in batch if u.collection == name])

    async def _remove(self, collection: "AsyncIOMotorCollection[Document]", batch: Sequence[Unsent]) -> None:
        """Remove entries and set `unsent` to the number left: a decrement would be wrong after a repetition."""
        updates = [
            UpdateOne({"_id": unsent.id, "outbox.id": {"$in": ids}}, [
                {"$set": {"outbox": {"$filter": {
                    "input": "$outbox", "as": "entry", "cond": {"$not": [{"$in": ["$$entry.id", ids]}]},
                }}}},
                {"$set": {"unsent": {"$size": "$outbox"}}},
            ])
            for unsent in batch
            if (ids := [entry.id for entry in unsent.entries])
        ]  # fmt: skip
        if updates:
            await collection.bulk_write(updates, ordered=False)


def _check_page(limit: int) -> None:
    if not 0 < limit <= _PAGE:
        raise LimitExceeded("documents in a page", _PAGE)
