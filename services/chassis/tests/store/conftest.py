"""A harness with one kind of aggregate on the real store."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis.caller import Caller
from chassis.commands import Cause, CommandRequest, Decision, EventCause
from chassis.domain import DomainError
from chassis.errors import ErrorSet
from chassis.store import (
    Aggregates,
    Change,
    Database,
    EventContext,
    Index,
    Limits,
    Loaded,
    OutboxEntry,
    Unsent,
    dataclass_codec,
)
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import Int64Value, StringValue

# In the future: the server removes expired documents by its own clock.
EPOCH = datetime(2099, 3, 1, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Account:
    """An account with a balance and notes."""

    mobile: str | None = None
    balance: int = 0
    notes: tuple[str, ...] = ()


class WrongCode(DomainError):
    """A refusal that is committed with a change."""

    reason = "WRONG_CODE"
    code = "INVALID_ARGUMENT"

    def __init__(self, tries_left: int) -> None:
        super().__init__("the code is wrong", tries_left=str(tries_left))


class Locked(DomainError):
    """A refusal that changes nothing."""

    reason = "LOCKED"
    code = "FAILED_PRECONDITION"


ERRORS: ErrorSet = frozenset({WrongCode, Locked})


class Clock:
    """A clock that changes only when it is moved."""

    def __init__(self) -> None:
        self.now = EPOCH

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


def encode_event(message: Message, context: EventContext) -> OutboxEntry:
    """Encode a text as an entry."""
    assert isinstance(message, StringValue)
    return OutboxEntry(
        id=context.cause.new_id(f"{context.subject}/{context.sequence}"),
        type=message.DESCRIPTOR.full_name,
        exchange="bench.events",
        key="account.changed.v1",
        subject=context.subject,
        sequence=context.sequence,
        time=context.cause.now,
        causation=context.cause.causation,
        correlation=context.cause.correlation,
        traceparent="",
        data=message.value,
        mandatory=False,
    )


def balance(state: Account) -> Int64Value:
    return Int64Value(value=state.balance)


@dataclass
class Bench:
    """A database with one collection, and factories for changes, causes and decisions."""

    database: Database
    accounts: Aggregates[Account]
    clock: Clock
    committed: list[Unsent] = field(default_factory=list)

    wrong_code = WrongCode
    locked = Locked
    account = Account

    def put(
        self, amount: int, *facts: str, note: str = "", **changes: Any
    ) -> Callable[[Account | None], Decision[Account]]:
        """Return a decision that adds an amount and states these facts."""

        def decide(state: Account | None) -> Decision[Account]:
            state = state or Account()
            notes = (*state.notes, note) if note else state.notes
            new = replace(state, balance=state.balance + amount, notes=notes, **changes)
            return Decision(state=new, facts=[StringValue(value=fact) for fact in facts])

        return decide

    def request(
        self,
        *,
        request_id: str = "",
        content: str = "content",
        caller: str = "amira",
        answer: Callable[[Account], Message] = balance,
        secret: bool = False,
    ) -> CommandRequest[Account, Any]:
        requester, request_id = Caller(id=caller), request_id or str(uuid4())
        return CommandRequest(
            id=CommandRequest.identify(requester, "bench.Put", request_id),
            now=self.clock(),
            request_id=request_id,
            rpc="bench.Put",
            caller=requester,
            content_hash=content,
            answer=answer,
            secret=secret,
        )

    def event(
        self, *, event_id: str = "", at: datetime | None = None, policy: str = "count", content: str = ""
    ) -> EventCause[StringValue]:
        event_id = event_id or str(uuid4())
        return EventCause(
            id=EventCause.identify(policy, "diwan/bench", event_id),
            now=self.clock(),
            event_id=event_id,
            type="google.protobuf.StringValue",
            source="diwan/bench",
            subject="subject",
            sequence=1,
            time=at or self.clock(),
            message=StringValue(),
            content=content,
        )

    def timer(self, origin: str) -> Cause:
        return Cause(id=origin, now=self.clock())

    def change(self, aggregate_id: str, base: Loaded[Account] | None, state: Account) -> Change[Account]:
        """Return a change as `execute` passes it to the store."""
        return Change(
            id=aggregate_id,
            base=base,
            state=state,
            now=self.clock(),
            cause=str(uuid4()),
            processed_event=self.clock(),
        )

    async def state(self, aggregate_id: str) -> Account:
        loaded = await self.accounts.load(aggregate_id)
        assert loaded is not None
        return loaded.state

    async def document(self, aggregate_id: str) -> dict[str, Any]:
        document = await self.accounts.collection.find_one({"_id": aggregate_id})
        assert document is not None
        return document


OpenBench = Callable[..., Awaitable[Bench]]

INDEXES: Sequence[Index] = (
    Index(
        name="mobile",
        keys=(("state.mobile", 1),),
        unique=True,
        where={"state.mobile": {"$type": "string"}},
    ),
)


@pytest.fixture
async def open_bench(store_uri: str, store_name: str) -> AsyncIterator[OpenBench]:
    """Return a function that opens benches on this test's database; each acts as a separate process."""
    async with AsyncExitStack() as stack:

        async def opened(*, uri: str = store_uri, limits: Limits | None = None, **options: Any) -> Bench:
            clock = Clock()
            database = await Database.open(
                uri, store_name, encode_event=encode_event, refusals=ERRORS, clock=clock, **options
            )
            stack.push_async_callback(database.close)
            accounts = await database.aggregates(
                "accounts", dataclass_codec(Account), indexes=INDEXES, limits=limits
            )
            bench = Bench(database, accounts, clock)
            database.listen(bench.committed.append)
            return bench

        yield opened


@pytest.fixture
async def bench(open_bench: OpenBench) -> Bench:
    return await open_bench()
