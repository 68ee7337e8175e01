"""Aggregates of one collection: each is loaded and saved individually, with requests to the server in batches."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast
from weakref import WeakValueDictionary

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from google.protobuf.message import Message
from motor.motor_asyncio import AsyncIOMotorCollection
from opentelemetry.trace import Span
from pymongo.errors import BulkWriteError, PyMongoError

from chassis.errors import ErrorSet
from chassis.pages import Cursor, Page
from chassis.store import instrumentation
from chassis.store.batcher import Batcher, Job
from chassis.store.codec import Codec
from chassis.store.document import Change, Document, Loaded, Saved, Write, prepare, read
from chassis.store.driver import DUPLICATE_KEY, WRITE_CONFLICT, translate, translated
from chassis.store.envelope import EventContext, OutboxEntry, Unsent, unsent_of
from chassis.store.errors import Conflict, Duplicate, LimitExceeded, Rejected, StoreError
from chassis.store.indexes import Index, violated
from chassis.store.keyset import Keyset, size_of
from chassis.store.limits import BATCH, WAITING, Limits

S = TypeVar("S")
EncodeEvent = Callable[[Message, EventContext], OutboxEntry]
Committed = Callable[[Unsent], None]
Correlation = Callable[[S], str]
"""Returns the journey's request number from an aggregate's state; empty if it has none."""

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
# The outbox may be long, and only the relay reads it: a command needs only its length, the field `unsent`.
_WITHOUT_OUTBOX = {"outbox": 0}
_SLOWEST_SCAN_MS = 5_000


class Aggregates(Generic[S]):
    """One collection of aggregates, created by `Database.aggregates`."""

    def __init__(
        self,
        collection: AsyncIOMotorCollection[Document],
        codec: Codec[S],
        *,
        indexes: Sequence[Index],
        limits: Limits,
        encode_event: EncodeEvent,
        refusals: ErrorSet,
        committed: Committed,
        correlation: Correlation[S],
        writer: str,
    ) -> None:
        self.name = collection.name
        self.correlation = correlation
        self.limits = limits
        self.encode_event = encode_event
        self.refusals = {kind.reason: kind for kind in refusals}
        self.collection = collection
        self._raw = cast(
            "AsyncIOMotorCollection[RawBSONDocument]", collection.with_options(codec_options=_RAW)
        )
        self._codec = codec
        self._indexes = indexes
        self._committed = committed
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._write_tokens = (f"{writer}-{number}" for number in itertools.count())
        self._loads: Batcher[str, Loaded[S] | None] = Batcher(
            self._load_all, batch=limits.batch, batch_bytes=limits.batch_bytes, waiting=WAITING
        )
        self._saves: Batcher[Write, Saved] = Batcher(
            self._save_all, batch=limits.batch, batch_bytes=limits.batch_bytes, waiting=WAITING
        )

    async def load(self, aggregate_id: str) -> Loaded[S] | None:
        """Read one aggregate; None if it does not exist.

        Raises:
            StoreUnavailable: the server does not respond.
            Unstorable: the document cannot be read as a state.
        """
        return await self._loads.submit(aggregate_id)

    async def save(self, change: Change[S]) -> Saved:
        """Update one aggregate if its version is still the loaded one; insert it if none was loaded.

        Raises:
            Conflict: the version has changed. In a rare case the write happened, and another write followed
                before it was verified: load again and check whether the cause is recorded.
            Duplicate: a unique index, or `_id`, forbids it.
            LimitExceeded: the aggregate would exceed a limit.
            Unstorable: the state contains a value that a document cannot.
            StoreUnavailable: the server does not respond; the write may or may not have happened.
        """
        write = prepare(change, self._codec, self.limits, next(self._write_tokens))
        return await self._saves.submit(write, write.size)

    async def find(
        self, where: Mapping[str, Any], *, sort: Sequence[tuple[str, int]] = (), limit: int
    ) -> list[S]:
        """States of the documents that match; fields are the document's: `state.holder`, `_id`.

        Raises:
            LimitExceeded: the limit is over `limits.BATCH`.
            StoreUnavailable: the server does not respond.
        """
        if not 0 < limit <= BATCH:
            raise LimitExceeded("documents in a query", BATCH)
        with translated():
            cursor = self.collection.find(where, {"state": 1}).limit(limit)
            if sort:
                cursor = cursor.sort(list(sort))
            return [self._codec.decode(document["state"]) for document in await cursor.to_list(limit)]

    async def count(self, where: Mapping[str, Any]) -> int:
        """The number of documents that match. An index should have all fields of the filter: then none is read.

        Raises:
            StoreUnavailable: the server does not respond within 5 seconds.
        """
        with translated():
            return await self.collection.count_documents(where, maxTimeMS=_SLOWEST_SCAN_MS)

    async def page(
        self,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]],
        page_size: int = 0,
        page_token: str = "",
    ) -> Page[S]:
        """One page of the states of the documents that match, and the token of the next page.

        Args:
            where: the filter; fields are the document's: `state.holder`, `_id`.
            sort: fields that each document has, and 1 or -1; documents of equal values are ordered by `_id`.
            page_size: maximum of states; 0 means `pages.DEFAULT_SIZE`.
            page_token: from the previous page of the same filter and order; empty for the first page.

        Raises:
            PageTokenInvalid: the token is malformed, or was issued for another query.
            LimitExceeded: the size is over `pages.MAX_SIZE`.
            StoreUnavailable: the server does not respond.
        """
        keyset, size = Keyset(self.name, where, sort), size_of(page_size)
        after = keyset.position(page_token)
        with translated():
            cursor = self.collection.find(keyset.filter(after), {"state": 1}).sort(keyset.sort)
            documents = await cursor.limit(size + 1).to_list(size + 1)
        shown, next_page_token = keyset.page(documents, size)
        return Page([self._codec.decode(document["state"]) for document in shown], next_page_token)

    async def scan(
        self, fields: Sequence[str], *, sort: Sequence[tuple[str, int]], after: Cursor | None, limit: int
    ) -> list[tuple[Cursor, Document]]:
        """Some fields of the next documents in an order, as they are stored, without the codec.

        Args:
            fields: document fields to read in addition to those of the order.
            sort: as for `page`.
            after: position of the last document read, None for the beginning.
            limit: maximum of documents.

        Returns:
            Each document with its position.

        Raises:
            LimitExceeded: the limit is over `limits.BATCH`.
            StoreUnavailable: the server does not respond within 5 seconds.
        """
        if not 0 < limit <= BATCH:
            raise LimitExceeded("documents in a query", BATCH)
        keyset = Keyset(self.name, {}, sort)
        projection = dict.fromkeys([*fields, *(field for field, _ in sort)], 1)
        with translated():
            cursor = self.collection.find(keyset.filter(after), projection).sort(keyset.sort)
            documents = await cursor.limit(limit).max_time_ms(_SLOWEST_SCAN_MS).to_list(limit)
        return [(keyset.cursor(document), document) for document in documents]

    async def holder(self, cause: str) -> str | None:
        """Id of the aggregate that has recorded a request, by its cause's id; None if none has."""
        with translated():
            # The query repeats the condition of the partial index; otherwise a server may not use the index.
            document = await self.collection.find_one(
                {"request_ids": {"$eq": cause, "$type": "string"}}, {"_id": 1}
            )
        return None if document is None else str(document["_id"])

    def turn(self, aggregate_id: str) -> asyncio.Lock:
        """The lock of an aggregate: commands of one process on it run in sequence instead of conflicting."""
        lock = self._turns.get(aggregate_id)
        if lock is None:
            lock = self._turns[aggregate_id] = asyncio.Lock()
        return lock

    async def notify(self, aggregate_id: str) -> None:
        """Pass an aggregate's unsent events to the listener, for a save whose result was an error."""
        with translated():
            document = await self.collection.find_one({"_id": aggregate_id}, {"outbox": 1})
        if document is not None and document.get("outbox"):
            self._committed(unsent_of(self.name, document))

    async def close(self) -> None:
        """Wait for the running round trips."""
        await self._loads.close()
        await self._saves.close()

    async def _load_all(
        self, jobs: Sequence[Job[str, Loaded[S] | None]]
    ) -> Sequence[Loaded[S] | Exception | None]:
        ids = list({job.item for job in jobs})
        with instrumentation.round_trip("find", self.name, [job.context for job in jobs]) as span:
            try:
                documents = await self._raw.find({"_id": {"$in": ids}}, _WITHOUT_OUTBOX).to_list(len(ids))
            except PyMongoError as error:
                return _all_failed(error, span, len(jobs))
        by_id = {document["_id"]: document for document in documents}
        return [self._read(by_id.get(job.item)) for job in jobs]

    def _read(self, raw: RawBSONDocument | None) -> Loaded[S] | Exception | None:
        """A separate copy for each caller; a document that cannot be read fails only its own callers."""
        if raw is None:
            return None
        try:
            return read(raw, self._codec)
        except StoreError as error:
            return error

    async def _save_all(self, jobs: Sequence[Job[Write, Saved]]) -> Sequence[Saved | Exception]:
        writes = [job.item for job in jobs]
        with instrumentation.round_trip("bulkWrite", self.name, [job.context for job in jobs]) as span:
            try:
                refused, matched = await self._write(writes)
                sent = [
                    n for n, write in enumerate(writes) if write.expected is not None and n not in refused
                ]
                if matched < len(sent):
                    refused |= await self._losers([(n, writes[n]) for n in sent])
            except PyMongoError as error:
                return _all_failed(error, span, len(jobs))
        return [refused.get(number) or self._won(write) for number, write in enumerate(writes)]

    async def _write(self, writes: Sequence[Write]) -> tuple[dict[int, Exception], int]:
        """Send a batch; return the errors by index in the batch, and the number of matched updates."""
        try:
            result = await self.collection.bulk_write([write.operation for write in writes], ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            if details.get("writeConcernErrors"):
                raise
            refused = {item["index"]: self._refusal(item) for item in details.get("writeErrors", ())}
            return refused, int(details.get("nMatched", 0))
        return {}, result.matched_count

    def _refusal(self, item: Mapping[str, Any]) -> Exception:
        if item["code"] == DUPLICATE_KEY:
            return Duplicate(violated(self._indexes, item.get("keyPattern", {})))
        if item["code"] == WRITE_CONFLICT:
            instrumentation.count_conflict(self.name)
            return Conflict()
        return Rejected(item["code"])

    async def _losers(self, sent: Sequence[tuple[int, Write]]) -> dict[int, Exception]:
        """A Conflict for each write whose write token is not the document's, by index in the batch."""
        ids = list({write.id for _, write in sent})
        documents = await self.collection.find({"_id": {"$in": ids}}, {"write_token": 1}).to_list(len(ids))
        write_tokens = {document["_id"]: document.get("write_token") for document in documents}
        losers = {
            number: Conflict() for number, write in sent if write_tokens.get(write.id) != write.write_token
        }
        for _ in losers:
            instrumentation.count_conflict(self.name)
        return dict(losers)

    def _won(self, write: Write) -> Saved:
        if write.entries:
            unsent = Unsent(collection=self.name, id=write.id, entries=write.entries, waiting=write.waiting)
            # Called later by the event loop, so that an error of the listener does not affect the batch's results.
            asyncio.get_running_loop().call_soon(self._committed, unsent)
        return Saved(id=write.id, version=(write.expected or 0) + 1)


def _all_failed(error: PyMongoError, span: Span, count: int) -> list[Exception]:
    """A separate error for each caller: an exception raised twice would have both tracebacks."""
    instrumentation.failed(span, type(error).__name__)
    return [translate(error) for _ in range(count)]
