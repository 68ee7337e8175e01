"""The relay's side of the outbox: find what is unsent, take out what was confirmed."""

from collections.abc import Callable, Collection, Sequence

from motor.motor_asyncio import AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import UpdateOne

from chassis.store.document import Document
from chassis.store.driver import translated
from chassis.store.envelope import Key, Unsent, unsent_of
from chassis.store.errors import LimitExceeded
from chassis.store.indexes import Index

# Only documents with something to send are in it, so that finding what a dead process left reads no others.
# The id is in it for an order in which a reading can be continued.
UNSENT_INDEX = Index(name="unsent_in_order", keys=(("unsent", 1), ("_id", 1)), where={"unsent": {"$gt": 0}})

_PAGE = 1000


class Outbox:
    """The outboxes of all aggregates of one database. Made by `Database.outbox`.

    Args:
        database: the database.
        collections: gives the names of its collections of aggregates.
    """

    def __init__(
        self, database: "AsyncIOMotorDatabase[Document]", collections: Callable[[], Sequence[str]]
    ) -> None:
        self._database = database
        self._collections = collections
        # Where the last full page ended: collection, unsent, id.
        self._reached: tuple[str, int, str] | None = None

    async def unsent(self, limit: int) -> list[Unsent]:
        """At most `limit` aggregates that have something to send.

        Each call goes on where the last full page ended, and round: however many are never sent, they do not
        hide the others for good.
        """
        _check_page(limit)
        found: dict[Key, Unsent] = {}
        reached = None
        with translated():
            for name, where in self._round():
                cursor = self._database[name].find(where, {"outbox": 1, "unsent": 1})
                cursor = cursor.sort([("unsent", 1), ("_id", 1)]).limit(limit - len(found))
                for document in await cursor.to_list(limit):
                    found.setdefault((name, document["_id"]), unsent_of(name, document))
                    reached = (name, document["unsent"], document["_id"])
                if len(found) >= limit:
                    break
        # All there is fitted: no need to remember a place.
        self._reached = reached if len(found) >= limit else None
        return list(found.values())

    def _round(self) -> list[tuple[str, Document]]:
        """What to read, in order: from where we were to the end, and from the beginning to where we were."""
        everything: Document = {"unsent": {"$gt": 0}}
        names = list(self._collections())
        if self._reached is None:
            return [(name, everything) for name in names]
        name, unsent, last = self._reached
        here = names.index(name)
        return [
            (name, {"unsent": unsent, "_id": {"$gt": last}}),
            (name, {"unsent": {"$gt": unsent}}),
            *((other, everything) for other in (*names[here + 1 :], *names[:here], name)),
        ]

    async def of(self, keys: Collection[Key]) -> list[Unsent]:
        """What these aggregates have to send; those that have nothing are left out."""
        if keys:
            _check_page(len(keys))
        found: list[Unsent] = []
        with translated():
            for name in {name for name, _ in keys}:
                where = {"_id": {"$in": [each for collection, each in keys if collection == name]}}
                cursor = self._database[name].find(where, {"outbox": 1})
                found += [unsent_of(name, document) for document in await cursor.to_list(len(keys))]
        return [unsent for unsent in found if unsent.entries]

    async def sent(self, batch: Sequence[Unsent]) -> None:
        """Take out what the broker has confirmed; versions stay, and what was added meanwhile stays too.

        May be called again for the same entries: after an error that left its fate open, or by the relay of
        another process.
        """
        with translated():
            for name in {unsent.collection for unsent in batch}:
                await self._take_out(self._database[name], [u for u in batch if u.collection == name])

    async def _take_out(
        self, collection: "AsyncIOMotorCollection[Document]", batch: Sequence[Unsent]
    ) -> None:
        """Count what is left instead of counting down: taking out twice must not count twice."""
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
