"""What all codes have in common: the throttle before them, the message after them, and their figures."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from chassis.commands import Cause, Decision, execute
from chassis.domain import Outcome
from chassis.key_ring import Binding
from google.protobuf.message import Message

from identity import facts
from identity.context import Context
from identity.model.codes import RateLimit, Throttle
from identity.model.errors import CodeTooSoon, IdentityError, TooManyStarts
from identity.model.facts import CodeIssued, Fact

S = TypeVar("S")

STEP_SECONDS = 0.1


async def throttle(ctx: Context, cause: Cause, purpose: str, subject: str, limit: RateLimit) -> None:
    """Count a start for one subject, known to us or not; CodeTooSoon or TooManyStarts.

    The same cause again is counted once: a caller who repeats a request is not held up by the first of them.
    """
    key = ctx.keys.keyed_hash(f"{purpose}/{subject}", "throttle")

    def decide(kept: Throttle | None) -> Decision[Throttle]:
        return Decision(state=(kept or Throttle.new(key)).start(limit, cause.now))

    once = Cause(id=cause.id, now=cause.now, correlation=cause.correlation)
    try:
        await execute(ctx.store.throttles, key, decide, once)
    except (CodeTooSoon, TooManyStarts) as refusal:
        ctx.count_code(purpose, refusal.reason)
        raise


def decided(outcome: Outcome[S, Fact]) -> Decision[S]:
    """A model's outcome as the store's door wants it."""
    return Decision(state=outcome.state, facts=facts.messages(outcome.facts), refusal=outcome.refusal)


def with_code(ctx: Context, outcome: Outcome[S, Fact], decoy: CodeIssued) -> Decision[S]:
    """A start's decision. Where no code is sent, one is sealed all the same, and thrown away.

    Sealing is the dear part of a start: its time must not tell whether the person is known.
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
    """End a whole number of steps after the beginning, so that a caller cannot measure the difference.

    What a start leaves to send keeps this process busy for a moment longer; a refusal comes a moment sooner.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        yield
    finally:
        await asyncio.sleep(STEP_SECONDS - (loop.time() - began) % STEP_SECONDS)


@contextmanager
def count_outcome(ctx: Context, purpose: str) -> Iterator[None]:
    """Count what came of a try."""
    try:
        yield
    except IdentityError as refusal:
        ctx.count_code(purpose, refusal.reason)
        raise
    ctx.count_code(purpose, "right")
