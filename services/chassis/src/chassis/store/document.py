"""The document of one aggregate: state, outbox, stored responses and the events that it has processed.

{_id, version, state, outbox: [event], unsent, sequence, requests: {cause id: kept answer},
     request_ids: [cause ids of requests], processed_events: {cause id: time, or [time, content hash]},
     write_token}
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import bson
from bson.codec_options import CodecOptions
from bson.errors import InvalidDocument
from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne, UpdateOne

from chassis.store.codec import Codec
from chassis.store.envelope import OutboxEntry
from chassis.store.errors import LimitExceeded, RequestLimitReached, Unstorable
from chassis.store.indexes import Index
from chassis.store.limits import REQUEST_AGE, Limits

S = TypeVar("S")
Document = dict[str, Any]

OPTIONS: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)

# One aggregate of a collection records a request, so that another one cannot use its id again.
# Documents without requests are not in the index; an empty list would count as a common key.
REQUEST_INDEX = Index(
    name="request_ids", keys=(("request_ids", 1),), unique=True, where={"request_ids": {"$type": "string"}}
)


@dataclass(frozen=True, kw_only=True)
class KeptRefusal:
    """A committed refusal, with all that is needed to raise it again."""

    reason: str
    message: str
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    field: str | None = None


@dataclass(frozen=True, kw_only=True)
class KeptAnswer:
    """The stored response to a request.

    Attributes:
        hash: keyed hash of the request's content, hex.
        rpc: full name of the RPC.
        at: time of the command, UTC.
        type: full name of the response's message; empty if no response is stored (a secret, or a refusal).
        answer: the response, serialized.
        refusal: the refusal that was raised instead, or None.
    """

    hash: str
    rpc: str
    at: datetime
    type: str = ""
    answer: bytes = b""
    refusal: KeptRefusal | None = None

    def to_document(self) -> Document:
        document: Document = {"hash": self.hash, "rpc": self.rpc, "at": self.at}
        if self.type:
            document |= {"type": self.type, "answer": self.answer}
        if self.refusal is not None:
            document["refusal"] = {
                "reason": self.refusal.reason,
                "message": self.refusal.message,
                "metadata": dict(self.refusal.metadata),
                "field": self.refusal.field,
            }
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "KeptAnswer":
        refusal = document.get("refusal")
        return cls(
            hash=document["hash"],
            rpc=document["rpc"],
            at=document["at"],
            type=document.get("type", ""),
            answer=document.get("answer", b""),
            refusal=KeptRefusal(**refusal) if refusal else None,
        )


@dataclass(frozen=True, kw_only=True)
class Loaded(Generic[S]):
    """A loaded aggregate.

    Attributes:
        id: its id.
        version: number of its saves, from 1.
        state: its state.
        sequence: sequence number of its last event, 0 before the first.
        unsent: number of entries in its outbox.
        requests: stored responses by cause id.
        processed_events: time of each processed event, by cause id.
        contents: keyed hash of the content of each processed event that has one, by cause id.
        rest_bytes: size of its document without state and outbox.
    """

    id: str
    version: int
    state: S
    sequence: int
    unsent: int
    requests: Mapping[str, KeptAnswer]
    processed_events: Mapping[str, datetime]
    rest_bytes: int
    contents: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Change(Generic[S]):
    """The change of one aggregate by one command.

    Attributes:
        id: the aggregate's id.
        base: the loaded aggregate, None to create it.
        state: its new state.
        now: time of the command, UTC.
        cause: id of the cause, the key of the stored response or processed event.
        entries: events to send, in order; their sequence numbers follow `base.sequence`.
        answer: the response to store; None if the cause was not a request.
        processed_event: time of the event or timer that was the cause, UTC; None if it was a request.
        content: keyed hash of the event's content, hexadecimal, or empty.
    """

    id: str
    base: Loaded[S] | None
    state: S
    now: datetime
    cause: str
    entries: Sequence[OutboxEntry] = ()
    answer: KeptAnswer | None = None
    processed_event: datetime | None = None
    content: str = ""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """An aggregate's version after a save."""

    id: str
    version: int


def read(raw: RawBSONDocument, codec: Codec[S]) -> Loaded[S]:
    """Decode a raw document to a loaded aggregate. Raises Unstorable if it cannot be read as a state."""
    document = bson.decode(raw.raw, OPTIONS)
    requests, processed = document.get("requests", {}), document.get("processed_events", {})
    return Loaded(
        id=document["_id"],
        version=document["version"],
        state=codec.decode(document["state"]),
        sequence=document.get("sequence", 0),
        unsent=document.get("unsent", 0),
        requests={key: KeptAnswer.from_document(kept) for key, kept in requests.items()},
        processed_events={
            key: kept[0] if isinstance(kept, list) else kept for key, kept in processed.items()
        },
        contents={key: kept[1].hex() for key, kept in processed.items() if isinstance(kept, list)},
        rest_bytes=len(raw.raw) - len(raw["state"].raw),
    )


@dataclass(frozen=True, kw_only=True)
class Write:
    """An encoded change that is within its limits, with its write token."""

    operation: "InsertOne[Document] | UpdateOne"
    id: str
    expected: int | None
    write_token: str
    size: int
    entries: tuple[OutboxEntry, ...]
    waiting: int


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """Cause ids that a write removes: requests past their age, and the oldest processed events."""

    requests: Sequence[str] = ()
    processed_events: Sequence[str] = ()


