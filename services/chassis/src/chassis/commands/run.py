"""One run of a command: load one aggregate, decide, and save state, events and response, once for each cause."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar, cast

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from opentelemetry.trace import Span

from chassis import log
from chassis.commands.causes import CommandRequest, ContentChanged, Decision, EventCause, TooOld
from chassis.errors import Contended, RequestIdReused
from chassis.store import (
    REQUEST_INDEX,
    Aggregates,
    Cause,
    Change,
    Conflict,
    Duplicate,
    EventContext,
    KeptAnswer,
    KeptRefusal,
    Loaded,
    OutboxEntry,
    StoreUnavailable,
)
from chassis.store.instrumentation import command as command_span

S = TypeVar("S")

MAX_CONFLICTS = 8
STORE_TIMEOUT_SECONDS = 15.0
_CONFLICT_PAUSE_SECONDS = 0.005
_SLOWEST_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Settled(Generic[S]):
    """The result of a command: the aggregate's state, and the response to a request."""

    state: S | None
    answer: Message | None = None


async def run(
    aggregates: Aggregates[S],
    aggregate_id: str,
    decide: Callable[[S | None], Decision[S] | None],
    cause: Cause,
) -> Settled[S]:
    """Run a command until it is settled; see `execute`."""
    command = _Command(aggregates, aggregate_id, decide, cause)
    try:
        with command_span(aggregates.name) as span:
            async with aggregates.turn(aggregate_id):
                return await command.run(span)
    finally:
        if command.request_number:
            # Set again outside the command's span, so that the caller's span has the number too.
            log.correlate(command.request_number)


