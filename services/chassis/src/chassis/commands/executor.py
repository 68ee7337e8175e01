"""Commands on one aggregate, each with one effect however often its cause comes."""

from collections.abc import Callable
from typing import TypeVar, overload

from google.protobuf.message import Message

from chassis.commands.causes import CommandRequest, Decision
from chassis.commands.run import run
from chassis.store import Aggregates, Cause

S = TypeVar("S")
M = TypeVar("M", bound=Message)


@overload
async def execute(
    aggregates: Aggregates[S],
    aggregate_id: str,
    decide: Callable[[S | None], Decision[S]],
    cause: CommandRequest[S, M],
) -> M: ...


@overload
async def execute(
    aggregates: Aggregates[S],
    aggregate_id: str,
    decide: Callable[[S | None], Decision[S] | None],
    cause: Cause,
) -> Message | None: ...


async def execute(
    aggregates: Aggregates[S],
    aggregate_id: str,
    decide: Callable[[S | None], Decision[S] | None],
    cause: Cause,
) -> Message | None:
    """Run a command on one aggregate, with one effect however often its cause comes.

    Args:
        aggregates: the aggregate's collection.
        aggregate_id: which one; to create one take `cause.new_id(...)`.
        decide: the model's decision from the state as it is, None if there is none yet. It may be called
            several times, so it must be pure. For an event or a timer it may return None: there is nothing to
            do, and nothing is written.
        cause: why, and what makes it happen once.

    Returns:
        For a request the answer, the kept one if it was answered before; None for an event or a timer.

    Raises:
        RequestIdReused: the request id came before with other content, or for another aggregate.
        Contended: others were faster 8 times.
        TooOld: the event is older than what the aggregate remembers.
        StoreUnavailable: the store did not come back in time.
        Duplicate: a unique index forbids the new state.
        LimitExceeded: the aggregate would outgrow a limit.
        Exception: whatever `decide` raises, and the decision's refusal.
    """
    return (await run(aggregates, aggregate_id, decide, cause)).answer


@overload
async def execute_for_state(
    aggregates: Aggregates[S],
    aggregate_id: str,
    decide: Callable[[S | None], Decision[S]],
    cause: CommandRequest[S, M],
) -> S: ...


@overload
async def execute_for_state(
    aggregates: Aggregates[S],
    aggregate_id: str,
    decide: Callable[[S | None], Decision[S] | None],
    cause: Cause,
) -> S | None: ...


async def execute_for_state(
    aggregates: Aggregates[S],
    aggregate_id: str,
    decide: Callable[[S | None], Decision[S] | None],
    cause: Cause,
) -> S | None:
    """Run a command as `execute` does; returns the state it leaves, None if there is no aggregate.

    It is the state as the command loaded or saved it: for a cause that was handled before, the state as it is now.
    """
    return (await run(aggregates, aggregate_id, decide, cause)).state