def prepare(change: Change[S], codec: Codec[S], limits: Limits, write_token: str) -> Write:
    """Encode a change before it joins a batch, so that an error affects only its own caller.

    Raises:
        LimitExceeded: the document, an entry or the outbox would exceed its limit.
        RequestLimitReached: the aggregate remembers as many requests as it may.
        Unstorable: the state contains a value that a document cannot.
    """
    state = _encoded(codec.encode(change.state))
    entries = [_encoded(entry.to_document()) for entry in change.entries]
    memory = _record(change)
    size = (
        len(state.raw)
        + sum(len(entry.raw) for entry in entries)
        + sum(len(_encoded(m).raw) for m in memory.values())
    )
    _check(change, limits, entries, size)
    base = change.base
    content: Document = {"state": state, "write_token": write_token}
    operation = (
        _insert(change.id, content, entries, memory)
        if base is None
        else _update(base, content, entries, memory, _forgotten(change, base, limits))
    )
    return Write(
        operation=operation,
        id=change.id,
        expected=None if base is None else base.version,
        write_token=write_token,
        size=size,
        entries=tuple(change.entries),
        waiting=0 if base is None else base.unsent,
    )


def _encoded(document: Document) -> RawBSONDocument:
    try:
        return RawBSONDocument(bson.encode(document, codec_options=OPTIONS))
    except (InvalidDocument, OverflowError, UnicodeEncodeError, ValueError) as error:
        # The original text contains the value, so it is not passed on.
        raise Unstorable(f"a document cannot be encoded: {type(error).__name__}") from None


def _record(change: Change[Any]) -> Document:
    """The record of this cause in the document, by field: `requests` or `processed_events`."""
    if change.answer is not None:
        return {"requests": {change.cause: change.answer.to_document()}}
    if change.processed_event is not None:
        kept = change.processed_event
        return {
            "processed_events": {
                change.cause: [kept, bytes.fromhex(change.content)] if change.content else kept
            }
        }
    return {}


def _check(change: Change[Any], limits: Limits, entries: Sequence[RawBSONDocument], size: int) -> None:
    waiting = 0 if change.base is None else change.base.unsent
    rest = 0 if change.base is None else change.base.rest_bytes
    if entries and waiting + len(entries) > limits.outbox:
        raise LimitExceeded("unsent events", limits.outbox)
    if any(len(entry.raw) > limits.entry_bytes for entry in entries):
        raise LimitExceeded("bytes in an event", limits.entry_bytes)
    if size - sum(len(entry.raw) for entry in entries) + rest > limits.document_bytes:
        raise LimitExceeded("bytes in an aggregate", limits.document_bytes)


def _forgotten(change: Change[S], base: Loaded[S], limits: Limits) -> Forgotten:
    old = [key for key, kept in base.requests.items() if kept.at <= change.now - REQUEST_AGE]
    if change.answer is not None and len(base.requests) - len(old) >= limits.requests:
        oldest = min(kept.at for key, kept in base.requests.items() if key not in old)
        raise RequestLimitReached(limits.requests, oldest + REQUEST_AGE - change.now)
    if change.processed_event is None:
        return Forgotten(requests=old)
    surplus = len(base.processed_events) + 1 - limits.processed_events
    return Forgotten(
        requests=old,
        processed_events=sorted(base.processed_events, key=lambda key: base.processed_events[key])[
            : max(0, surplus)
        ],
    )


def _insert(
    aggregate_id: str, content: Document, entries: Sequence[RawBSONDocument], memory: Document
) -> "InsertOne[Document]":
    counts = {"version": 1, "unsent": len(entries), "sequence": len(entries)}
    empty: Document = {"requests": {}, "processed_events": {}}
    request_ids = list(memory.get("requests", {}))
    return InsertOne(
        {
            "_id": aggregate_id,
            **counts,
            **content,
            "outbox": list(entries),
            "request_ids": request_ids,
            **empty,
            **memory,
        }
    )


def _update(
    base: Loaded[Any],
    content: Document,
    entries: Sequence[RawBSONDocument],
    memory: Document,
    forgotten: Forgotten,
) -> UpdateOne:
    kept = {f"{part}.{key}": value for part, values in memory.items() for key, value in values.items()}
    request_ids = list(memory.get("requests", {}))
    update: Document = {"$set": {**content, **kept}, "$inc": {"version": 1}, "$push": {}}
    if entries:
        # Incremented, not set, because the relay removes entries without changing the version.
        update["$inc"] |= {"unsent": len(entries), "sequence": len(entries)}
        update["$push"]["outbox"] = {"$each": list(entries)}
    if forgotten.requests:
        # One update cannot both push to a list and pull from it.
        update["$set"]["request_ids"] = [
            key for key in base.requests if key not in forgotten.requests
        ] + request_ids
    elif request_ids:
        update["$push"]["request_ids"] = request_ids[0]
    paths = [f"requests.{key}" for key in forgotten.requests] + [
        f"processed_events.{key}" for key in forgotten.processed_events
    ]
    if paths:
        update["$unset"] = dict.fromkeys(paths, "")
    return UpdateOne(
        {"_id": base.id, "version": base.version}, {name: part for name, part in update.items() if part}
    )
