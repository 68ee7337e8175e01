"""Policies: each runs a command for each event of one type. A service's `policies.py` has one table of them.

def table(ctx: Context) -> list[Policy]:
    print_it = on(OWN, PowerOfAttorneyApproved, partial(render, ctx), name="render")
    return non_retryable([NotaryError], [print_it])
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
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
CONCURRENCY = 64
"""Events of one policy in hand at once, unless the policy says fewer."""


class PermanentFailure(Exception):
    """Raised by a policy for a failure that no retry would repair; the event is parked at once.

    Args:
        reason: stable identifier, UPPER_SNAKE_CASE, without personal data.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Policy:
    """One line of a service's table, created by `on`.

    Attributes:
        name: name of the policy, unique in its service.
        queue: the queue of its events.
        message: generated class of its events.
        handler: receives the event and its message.
        non_retryable: refusals that no retry would repair; see `non_retryable`.
        concurrency: events in hand at once in this process, new ones and retries together; the others wait.
    """

    name: str
    queue: str
    message: type[Message]
    handler: Callable[[EventCause[Any], Any], Awaitable[None]]
    non_retryable: tuple[type[Exception], ...] = ()
    concurrency: int = CONCURRENCY
    _slots: asyncio.Semaphore = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_slots", asyncio.Semaphore(self.concurrency))

    @property
    def type(self) -> str:
        """The CloudEvents type of its events."""
        return self.message.DESCRIPTOR.full_name

    async def handle(self, inbound: InboundEvent, message: Message, now: datetime) -> None:
        """Run the handler within 30 seconds, else TimeoutError; raise errors in `non_retryable` as PermanentFailure.

        The time counts from the start of the handler: an event is not late because others come before it.
        """
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
            content=inbound.content,
        )
        with log.correlated(inbound.correlation):
            try:
                async with self._slots, asyncio.timeout(HANDLER_LIMIT_SECONDS):
                    await self.handler(event, message)
            except self.non_retryable as refusal:
                raise PermanentFailure(failure_reason(refusal)) from None


def on(
    queue: str, message: type[M], handler: Handler[M], *, name: str, concurrency: int = CONCURRENCY
) -> Policy:
    """Create a line of the table: the handler of one message type from one queue.

    Args:
        queue: one of the service's queues in the platform table.
        message: the event's generated class; its proto declares exchange and key in the option `event`.
        handler: receives the event (a cause for `execute`) and its message with sealed fields opened. It may receive
            an event twice and must be idempotent; `execute` is.
        name: name of the policy, unique in its service. It is part of the cause id, and is stored with waiting and
            parked messages: after a change of the name, handled events count as new and waiting ones have no policy.
            Keep it when the handler is renamed.
        concurrency: events in hand at once. Slow work states how many it can do within the handler's time; the other
            events then stay in the broker, where they may be taken by other processes.

    Raises:
        TypeError: the message's proto declares no exchange and key.
    """
    if event_option(message) is None:
        raise TypeError(f"{message.DESCRIPTOR.full_name} declares no exchange and key")
    return Policy(name, queue, message, handler, concurrency=concurrency)


def non_retryable(errors: Iterable[type[Exception]], table: Iterable[Policy]) -> list[Policy]:
    """Return the table with these refusals as permanent: the event is parked at once, under the refusal's reason.

    A retry would meet the same refusal of a rule, so an operator must decide. Data that may still arrive, such as
    a contact or a fee, is no permanent failure: the event is retried.
    """
    classes = tuple(errors)
    return [replace(policy, non_retryable=classes) for policy in table]


class Policies:
    """A service's table, by queue and type; ValueError for a repeated name or a queue of another service."""

    def __init__(self, service: str, table: Sequence[Policy]) -> None:
        self._by_name: dict[str, Policy] = {}
        self._by_type: dict[tuple[str, str], list[Policy]] = {}
        for policy in table:
            if policy.name in self._by_name:
                raise ValueError(f"two policies have the name {policy.name}")
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

    def concurrency(self, queue: str) -> int:
        """Messages of a queue that may be in hand at once: those of its slowest policy."""
        table = [
            policy for (name, _), policies in self._by_type.items() if name == queue for policy in policies
        ]
        return min((policy.concurrency for policy in table), default=CONCURRENCY)

    def find(self, queue: str, kind: str) -> Sequence[Policy]:
        """The policies for a type from a queue, empty if there are none."""
        return self._by_type.get((queue, kind), ())

    def get(self, name: str) -> Policy | None:
        """The policy with the given name, None if there is none."""
        return self._by_name.get(name)
