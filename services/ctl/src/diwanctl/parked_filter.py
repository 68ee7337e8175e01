"""Filters of parked messages: the options of the commands, and their meaning."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Final

import click
from chassis.times import parse_time, timestamp
from diwan.operations.v1 import operations_pb2 as pb

_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Conditions on parked messages; an empty one is true for all.

    Attributes:
        policy: name of the policy that failed (services only).
        queue: name of the queue.
        type: CloudEvents type.
        reason: reason of the last failure, without its details.
        since, before: bounds of the time of the first delivery (of the event, at a connector), UTC.
    """

    policy: str = ""
    queue: str = ""
    type: str = ""
    reason: str = ""
    since: datetime | None = None
    before: datetime | None = None

    def request(self) -> pb.ListParkedRequest:
        """The conditions as a service takes them."""
        return pb.ListParkedRequest(
            policy=self.policy,
            queue=self.queue,
            type=self.type,
            reason=self.reason,
            min_receive_time=timestamp(self.since) if self.since else None,
            max_receive_time=timestamp(self.before) if self.before else None,
        )

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a connector's message matches, by its row."""
        if self.policy:
            raise click.UsageError("--policy is for services: a connector has no policies")
        texts = ((self.queue, row["queue"]), (self.type, row["type"]), (self.reason, _word(row["reason"])))
        return all(wanted in ("", found) for wanted, found in texts) and self._in_time(row["event_time"])

    def _in_time(self, text: str) -> bool:
        if self.since is None and self.before is None:
            return True
        try:
            time = parse_time(text)
        except ValueError:
            return False
        return (self.since is None or self.since <= time) and (self.before is None or time < self.before)


def _word(reason: str) -> str:
    return reason.partition(":")[0]


class TimeOrAge(click.ParamType[datetime]):
    """A time by RFC 3339, or an age: `90s`, `45m`, `2h`, `3d` before now."""

    name = "time or age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time, UTC."""
        if age := _AGE.fullmatch(str(value)):
            return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        try:
            return parse_time(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a time like 2026-01-31T08:00:00Z nor an age like 2h", param, ctx)


_OPTIONS: Final = (
    click.option("--policy", default="", help="Only of this policy; `refused` for rejected messages."),
    click.option("--queue", default="", help="Only of this queue."),
    click.option("--type", "type_", default="", help="Only of this event type, as the list shows it."),
    click.option("--reason-is", default="", help="Only with this reason, without its details."),
    click.option(
        "--since", type=TimeOrAge(), help="Only delivered first since this time, or within this age (2h, 3d)."
    ),
    click.option(
        "--before", type=TimeOrAge(), help="Only delivered first before this time, or this age ago."
    ),
)


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a filter to a command, which receives it as `matching`."""

    @wraps(command)
    def filtered(
        *arguments: Any,
        policy: str,
        queue: str,
        type_: str,
        reason_is: str,
        since: Any,
        before: Any,
        **more: Any,
    ) -> None:
        matching = Filter(
            policy=policy, queue=queue, type=type_, reason=reason_is, since=since, before=before
        )
        command(*arguments, matching=matching, **more)

    for option in reversed(_OPTIONS):
        filtered = option(filtered)
    return filtered
