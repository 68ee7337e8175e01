"""Common parts of the commands that send a code: rate limit, decision with facts, response time, metrics."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from chassis.commands import Cause, Decision, execute
from chassis.domain import Outcome
from chassis.key_ring import Binding
from chassis.rpc.current import Call
from google.protobuf.message import Message

from identity import facts
from identity.context import Context
from identity.model.codes import RateLimit, Source, Throttle
from identity.model.errors import CodeTooSoon, IdentityError, TooManyStarts
from identity.model.facts import CodeIssued, Fact

S = TypeVar("S")

STEP_SECONDS = 0.1


def account_source(ctx: Context, account_id: str) -> Source:
    """The source of requests that an account makes for itself."""
    return Source(ctx.keys.keyed_hash(account_id, "source"), known=True)


def network_source(ctx: Context, call: Call) -> Source:
    """The source of requests without a token: the caller's network. TooManyStarts if it makes too many requests."""
    try:
        ctx.networks.count(call.client, call.now)
    except TooManyStarts:
        ctx.count_code("any", "NETWORK_LIMIT")
        raise
    return Source(ctx.keys.keyed_hash(call.client, "source"), known=False)


async def throttle(
    ctx: Context, cause: Cause, purpose: str, subject: str, *, source: Source, limit: RateLimit
) -> None:
    """Count a start for one subject, whether or not it exists; CodeTooSoon or TooManyStarts.

    A repeated cause is counted once, so that the first request does not block its own repetition.
    """
    key = ctx.keys.keyed_hash(f"{purpose}/{subject}", "throttle")

    def decide(kept: Throttle | None) -> Decision[Throttle]:
        return Decision(state=(kept or Throttle.new(key)).start(source, limit, cause.now))

    once = Cause(id=cause.id, now=cause.now, correlation=cause.correlation)
    try:
        await execute(ctx.store.throttles, key, decide, once)
    except (CodeTooSoon, TooManyStarts) as refusal:
        ctx.count_code(purpose, refusal.reason)
        raise


def decided(outcome: Outcome[S, Fact]) -> Decision[S]:
    """The decision for `execute` from a model's outcome."""
    return Decision(state=outcome.state, facts=facts.messages(outcome.facts), refusal=outcome.refusal)


def with_code(ctx: Context, outcome: Outcome[S, Fact], decoy: CodeIssued) -> Decision[S]:
    """The decision of a start. If no code is sent, a decoy is sealed and discarded.

    Sealing takes most of the time of a start: without the decoy, the time would reveal whether the person exists.
    """
    if not outcome.facts:
        ctx.keys.seal_fields(*_unsent(decoy))
    return decided(outcome)


def _unsent(decoy: CodeIssued) -> tuple[Message, Binding]:
    (message,) = facts.messages([decoy])
    return message, Binding(
        "00000000-0000-0000-0000-000000000000", message.DESCRIPTOR.full_name, "diwan/identity"
    )


@asynccontextmanager
async def constant_time_response() -> AsyncIterator[None]:
    """Delay the end to a multiple of STEP_SECONDS, so that a caller cannot measure the difference.

    Without the delay, a start with a message to publish takes longer than one without, and a refusal is faster.
    """
    loop = asyncio.get_running_loop()
    start_time = loop.time()
    try:
        yield
    finally:
        await asyncio.sleep(STEP_SECONDS - (loop.time() - start_time) % STEP_SECONDS)


@contextmanager
def count_outcome(ctx: Context, purpose: str) -> Iterator[None]:
    """Count the outcome of an attempt: `right`, or the refusal's reason."""
    try:
        yield
    except IdentityError as refusal:
        ctx.count_code(purpose, refusal.reason)
        raise
    ctx.count_code(purpose, "right")
