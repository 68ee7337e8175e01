"""Idempotent commands on one aggregate: one effect for each cause, however often the cause is repeated."""

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
    """Run a command on one aggregate, with one effect however often its cause is repeated.

    Args:
        aggregates: the aggregate's collection.
        aggregate_id: the aggregate's id; for a new one use `cause.new_id(...)`.
        decide: the model's decision from the current state, None if the aggregate does not exist. It may be called
            several times, so it must be pure. For an event or a timer it may return None: then nothing is written.
        cause: the request, event or timer; its id identifies a repetition.

    Returns:
        For a request the response, the stored one if the request is a repetition; None for an event or a timer.

    Raises:
        RequestIdReused: the request id was used before with other content, or for another aggregate.
        Contended: 8 attempts met a concurrent change.
        TooOld: the event is older than all events recorded in the aggregate.
        ContentChanged: an event with this id was handled before with other content.
        StoreUnavailable: the store was unavailable for 15 seconds.
        Duplicate: a unique index forbids the new state.
        LimitExceeded: the aggregate would exceed a limit.
        Exception: an exception of `decide`, or the decision's refusal.
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
    """Run a command like `execute`; return the resulting state, None if the aggregate does not exist.

    For a cause that was handled before, it is the current state.
    """
    return (await run(aggregates, aggregate_id, decide, cause)).state
