"""One message and its policies: tried, and what did not go well kept in the inbox.

Used for what is delivered and for what is tried again; knows nothing of channels.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from google.protobuf.message import Message
from opentelemetry.trace import SpanKind

from chassis import log, telemetry, times
from chassis.commands import TooOld
from chassis.exceptions import failure_reason
from chassis.key_ring import KeyRing
from chassis.messaging import headers, inbound
from chassis.messaging.event_registry import event_option, event_type
from chassis.messaging.inbound import InboundEvent, MessageRejected
from chassis.messaging.policies import PermanentFailure, Policies, Policy
from chassis.messaging.received_message import REFUSED, ReceivedMessage
from chassis.store import Inbox, InboxEntry, StoreUnavailable

_log = log.get(__name__)


class ProcessingOutcome(StrEnum):
    """What became of one try."""

    DONE = "done"
    WAITS = "waits"
    PARKED = "parked"
    AWAY = "store_away"


@dataclass(frozen=True, kw_only=True)
class RetryPlan:
    """When a message is tried again.

    Attributes:
        attempts: tries in all, the first included; then it is parked.
        first: the first pause; each next is `factor` times as long, with jitter.
        longest: no pause is longer.
    """

    attempts: int = 8
    first: timedelta = timedelta(seconds=1)
    factor: float = 3.0
    longest: timedelta = timedelta(minutes=15)

    def pause(self, attempt: int) -> timedelta:
        """The pause after the try of that number, from 1."""
        seconds = min(self.first.total_seconds() * self.factor ** (attempt - 1), self.longest.total_seconds())
        return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311 -- jitter is no secret


class MessageProcessor:
    """Tries messages on the policies of one service."""

    def __init__(
        self,
        policies: Policies,
        inbox: Inbox,
        keys: KeyRing,
        *,
        plan: RetryPlan | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._policies = policies
        self._inbox = inbox
        self._keys = keys
        self._plan = plan or RetryPlan()
        self._clock = clock
        metrics = telemetry.current()
        made, by_policy = metrics.counter, ("policy",)
        self._tries = made("diwan_policy_events", "Events by policy and outcome", ("policy", "outcome"))
        self._seconds = metrics.histogram("diwan_policy_seconds", "How long a policy took", by_policy)
        self._ignored = made("diwan_events_ignored", "Events that no policy waits for", ("queue",))
        self._refusals = made("diwan_events_refused", "Messages refused for good", ("queue", "reason"))

    async def process(self, received: ReceivedMessage) -> None:
        """Try a message that was just delivered on each of its policies.

        When this returns, its effects are committed or it is kept in the inbox: it may be acknowledged.

        Raises:
            StoreUnavailable: neither could be done.
        """
        try:
            found, message = self._read(received)
        except MessageRejected as refusal:
            await self.refuse(received, refusal)
            return
        for policy in self._policies.find(received.queue, found.type):
            failure = await self._try(policy, found, message, attempt=1, late=False)
            if failure is not None:
                await self._keep(policy, received, found, failure)

    async def refuse(
        self, received: ReceivedMessage, refusal: MessageRejected, *, bare: bool = False
    ) -> None:
        """Park a message that no policy may see; `bare` without its headers, where the store cannot hold them."""
        now = self._clock()
        await self._inbox.put(
            InboxEntry(
                id=received.refused_id,
                policy=REFUSED,
                queue=received.queue,
                headers=received.origin() if bare else received.kept(),
                body=received.body[: inbound.BODY_BYTES_MAX],
                attempt=1,
                next_at=now,
                reason=str(refusal),
                at=now,
                parked=True,
                expires=_expires(received.attributes),
            )
        )
        # Counted and told once it is parked: where the store is away the broker brings it again.
        self._refusals.labels(received.queue, refusal.reason).inc()
        _log.error(
            "message refused",
            queue=received.queue,
            reason=refusal.reason,
            detail=refusal.detail,
            parked_id=received.refused_id,
        )

    async def keep_bare(self, received: ReceivedMessage, error: Exception) -> None:
        """Park a message that could be kept in no other way: its body, without its headers, for a person to see."""
        await self.refuse(received, MessageRejected("NOT_KEPT", type(error).__name__), bare=True)

    async def retry(self, entry: InboxEntry) -> None:
        """Try a message of the inbox once more: a trace of its own, linked to where it came from."""
        received = ReceivedMessage.of(entry)
        try:
            found, message = self._read(received)
        except MessageRejected as refusal:
            await self._inbox.park(entry.id, attempt=entry.attempt + 1, reason=str(refusal))
            return
        if entry.policy == REFUSED:
            # A person had it mended, or us: from here on it is like any other.
            await self.process(received)
            await self._inbox.delete(entry.id)
            return
        policy = self._policies.get(entry.policy)
        if policy is None:
            await self._inbox.park(entry.id, attempt=entry.attempt, reason="POLICY_GONE")
            return
        attempt = entry.attempt + 1
        failure = await self._try(policy, found, message, attempt=attempt, late=True)
        if failure is None:
            await self._inbox.delete(entry.id)
        elif self._is_final(failure, attempt):
            await self._inbox.park(entry.id, attempt=attempt, reason=failure_reason(failure))
        else:
            next_at = self._clock() + self._plan.pause(attempt)
            await self._inbox.retry(
                entry.id, attempt=attempt, next_at=next_at, reason=failure_reason(failure)
            )

    def _read(self, received: ReceivedMessage) -> tuple[InboundEvent, Message]:
        """Check the publisher, the attributes, the type and the body."""
        found = inbound.read(
            received.queue, received.exchange, received.user, received.attributes, received.body
        )
        kind = event_type(found.type)
        if kind is None:
            raise MessageRejected("TYPE_UNKNOWN")
        event = event_option(kind)
        if event is None or event.exchange != found.exchange:
            raise MessageRejected("TYPE_FOREIGN", f"not published on {found.exchange}")
        if not self._policies.find(found.queue, found.type):
            self._ignored.labels(found.queue).inc()
            return found, kind()  # nobody will look at it: not worth parsing
        return found, inbound.parse(found, kind, self._keys)

    async def _try(
        self, policy: Policy, found: InboundEvent, message: Message, *, attempt: int, late: bool
    ) -> Exception | None:
        """One try in a span of its own; returns what went wrong. StoreUnavailable is raised."""
        outcome = ProcessingOutcome.AWAY
        try:
            with (
                telemetry.following(
                    f"process {found.queue}",
                    found.traceparent,
                    late=late,
                    kind=SpanKind.CONSUMER,
                    attributes=_attributes(policy, found, attempt),
                ),
                self._seconds.labels(policy.name).time(),
            ):
                try:
                    await policy.handle(found, message, self._clock())
                except StoreUnavailable:
                    raise
                except Exception as error:
                    # Inside of the span, so that the line leads to the trace.
                    outcome = (
                        ProcessingOutcome.PARKED
                        if self._is_final(error, attempt)
                        else ProcessingOutcome.WAITS
                    )
                    self._report(policy, found, error, attempt, outcome)
                    raise
            outcome = ProcessingOutcome.DONE
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever a policy raises, its message must not be lost
            return error
        finally:
            self._tries.labels(policy.name, outcome.value).inc()
        return None

    def _is_final(self, failure: Exception, attempt: int) -> bool:
        return isinstance(failure, PermanentFailure | TooOld) or attempt >= self._plan.attempts

    def _report(
        self, policy: Policy, found: InboundEvent, error: Exception, attempt: int, outcome: ProcessingOutcome
    ) -> None:
        tell = _log.error if outcome is ProcessingOutcome.PARKED else _log.warning
        tell(
            "policy failed",
            policy=policy.name,
            queue=found.queue,
            type=found.type,
            event_id=found.id,
            attempt=attempt,
            outcome=outcome.value,
            reason=failure_reason(error),
            request_number=found.correlation,
            exc_info=None if hasattr(error, "reason") else error,
        )

    async def _keep(
        self, policy: Policy, received: ReceivedMessage, found: InboundEvent, failure: Exception
    ) -> None:
        """Put a message that failed into the inbox; delivered twice it is one entry."""
        now = self._clock()
        await self._inbox.put(
            InboxEntry(
                id=f"{policy.name}/{found.id}",
                policy=policy.name,
                queue=found.queue,
                headers=received.kept(),
                body=received.body,
                attempt=1,
                next_at=now + self._plan.pause(1),
                reason=failure_reason(failure),
                at=now,
                parked=self._is_final(failure, 1),
                sequence=found.sequence,
                expires=_expires(received.attributes),
            )
        )


def _expires(attributes: Mapping[str, object]) -> datetime | None:
    """When a message goes: a secret is not kept longer than it is good for. An unknown type may be one."""
    kind = event_type(str(attributes.get(headers.TYPE, "")))
    event = event_option(kind) if kind else None
    if event is not None and not event.secret:
        return None
    try:
        return times.parse_time(headers.text(attributes, headers.EXPIRY))
    except ValueError:
        return None


def _attributes(policy: Policy, found: InboundEvent, attempt: int) -> dict[str, str | int]:
    told: dict[str, str | int] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": found.exchange,
        "messaging.destination.subscription.name": found.queue,
        "messaging.message.id": found.id,
        "messaging.message.body.size": len(found.data),
        "cloudevents.event_type": found.type,
        "cloudevents.event_source": found.source,
        "diwan.policy": policy.name,
        "diwan.attempt": attempt,
    }
    if found.correlation:
        told["diwan.request_number"] = found.correlation
    return told
