"""Revocations of access tokens as a service keeps them, until the revoked tokens have expired."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import DuplicateKeyError

from chassis.store.document import Document
from chassis.store.driver import translated
from chassis.store.indexes import Index

REVOCATIONS = "revocations"
REVOCATION_INDEXES = (
    Index(name="recorded", keys=(("recorded", 1),)),
    Index(name="expires", keys=(("expires", 1),), expire_after_seconds=0),
)


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """Revoked access tokens.

    Attributes:
        id: the session, or the account or officer, whose tokens are revoked; opaque.
        before: tokens issued at this time or earlier are revoked.
        expires: time at which the last of them has expired.
        recorded: time of the insertion by the store's clock; None before it.
    """

    id: str
    before: datetime
    expires: datetime
    recorded: datetime | None = None

    @classmethod
    def from_document(cls, document: Document) -> Self:
        return cls(
            id=document["_id"],
            before=document["before"],
            expires=document["expires"],
            recorded=document["recorded"],
        )


class RevocationLog:
    """The revocations of one database; see `Database.revocations`.

    Each method raises StoreUnavailable if the server does not respond.
    """

    def __init__(self, collection: "AsyncIOMotorCollection[Document]", clock: Callable[[], datetime]) -> None:
        self._collection = collection
        self._clock = clock

    async def put(self, revocation: Revocation) -> None:
        """Record a revocation. Repeated and out of order, the widest one stays."""
        times = {"before": revocation.before, "expires": revocation.expires}
        # The server's clock orders them, so that readers need not trust the clocks of several writers.
        update: Document = {"$max": times, "$currentDate": {"recorded": True}}
        with translated():
            try:
                await self._collection.update_one({"_id": revocation.id}, update, upsert=True)
            except DuplicateKeyError:  # inserted meanwhile by another process
                await self._collection.update_one({"_id": revocation.id}, update)

    async def find(self, ids: Collection[str]) -> list[Revocation]:
        """The revocations with these ids."""
        with translated():
            documents = await self._collection.find({"_id": {"$in": list(ids)}}).to_list(len(ids))
        return [Revocation.from_document(document) for document in documents]

    async def recorded_since(self, since: datetime | None, limit: int) -> list[Revocation]:
        """At most `limit` revocations in force that were recorded at `since` or later, the earliest first."""
        where: Document = {"expires": {"$gt": self._clock()}}
        if since is not None:
            where["recorded"] = {"$gte": since}
        with translated():
            cursor = self._collection.find(where).sort([("recorded", 1)]).limit(limit)
            return [Revocation.from_document(document) for document in await cursor.to_list(limit)]
