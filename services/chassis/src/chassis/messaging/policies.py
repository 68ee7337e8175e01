"""Policies: whenever this event, then that command. A service's `policies.py` holds one table of them.

def table(ctx: Context) -> list[Policy]:
    print_it = on(OWN, PowerOfAttorneyApproved, partial(render, ctx), name="render")
    return non_retryable([NotaryError], [print_it])
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message

from chassis import log
from chassis.commands import EventCause
from chassis.exceptions import failure_reason
from chassis.messaging import headers
from chassis.messaging.event_registry import event_option
from chassis.messaging.inbound import InboundEvent

M = TypeVar("M", bound=Message)
Handler = Callable[[EventCause[M], M], Awaitable[None]]

HANDLER_LIMIT_SECONDS = 30.0


class PermanentFailure(Exception):
    """Raised by a policy that knows that no later try will help: the event is parked at once.

    Args:
        reason: stable, UPPER_SNAKE_CASE, no personal data.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Policy:
    """One line of a service's table; made by `on`.

    Attributes:
        non_retryable: refusals that no later try mends; see `non_retryable`.
    """

    name: str
    queue: str
    message: type[Message]
    handler: Callable[[EventCause[Any], Any], Awaitable[None]]
    non_retryable: tuple[type[Exception], ...] = ()

    @property
    def type(self) -> str:
        """The CloudEvents type that it waits for."""
        return self.message.DESCRIPTOR.full_name

    async def handle(self, inbound: InboundEvent, message: Message, now: datetime) -> None:
        """Run the handler, with a limit of time; errors in `non_retryable` are raised as PermanentFailure."""
        event: EventCause[Any] = EventCause(
            id=EventCause.identify(self.name, inbound.source, inbound.id),
            now=now,
            correlation=inbound.correlation,
            event_id=inbound.id,
            type=inbound.type,
            source=inbound.source,
            subject=inbound.subject,
            sequence=inbound.sequence,
            time=inbound.happened,
            message=message,
        )
        with log.correlated(inbound.correlation):
            try:
                async with asyncio.timeout(HANDLER_LIMIT_SECONDS):
                    await self.handler(event, message)
            except self.non_retryable as refusal:
                raise PermanentFailure(failure_reason(refusal)) from None


def on(queue: str, message: type[M], handler: Handler[M], *, name: str) -> Policy:
    """A line of the table: events of this message, from this queue, go to this handler.

    Args:
        queue: one of the service's queues in the broker's table.
        message: the event's generated class; its proto states the exchange it comes from.
        handler: gets the event (a cause for `execute`) and its message, sealed fields open. May see one event
            twice, and must then have the effect of once; `execute` sees to that.
        name: the policy's own name, unique in its service. It is part of the id by which an event's effect is
            remembered, and is stored with what waits and is parked: under another name a handled event counts as
            new, and a waiting one has no policy. It stays when the handler is renamed.

    Raises:
        TypeError: the message's proto does not state where it is published.

    """
    if event_option(message) is None:
        raise TypeError(f"{message.DESCRIPTOR.full_name} does not state where it is published")
    return Policy(name, queue, message, handler)


def non_retryable(errors: Iterable[type[Exception]], table: Iterable[Policy]) -> list[Policy]:
    """The table, where an event that meets one of these refusals is parked at once, under the refusal's reason.

    What a rule refuses today it refuses tomorrow, and a person must look. What is only not there yet, such as a
    contact or a fee, is not permanent: it is tried again.
    """
    classes = tuple(errors)
    return [replace(policy, non_retryable=classes) for policy in table]


class Policies:
    """A service's table, looked up by queue and type; ValueError if two lines have one name."""

    def __init__(self, service: str, table: Sequence[Policy]) -> None:
        self._by_name: dict[str, Policy] = {}
        self._by_type: dict[tuple[str, str], list[Policy]] = {}
        for policy in table:
            if policy.name in self._by_name:
                raise ValueError(f"two policies are called {policy.name}")
            if headers.owner(policy.queue) != service:
                raise ValueError(
                    f"policy {policy.name} reads {policy.queue}, which is not a queue of {service}"
                )
            self._by_name[policy.name] = policy
            self._by_type.setdefault((policy.queue, policy.type), []).append(policy)

    @property
    def queues(self) -> list[str]:
        """The queues that have a policy."""
        return sorted({queue for queue, _ in self._by_type})

    def find(self, queue: str, kind: str) -> Sequence[Policy]:
        """The policies for a type from a queue."""
        return self._by_type.get((queue, kind), ())

    def get(self, name: str) -> Policy | None:
        """The policy of that name."""
        return self._by_name.get(name)