class _Command(Generic[S]):
    """One run of a command, until it is settled."""

    def __init__(
        self,
        aggregates: Aggregates[S],
        aggregate_id: str,
        decide: Callable[[S | None], Decision[S] | None],
        cause: Cause,
    ) -> None:
        self._aggregates = aggregates
        self._id = aggregate_id
        self._decide = decide
        self._cause = cause
        self._conflicts = 0
        self.request_number = ""

    async def run(self, span: Span) -> Settled[S]:
        """Try until it is settled. After a failure the recorded cause ids show whether the write happened."""
        end = asyncio.get_running_loop().time() + STORE_TIMEOUT_SECONDS
        pause = 0.05
        again = False
        while True:
            try:
                return await self._attempt(again=again)
            except Conflict:
                await self._yield_to_others(span)
            except StoreUnavailable:
                if asyncio.get_running_loop().time() + pause > end:
                    raise
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
                pause = min(pause * 2, _SLOWEST_RETRY_SECONDS)
            again = True

    async def _yield_to_others(self, span: Span) -> None:
        self._conflicts += 1
        span.set_attribute("diwan.command.conflicts", self._conflicts)
        if self._conflicts >= MAX_CONFLICTS:
            raise Contended("too many concurrent changes of the aggregate") from None
        # Commands of this process run one at a time, so another process made the change and may make more.
        await asyncio.sleep(_CONFLICT_PAUSE_SECONDS * 2**self._conflicts * random.random())  # noqa: S311 - jitter

    async def _attempt(self, *, again: bool) -> Settled[S]:
        loaded = await self._aggregates.load(self._id)
        if loaded is not None:
            self._correlate(loaded.state)
        if loaded is not None and self._known(loaded):
            if again:
                # An earlier attempt wrote despite its error, but the relay was not notified of its events.
                await self._aggregates.notify(self._id)
            return Settled(loaded.state, self._recall(loaded))
        decision = self._decide(loaded.state if loaded else None)
        if decision is None:
            if isinstance(self._cause, CommandRequest):
                raise TypeError("the decision on a request must not be None: a request needs a response")
            return Settled(loaded.state if loaded else None)
        self._correlate(decision.state)
        if decision.refusal and not decision.facts and loaded and decision.state == loaded.state:
            raise decision.refusal
        answer = self._answer(decision)
        await self._save(loaded, decision, answer)
        if decision.refusal:
            raise decision.refusal
        return Settled(decision.state, answer)

    def _correlate(self, state: S) -> None:
        """Add the request number of the state to all further log lines and spans."""
        if number := self._aggregates.correlation(state):
            self.request_number = number
            log.correlate(number)

    async def _save(self, loaded: Loaded[S] | None, decision: Decision[S], answer: Message | None) -> None:
        change = Change(
            id=self._id,
            base=loaded,
            state=decision.state,
            now=self._cause.now,
            cause=self._cause.id,
            entries=self._entries(decision.facts, loaded.sequence if loaded else 0),
            answer=self._keep(decision, answer),
            processed_event=None if isinstance(self._cause, CommandRequest) else _cause_time(self._cause),
            content=_content(self._cause),
        )
        try:
            await self._aggregates.save(change)
        except Duplicate as error:
            if loaded is None and error.index == "_id":
                # It was created concurrently, perhaps by this request: load it and compare the cause ids.
                raise Conflict from None
            if isinstance(self._cause, CommandRequest):
                # The server names only one of several violated indexes, so the error alone does not show whether
                # the request is a repetition.
                await self._check_unspent(error)
            raise

    async def _check_unspent(self, error: Duplicate) -> None:
        """Raise Conflict or RequestIdReused if the request id is used; return if only a domain index is violated."""
        holder = await self._aggregates.holder(self._cause.id)
        if holder == self._id or (holder is None and error.index == REQUEST_INDEX.name):
            raise Conflict from None  # stored, or removed, concurrently
        if holder is not None:
            raise RequestIdReused("the request id was used before for another aggregate") from None

    def _known(self, loaded: Loaded[S]) -> bool:
        cause = self._cause
        if isinstance(cause, CommandRequest):
            return cause.id in loaded.requests
        if cause.id in loaded.processed_events:
            # An event recorded without a hash, before hashes were recorded, counts as the same.
            if _content(cause) and loaded.contents.get(cause.id, _content(cause)) != _content(cause):
                raise ContentChanged("an event with this id was handled before with other content")
            return True
        full = len(loaded.processed_events) >= self._aggregates.limits.processed_events
        if (
            full
            and isinstance(cause, EventCause)
            and _cause_time(cause) <= min(loaded.processed_events.values())
        ):
            raise TooOld("the event is older than all events recorded in its aggregate")
        return False

    def _recall(self, loaded: Loaded[S]) -> Message | None:
        """The stored response. The model does not decide again: its rules may refuse the request by now."""
        if not isinstance(self._cause, CommandRequest):
            return None
        kept = loaded.requests[self._cause.id]
        if kept.hash != self._cause.content_hash:
            raise RequestIdReused("the request id was used before with other content")
        if kept.refusal is not None:
            raise self._revived(kept.refusal)
        if kept.type:
            return _parse(kept)
        return cast("Message", self._cause.answer(loaded.state))

    def _revived(self, kept: KeptRefusal) -> Exception:
        """The stored refusal as an exception. Its constructor is not called, because its arguments are unknown."""
        kind = self._aggregates.refusals[kept.reason]
        refusal = kind.__new__(kind)
        refusal.args = (kept.message,)
        refusal.__dict__.update(metadata=dict(kept.metadata), field=kept.field)
        return refusal

    def _answer(self, decision: Decision[S]) -> Message | None:
        if not isinstance(self._cause, CommandRequest) or decision.refusal:
            return None
        return cast("Message", self._cause.answer(decision.state))

    def _keep(self, decision: Decision[S], answer: Message | None) -> KeptAnswer | None:
        cause = self._cause
        if not isinstance(cause, CommandRequest):
            return None
        kept = KeptAnswer(hash=cause.content_hash, rpc=cause.rpc, at=cause.now)
        if decision.refusal:
            return replace(kept, refusal=self._refusal(decision.refusal))
        if answer is None or cause.secret:
            return kept
        return replace(kept, type=answer.DESCRIPTOR.full_name, answer=answer.SerializeToString())

    def _refusal(self, error: Exception) -> KeptRefusal:
        reason = str(getattr(error, "reason", ""))
        if self._aggregates.refusals.get(reason) is not type(error):
            raise TypeError(f"{type(error).__name__} is not in the service's set of errors")
        return KeptRefusal(
            reason=reason,
            message=str(error),
            metadata={key: str(value) for key, value in (getattr(error, "metadata", None) or {}).items()},
            field=getattr(error, "field", None),
        )

    def _entries(self, facts: Sequence[Message], last: int) -> list[OutboxEntry]:
        cause = self._cause
        if facts and self.request_number:
            cause = replace(cause, correlation=self.request_number)
        return [
            self._aggregates.encode_event(
                fact, EventContext(subject=self._id, sequence=last + number, cause=cause)
            )
            for number, fact in enumerate(facts, start=1)
        ]


def _content(cause: Cause) -> str:
    return cause.content if isinstance(cause, EventCause) else ""


def _cause_time(cause: Cause) -> datetime:
    """Time of the cause, UTC, truncated to milliseconds like times in the store."""
    time = cause.time if isinstance(cause, EventCause) else cause.now
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _parse(kept: KeptAnswer) -> Message:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(kept.type)
    answer = message_factory.GetMessageClass(descriptor)()
    answer.ParseFromString(kept.answer)
    return answer
