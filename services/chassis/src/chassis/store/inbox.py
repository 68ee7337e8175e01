"""The inbox: messages that wait for their next attempt, and messages that are parked for an operator."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Self

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import DuplicateKeyError

from chassis.pages import Page
from chassis.store.deletion import delete_older
from chassis.store.document import Document
from chassis.store.driver import translated
from chassis.store.errors import LimitExceeded
from chassis.store.indexes import Index
from chassis.store.keyset import Keyset, size_of

INBOX = "inbox"
INBOX_INDEXES = (
    Index(name="due", keys=(("parked", 1), ("next_at", 1))),
    Index(name="parked_since", keys=(("parked", 1), ("at", 1))),
    Index(name="expires", keys=(("expires", 1),), expire_after_seconds=0),
)

BATCH = 500
"""Maximum of due messages that one query returns."""


@dataclass(frozen=True, kw_only=True)
class InboxEntry:
    """A message that waits in the inbox.

    Attributes:
        id: `<policy>/<event id>/<content hash>`: the same message for the same policy is one entry.
        policy: the policy's name.
        queue: the queue it was consumed from.
        headers: its AMQP headers.
        body: its body.
        attempt: number of attempts.
        next_at: time of the next attempt, UTC.
        reason: reason of the last failure, without personal data.
        at: time of the insertion, UTC.
        parked: True if it waits for an operator instead of an attempt.
        expires: time at which the whole entry is removed, UTC, or None. A secret is not kept after its expiry.
    """

    id: str
    policy: str
    queue: str
    headers: Mapping[str, Any]
    body: bytes
    attempt: int
    next_at: datetime
    reason: str
    at: datetime
    parked: bool = False
    expires: datetime | None = None

    def to_document(self) -> Document:
        document = asdict(self)
        document["_id"] = document.pop("id")
        return document

    @classmethod
    def from_document(cls, document: Document) -> Self:
        known = {name: document[name] for name in _NAMES if name in document}
        return cls(id=document["_id"], **{**known, "body": bytes(document["body"])})


_NAMES = tuple(each.name for each in fields(InboxEntry) if each.name != "id")


@dataclass(frozen=True, kw_only=True)
class InboxFilter:
    """Conditions on entries; an empty one is true for all. Values are compared exactly.

    Attributes:
        policy: the policy's name.
        queue: the queue it was consumed from.
        headers: values of its headers.
        reason: its reason; the details after a colon are not compared.
        since: earliest time of the insertion, UTC.
        before: the insertion is earlier than this time, UTC.
    """

    policy: str = ""
    queue: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    since: datetime | None = None
    before: datetime | None = None

    def texts(self) -> Document:
        """The conditions on texts."""
        texts: Document = {"policy": self.policy, "queue": self.queue}
        texts |= {f"headers.{name}": value for name, value in self.headers.items()}
        if self.reason:
            texts["reason"] = {"$regex": f"^{re.escape(self.reason)}(:|$)"}
        return {name: value for name, value in texts.items() if value}

    def times(self) -> Document:
        """The conditions on times."""
        bounds = {"$gte": self.since, "$lt": self.before}
        given = {operator: time for operator, time in bounds.items() if time is not None}
        return {"at": given} if given else {}


_ALL = InboxFilter()


class Inbox:
    """The inbox of one database; see `Database.inbox`.

    Queries leave out expired messages, because the server may remove them later. Each method raises StoreUnavailable
    if the server does not respond.
    """

    def __init__(self, collection: "AsyncIOMotorCollection[Document]", clock: Callable[[], datetime]) -> None:
        self._collection = collection
        self._clock = clock

    async def put(self, entry: InboxEntry) -> bool:
        """Insert a message; False without a change if it is present already, after a second delivery."""
        with translated():
            try:
                await self._collection.insert_one(entry.to_document())
            except DuplicateKeyError:
                return False
        return True

    async def due(self, limit: int) -> list[InboxEntry]:
        """Messages whose next attempt is due, the longest waiting first."""
        return await self._find(
            {"parked": False, "next_at": {"$lte": self._clock()}}, [("next_at", 1)], limit
        )

    async def retry(self, entry_id: str, *, attempt: int, next_at: datetime, reason: str) -> bool:
        """Record a failed attempt and the time of the next; False if the message does not exist any more."""
        return await self._set(entry_id, {"attempt": attempt, "next_at": next_at, "reason": reason})

    async def park(self, entry_id: str, *, attempt: int, reason: str) -> bool:
        """Park a message for an operator; False if it does not exist any more."""
        return await self._set(entry_id, {"attempt": attempt, "parked": True, "reason": reason})

    async def replay(self, entry_id: str) -> bool:
        """Make a parked message due now and reset its attempts to 0; False if it is not parked."""
        return await self._set(
            entry_id, {"parked": False, "attempt": 0, "next_at": self._clock()}, parked=True
        )

    async def delete(self, entry_id: str) -> bool:
        """Remove a message that succeeded or was discarded; False if it does not exist any more."""
        with translated():
            result = await self._collection.delete_one({"_id": entry_id})
        return result.deleted_count == 1

    async def delete_parked(self, before: datetime, limit: int) -> int:
        """Remove at most `limit` parked messages that were inserted before a time; their number."""
        return await delete_older(self._collection, "at", before, where={"parked": True}, limit=limit)

    async def get(self, entry_id: str) -> InboxEntry | None:
        entries = await self._find({"_id": entry_id}, [], 1)
        return entries[0] if entries else None

    async def page(
        self, *, parked: bool, matching: InboxFilter = _ALL, page_size: int = 0, page_token: str = ""
    ) -> Page[InboxEntry]:
        """A page of the messages that match a filter, in order of id; see `Aggregates.page`.

        The times of the filter may differ from page to page, so that they may follow the clock.
        """
        keyset, size = Keyset(INBOX, {"parked": parked, **matching.texts()}, []), size_of(page_size)
        where = {"$and": [keyset.filter(keyset.position(page_token)), matching.times(), self._alive()]}
        with translated():
            cursor = self._collection.find(where).sort(keyset.sort)
            documents = await cursor.limit(size + 1).to_list(size + 1)
        shown, next_page_token = keyset.page(documents, size)
        return Page([InboxEntry.from_document(document) for document in shown], next_page_token)

    async def count(self, *, parked: bool) -> int:
        """The number of parked messages, or of waiting ones."""
        with translated():
            return await self._collection.count_documents({"parked": parked, **self._alive()})

    def _alive(self) -> Document:
        return {"$or": [{"expires": None}, {"expires": {"$gt": self._clock()}}]}

    async def _find(self, where: Document, sort: Sequence[tuple[str, int]], limit: int) -> list[InboxEntry]:
        if not 0 < limit <= BATCH:
            raise LimitExceeded("entries in a batch", BATCH)
        with translated():
            cursor = self._collection.find({**where, **self._alive()}).limit(limit)
            if sort:
                cursor = cursor.sort(list(sort))
            return [InboxEntry.from_document(document) for document in await cursor.to_list(limit)]

    async def _set(self, entry_id: str, values: Document, **where: Any) -> bool:
        with translated():
            result = await self._collection.update_one({"_id": entry_id, **where}, {"$set": values})
        return result.matched_count == 1
