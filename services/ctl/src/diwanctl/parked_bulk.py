"""Replays or discards many parked messages: a bounded number, at a bounded rate, after a dry run."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import click

from diwanctl.output import emit
from diwanctl.parked_queues import Refused
from diwanctl.parked_source import Gone

LOOK_MAX: Final = 10_000
"""Messages that one run looks at; refused ones do not count as handled."""

_SHOWN: Final = ("parked_id", "queue", "type", "reason")

_OPTIONS: Final = (
    click.option(
        "--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="Messages to handle."
    ),
    click.option(
        "--rate",
        default=10.0,
        show_default=True,
        type=click.FloatRange(0.1, 100),
        help="Messages to handle per second.",
    ),
    click.option("--yes", is_flag=True, help="Do it. Without this option nothing changes: a dry run."),
)


def bulk_options(command: Any) -> Any:
    """Add the options of a bulk command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run(
    context: click.Context,
    rows: Iterable[dict[str, Any]],
    handle: Callable[[str], object],
    done: str,
    *,
    limit: int,
    rate: float,
    yes: bool,
) -> None:
    """Handle the messages of `rows` one by one, print each with its outcome, and end with status 1 if one was refused.

    Args:
        context: of the command.
        rows: the messages, as rows of a list.
        handle: handles, or in a dry run only checks, the message of an id.
        done: outcome of a message that was handled: `replayed`, `discarded`.
        limit: messages to handle.
        rate: messages to handle per second.
        yes: whether this is no dry run.
    """
    outcomes: list[dict[str, Any]] = []
    handled, more = 0, False
    try:
        for row in rows:
            if handled == limit or len(outcomes) == LOOK_MAX:
                more = True
                break
            outcome = _outcome(handle, row["parked_id"], done if yes else f"would be {done}")
            handled += outcome.endswith(done)
            outcomes.append({name: row[name] for name in _SHOWN} | {"outcome": outcome})
            if yes:
                time.sleep(1 / rate)
    finally:
        # After a failure of the connection too: the operator must know what was handled.
        emit(context, outcomes)
        _summarize(handled, len(outcomes) - handled, done, more=more, yes=yes)
    if yes and handled < len(outcomes):
        context.exit(1)


def _outcome(handle: Callable[[str], object], parked_id: str, done: str) -> str:
    try:
        handle(parked_id)
    except Gone:
        return "gone meanwhile"
    except Refused as refused:
        return refused.message
    return done


def _summarize(handled: int, others: int, done: str, *, more: bool, yes: bool) -> None:
    verb = done if yes else f"would be {done}"
    click.echo(
        f"{handled} {verb}, {others} not" + ("; more match: repeat the command" if more else ""), err=True
    )
    if not yes:
        click.echo("dry run: nothing was changed; repeat the command with --yes", err=True)
