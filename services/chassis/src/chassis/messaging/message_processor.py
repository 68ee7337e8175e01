"""Runs one message through its policies, and stores a failed one in the inbox.

Used by the consumer for deliveries and by the inbox worker for retries; independent of channels.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from google.protobuf.message import Message
from opentelemetry.trace import SpanKind

from chassis import log, telemetry, times
from chassis.commands import ContentChanged, TooOld
from chassis.exceptions import failure_reason
from chassis.key_ring import KeyRing
from chassis.messaging import headers, inbound
from chassis.messaging.event_registry import event_option, event_type
from chassis.messaging.inbound import InboundEvent, MessageRejected
from chassis.messaging.policies import PermanentFailure, Policies, Policy
from chassis.messaging.received_message import REFUSED, ReceivedMessage
from chassis.store import Inbox, InboxEntry, StoreUnavailable

ATTEMPTS = 8
"""Attempts of a message, the first included; after the last it is parked."""
FIRST_PAUSE_SECONDS = 1.0
PAUSE_FACTOR = 3.0
LONGEST_PAUSE_SECONDS = 15 * 60.0
RACE_ATTEMPTS: Final = 3
_RACE_CODES: Final = ("FAILED_PRECONDITION", "NOT_FOUND")
"""Codes of a policy that needs what another event brings: events of several publishers arrive in no order."""

_FINAL: Final = (PermanentFailure, TooOld, ContentChanged)
_log = log.get(__name__)


class ProcessingOutcome(StrEnum):
    """Outcome of one attempt."""

    DONE = "done"
    WAITS = "waits"
    PARKED = "parked"
    AWAY = "store_away"


def retry_pause(attempt: int) -> timedelta:
    """The pause after an attempt, with jitter; the first attempt is number 1."""
    seconds = min(FIRST_PAUSE_SECONDS * PAUSE_FACTOR ** (attempt - 1), LONGEST_PAUSE_SECONDS)
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311 -- jitter is no secret


class MessageProcessor:
    """Runs messages through the policies of one service."""

    def __init__(
        self,
        policies: Policies,
        inbox: Inbox,
        keys: KeyRing,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._policies = policies
        self._inbox = inbox
        self._keys = keys
        self._clock = clock
        metrics = telemetry.current()
        counter = metrics.counter
        self._attempts = counter("diwan_policy_events", "Events by policy and outcome", ("policy", "outcome"))
        self._seconds = metrics.histogram("diwan_policy_seconds", "Duration of a policy", ("policy",))
        self._ignored = counter("diwan_events_ignored", "Events without a policy", ("queue",))
        self._rejections = counter("diwan_events_refused", "Messages rejected for good", ("queue", "reason"))

    async def process(self, received: ReceivedMessage) -> None:
        """Run a delivered message through each of its policies.

        When this returns, its effects are committed or it is stored in the inbox: it may be acknowledged.

        Raises:
            StoreUnavailable: neither was possible.
        """
        try:
            event, message = self._read(received)
        except MessageRejected as rejection:
            await self.reject(received, rejection)
            return
        for policy in self._policies.find(received.queue, event.type):
            failure = await self._try(policy, event, message, attempt=1, late=False)
            if failure is not None:
                await self._store_failed(policy, received, event, failure)

    async def reject(
        self, received: ReceivedMessage, rejection: MessageRejected, *, with_headers: bool = True
    ) -> None:
        """Park a message that no policy may handle; `with_headers=False` if the store cannot hold its headers."""
        now = self._clock()
        await self._inbox.put(
            InboxEntry(
                id=received.rejected_id,
                policy=REFUSED,
                queue=received.queue,
                headers=received.stored_headers() if with_headers else received.origin(),
                body=received.body[: inbound.BODY_BYTES_MAX],
                attempt=1,
                next_at=now,
                reason=str(rejection),
                at=now,
                parked=True,
                expires=_expires(received.attributes),
            )
        )
        # Counted and logged once it is parked: while the store is away the broker delivers it again.
        self._rejections.labels(received.queue, rejection.reason).inc()
        _log.error(
            "message rejected",
            queue=received.queue,
            reason=rejection.reason,
            detail=rejection.detail,
            parked_id=received.rejected_id,
        )

    async def park_without_headers(self, received: ReceivedMessage, error: Exception) -> None:
        """Park a message that cannot be stored otherwise: its body without headers, for an operator."""
        await self.reject(received, MessageRejected("NOT_KEPT", type(error).__name__), with_headers=False)

    async def retry(self, entry: InboxEntry) -> bool:
        """Process a message of the inbox again, in a trace of its own, linked to its publisher's span.

        Returns:
            False if the attempt failed, so that fewer retries may help. A refusal by a rule does not count: what the
            policy depends on has answered. Neither does a message that no attempt was made for.

        Raises:
            StoreUnavailable: the message is unchanged.
        """
        received = ReceivedMessage.of(entry)
        try:
            event, message = self._read(received)
        except MessageRejected as rejection:
            await self._inbox.park(entry.id, attempt=entry.attempt + 1, reason=str(rejection))
            return True
        if entry.policy == REFUSED:
            # The cause of the rejection was repaired: the message is processed like a new one.
            await self.process(received)
            await self._inbox.delete(entry.id)
            return True
        policy = self._policies.get(entry.policy)
        if policy is None:
            await self._inbox.park(entry.id, attempt=entry.attempt, reason="POLICY_GONE")
            return True
        attempt = entry.attempt + 1
        failure = await self._try(policy, event, message, attempt=attempt, late=True)
        if failure is None:
            await self._inbox.delete(entry.id)
        elif self._is_final(failure, attempt):
            await self._inbox.park(entry.id, attempt=attempt, reason=failure_reason(failure))
        else:
            next_at = self._clock() + retry_pause(attempt)
            await self._inbox.retry(
                entry.id, attempt=attempt, next_at=next_at, reason=failure_reason(failure)
            )
        return failure is None or _is_refusal(failure)

    def _read(self, received: ReceivedMessage) -> tuple[InboundEvent, Message]:
        """Check the publisher, the attributes, the type and the body."""
        event, kind = received.read()
        if not self._policies.find(event.queue, event.type):
            self._ignored.labels(event.queue).inc()
            return event, kind()  # no policy reads it: not parsed
        message = inbound.parse(event, kind, self._keys)
        return replace(event, content=self._keys.content_hash(message)), message

    async def _try(
        self, policy: Policy, event: InboundEvent, message: Message, *, attempt: int, late: bool
    ) -> Exception | None:
        """Run one attempt in a span of its own; returns its failure, but raises StoreUnavailable."""
        outcome = ProcessingOutcome.AWAY
        try:
            with (
                telemetry.continue_trace(
                    f"process {event.queue}",
                    event.traceparent,
                    late=late,
                    kind=SpanKind.CONSUMER,
                    attributes=_attributes(policy, event, attempt),
                ),
                self._seconds.labels(policy.name).time(),
            ):
                try:
                    await policy.handle(event, message, self._clock())
                except StoreUnavailable:
                    raise
                except Exception as error:
                    # Within the span, so that the log line has its trace id.
                    outcome = (
                        ProcessingOutcome.PARKED
                        if self._is_final(error, attempt)
                        else ProcessingOutcome.WAITS
                    )
                    self._log_failure(policy, event, error, attempt, outcome)
                    raise
            outcome = ProcessingOutcome.DONE
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- no exception of a policy may lose its message
            return error
        finally:
            self._attempts.labels(policy.name, outcome.value).inc()
        return None

    def _is_final(self, failure: Exception, attempt: int) -> bool:
        return isinstance(failure, _FINAL) or attempt >= ATTEMPTS

    def _log_failure(
        self, policy: Policy, event: InboundEvent, error: Exception, attempt: int, outcome: ProcessingOutcome
    ) -> None:
        getattr(_log, log_level(outcome, error, attempt))(
            "policy failed",
            policy=policy.name,
            queue=event.queue,
            type=event.type,
            event_id=event.id,
            attempt=attempt,
            outcome=outcome.value,
            reason=failure_reason(error),
            request_number=event.correlation,
            exc_info=None if hasattr(error, "reason") else error,
        )

    async def _store_failed(
        self, policy: Policy, received: ReceivedMessage, event: InboundEvent, failure: Exception
    ) -> None:
        """Store a failed message in the inbox; a second delivery of the same content is the same entry."""
        now = self._clock()
        await self._inbox.put(
            InboxEntry(
                id=f"{policy.name}/{event.id}/{event.content}",
                policy=policy.name,
                queue=event.queue,
                headers=received.stored_headers(),
                body=received.body,
                attempt=1,
                next_at=now + retry_pause(1),
                reason=failure_reason(failure),
                at=now,
                parked=self._is_final(failure, 1),
                expires=_expires(received.attributes),
            )
        )


def _expires(attributes: Mapping[str, object]) -> datetime | None:
    """When the inbox entry of a secret is removed: at the message's expiry. An unknown type counts as secret."""
    kind = event_type(str(attributes.get(headers.TYPE, "")))
    option = event_option(kind) if kind else None
    if option is not None and not option.secret:
        return None
    try:
        return times.parse_time(headers.text(attributes, headers.EXPIRY))
    except ValueError:
        return None


def _attributes(policy: Policy, event: InboundEvent, attempt: int) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": event.exchange,
        "messaging.destination.subscription.name": event.queue,
        "messaging.message.id": event.id,
        "messaging.message.body.size": len(event.data),
        "cloudevents.event_type": event.type,
        "cloudevents.event_source": event.source,
        "diwan.policy": policy.name,
        "diwan.attempt": attempt,
    }
    if event.correlation:
        attributes["diwan.request_number"] = event.correlation
    return attributes


def log_level(outcome: ProcessingOutcome, error: Exception, attempt: int) -> str:
    """Level of a failure's log line: error for a parked message, info for the first attempts of an ordinary race."""
    if outcome is ProcessingOutcome.PARKED:
        return "error"
    race = _waits_for_another(error) and attempt < RACE_ATTEMPTS
    return "info" if race else "warning"


def _waits_for_another(error: Exception) -> bool:
    """Whether a policy needs what another event brings."""
    return getattr(error, "code", "") in _RACE_CODES


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, _FINAL) or _waits_for_another(error)
