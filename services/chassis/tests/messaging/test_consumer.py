"""The consumer: each event is processed once or parked with its reason, and a bad message blocks no other."""

import asyncio
import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from chassis import telemetry
from chassis.commands import EventCause
from chassis.domain import DomainError
from chassis.messaging import consumer as consumer_module
from chassis.messaging import headers, message_processor
from chassis.messaging.policies import PermanentFailure, non_retryable, on
from chassis.messaging.received_message import REFUSED, ReceivedMessage
from chassis.store import Inbox, InboxEntry, StoreUnavailable
from diwan.identity.v1 import events_pb2 as identity_pb2
from diwan.payments.v1 import events_pb2
from diwan.registry.v1 import events_pb2 as registry_pb2
from google.protobuf.message import Message

from .conftest import QUEUE, Seen, eventually, settled

pytestmark = pytest.mark.real


def sample(name: str, **labels: str) -> float:
    return telemetry.current().registry.get_sample_value(name, labels) or 0.0


def settled_policy(seen: Seen) -> Any:
    return on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"user_id": None}, "USER_MISSING"),
        ({"source": "diwan/notary"}, "ATTRIBUTES: cloudEvents_source"),
        ({"id": None}, "ATTRIBUTES: cloudEvents_id"),
        ({"type": None}, "ATTRIBUTES: cloudEvents_type"),
        ({"specversion": "0.3"}, "ATTRIBUTES: cloudEvents_specversion"),
        ({"time": "yesterday"}, "ATTRIBUTES: cloudEvents_time"),
        ({"subject": 5}, "ATTRIBUTES: cloudEvents_subject"),
        ({"subject": "a\0b"}, "ATTRIBUTES: cloudEvents_subject"),
        ({"sequence": "first"}, "ATTRIBUTES: cloudEvents_sequence"),
        ({"type": "diwan.payments.v1.Unheard"}, "TYPE_UNKNOWN"),
        (
            {"type": "diwan.notary.v1.PowerOfAttorneyApproved"},
            "TYPE_FOREIGN: not published on payments.events",
        ),
        ({"message": b"{"}, "BODY: no proto-JSON of its type"),
        ({"message": b'{"paymentId": 5}'}, "BODY: no proto-JSON of its type"),
        ({"message": b"\xff"}, "BODY: not UTF-8"),
    ],
)
async def test_an_invalid_message_is_parked(
    bench: Any, seen: Seen, changed: dict[str, Any], reason: str
) -> None:
    """A message with an invalid publisher, attribute, type or body reaches no policy."""
    await bench.listen(settled_policy(seen))

    bench.send(**{"message": settled(), **changed})

    (entry,) = await eventually(bench.parked)
    assert (entry.policy, entry.queue, entry.reason) == (REFUSED, QUEUE, reason)
    assert seen.events == []


async def test_a_foreign_user_is_parked(bench: Any, seen: Seen) -> None:
    """A message from a user that does not own the exchange is refused, even if the broker accepted it."""
    await bench.listen(settled_policy(seen))

    with bench.broker.allowed("registry", write="payments.events"):
        bench.send(settled(), user="registry", user_id="registry", source="diwan/payments")

    (entry,) = await eventually(bench.parked)
    assert entry.reason == "USER_FOREIGN"
    assert seen.events == []


async def test_violated_rules_are_reported_without_values(bench: Any, seen: Seen) -> None:
    """A message that violates the rules of its proto is parked with path and rule."""
    queue = "identity.registry.person"
    await bench.listen(
        on(queue, registry_pb2.PersonRegistered, seen.handle, name="count"), service="identity"
    )
    person = registry_pb2.PersonRegistered(person_id="29001011234567", record="sealed")

    bench.send(
        person,
        user="registry",
        user_id="registry",
        exchange="registry.events",
        key="person.registered.v1",
        type="diwan.registry.v1.PersonRegistered",
    )

    (entry,) = await eventually(lambda: bench.parked("identity"))
    assert entry.reason == "INVALID: person_id string.uuid"


async def test_sealed_fields_are_opened(bench: Any, seen: Seen) -> None:
    """A policy receives the plain value of a field that was sealed for its service."""
    queue = "notification.identity.message"
    await bench.listen(on(queue, identity_pb2.SendMessage, seen.handle, name="count"), service="notification")
    await bench.relay("identity")

    await bench.publish(identity_pb2.SendMessage(template="code", content="123456"), service="identity")

    await eventually(lambda: seen.events)
    assert seen.events[0].message.content == "123456"


async def test_a_sealed_field_of_another_event_is_refused(bench: Any, seen: Seen) -> None:
    """A sealed field that was copied into another event cannot be opened."""
    queue = "notification.identity.message"
    await bench.listen(on(queue, identity_pb2.SendMessage, seen.handle, name="count"), service="notification")
    await bench.publish(identity_pb2.SendMessage(template="code", content="123456"), service="identity")
    (unsent,) = await bench.databases["identity"].outbox.unsent(1)

    bench.send(
        unsent.entries[0].data.encode(),
        user="identity",
        user_id="identity",
        exchange="identity.commands",
        key="message.send.v1",
        type="diwan.identity.v1.SendMessage",
    )

    (entry,) = await eventually(lambda: bench.parked("notification"))
    assert entry.reason == "SEALED_FIELD_UNREADABLE: a sealed field belongs to another event"


async def test_an_event_without_a_policy_is_counted(bench: Any, seen: Seen) -> None:
    """An event of a known type is acknowledged."""
    queue = "notification.payments.payment"
    await bench.listen(
        on(queue, events_pb2.PaymentSettled, seen.handle, name="count"), service="notification"
    )

    bench.send(
        events_pb2.PaymentRefused(payment_id="1"),
        key="payment.refused.v1",
        type="diwan.payments.v1.PaymentRefused",
    )

    await eventually(lambda: sample("diwan_events_ignored_total", queue=queue) == 1)
    assert await bench.parked("notification") == []
    await eventually(lambda: bench.depth(queue) == 0)


async def test_a_failed_event_is_retried(bench: Any) -> None:
    """The second attempt has a new trace, linked to the old one, and empties the inbox."""
    seen = Seen(failures=[RuntimeError("once")])
    await bench.listen(settled_policy(seen))
    await bench.relay()

    await bench.publish(settled(1))

    await eventually(lambda: len(seen.events) == 2)
    assert seen.events[0] == seen.events[1].__class__(**{**vars(seen.events[1]), "now": seen.events[0].now})
    # The broker's confirm ends the span of the sender, and may arrive after the message.
    await eventually(lambda: len(_spans(bench, "process")) == 2 and _spans(bench, "send payments"))
    (send,) = _spans(bench, "send payments")
    first, second = _spans(bench, "process")
    assert first.parent.span_id == send.context.span_id
    assert second.parent is None
    assert [link.context.span_id for link in second.links] == [send.context.span_id]
    await eventually(lambda: _inbox_empty(bench))


async def test_the_log_line_of_a_failure_has_its_trace_id(bench: Any, lines: StringIO) -> None:
    """It leads to the span of the failed attempt."""
    await bench.listen(settled_policy(Seen(failures=[PermanentFailure("NO")])))

    bench.send(settled(1))

    (process,) = await eventually(lambda: _spans(bench, "process"))
    (line,) = [line for line in map(json.loads, lines.getvalue().splitlines()) if "policy" in line]
    assert (line["event"], line["trace_id"], line["span_id"]) == (
        "policy failed",
        f"{process.context.trace_id:032x}",
        f"{process.context.span_id:016x}",
    )


class Early(DomainError):
    """Another event that the policy needs has not arrived yet."""

    reason = "PART_UNKNOWN"
    code = "FAILED_PRECONDITION"


@pytest.mark.parametrize(
    ("failure", "level"),
    [(Early(), "info"), (ValueError("no"), "warning"), (PermanentFailure("NO"), "error")],
    ids=["race", "fault", "parked"],
)
async def test_the_level_of_a_failure_is_that_of_its_urgency(
    bench: Any, lines: StringIO, failure: Exception, level: str
) -> None:
    """A first attempt that comes before another publisher's event is ordinary; a parked message needs an operator."""
    await bench.listen(settled_policy(Seen(failures=[failure])))

    bench.send(settled(1))

    await eventually(lambda: "policy failed" in lines.getvalue())
    line = next(line for line in map(json.loads, lines.getvalue().splitlines()) if "policy" in line)
    assert (line["event"], line["level"]) == ("policy failed", level)


@pytest.mark.parametrize(("attempt", "level"), [(1, "info"), (2, "info"), (3, "warning"), (8, "warning")])
def test_a_race_that_persists_is_a_warning(attempt: int, level: str) -> None:
    """From the third attempt on, the missing event is probably lost."""
    outcome = message_processor.ProcessingOutcome.WAITS

    assert message_processor.log_level(outcome, Early(), attempt) == level


def _spans(bench: Any, prefix: str) -> list[Any]:
    return [span for span in bench.spans.get_finished_spans() if span.name.startswith(prefix)]


async def _inbox_empty(bench: Any) -> bool:
    inbox: Inbox = bench.databases["notary"].inbox
    return await inbox.count(parked=False) == 0 and await inbox.count(parked=True) == 0


async def test_an_event_is_parked_after_the_last_attempt(bench: Any) -> None:
    """The reason is the class of the exception, without its text."""
    seen = Seen(failures=[ValueError("29001011234567")] * 9)
    await bench.listen(settled_policy(seen))

    event_id = bench.send(settled(1))

    (entry,) = await eventually(bench.parked)
    assert (entry.id.rpartition("/")[0], entry.attempt) == (f"count/{event_id}", 3)
    assert entry.reason == "ValueError"
    await asyncio.sleep(0.3)
    assert len(seen.events) == 3


async def test_a_slow_inbox_query_starts_no_second_attempt(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that started before the end of an attempt may return the entry as it was before."""
    due = Inbox.due

    async def slow(inbox: Inbox, limit: int) -> list[InboxEntry]:
        entries = await due(inbox, limit)
        await asyncio.sleep(0.3)
        return entries

    async def fail(event: EventCause[Any], message: Message) -> None:
        seen.events.append(event)
        await asyncio.sleep(0.2)
        raise ValueError

    seen = Seen()
    monkeypatch.setattr(Inbox, "due", slow)
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, fail, name="count"))

    bench.send(settled(1))

    await eventually(bench.parked)
    await asyncio.sleep(0.7)
    assert len(seen.events) == 3


async def test_a_permanent_failure_is_not_retried(bench: Any) -> None:
    """The message is parked after its first attempt."""
    seen = Seen(failures=[PermanentFailure("FEE_UNKNOWN")])
    await bench.listen(settled_policy(seen))

    bench.send(settled(1))

    (entry,) = await eventually(bench.parked)
    assert (entry.attempt, entry.reason) == (1, "FEE_UNKNOWN")


class Overdrawn(Exception):
    reason = "OVERDRAWN"


@pytest.mark.parametrize(
    ("refusal", "attempts", "reason"),
    [
        (Overdrawn("+201012345678"), 1, "OVERDRAWN"),
        (LookupError("+201012345678"), 1, "LookupError"),
        (KeyError("+201012345678"), 1, "KeyError"),
        (ValueError("+201012345678"), 3, "ValueError"),
    ],
)
async def test_non_retryable_errors_are_parked_at_once(
    bench: Any, refusal: Exception, attempts: int, reason: str
) -> None:
    """The reason is that of the error, without its text; other errors are retried up to the limit."""
    seen = Seen(failures=[refusal] * 3)
    await bench.listen(*non_retryable([Overdrawn, LookupError], [settled_policy(seen)]))

    bench.send(settled(1))

    (entry,) = await eventually(bench.parked)
    assert (entry.attempt, entry.reason) == (attempts, reason)


async def test_policies_of_a_queue_are_independent(bench: Any) -> None:
    """Of two policies for one event only the failing one is retried."""
    good, bad = Seen(), Seen(failures=[RuntimeError("once")])
    table = [
        on(QUEUE, events_pb2.PaymentSettled, bad.handle, name="bad"),
        on(QUEUE, events_pb2.PaymentSettled, good.handle, name="good"),
    ]
    await bench.listen(*table)

    bench.send(settled(1))

    await eventually(lambda: len(bad.events) == 2 and good.events)
    await eventually(lambda: _inbox_empty(bench))
    assert len(good.events) == 1


async def test_a_failing_message_blocks_no_other(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages between failing ones are processed at once."""
    done: list[str] = []

    async def handle(event: Any, message: events_pb2.PaymentSettled) -> None:
        if int(message.payment_id) % 2:
            raise RuntimeError
        done.append(message.payment_id)

    monkeypatch.setattr(message_processor, "ATTEMPTS", 100)
    monkeypatch.setattr(message_processor, "FIRST_PAUSE_SECONDS", 300.0)
    monkeypatch.setattr(consumer_module, "CONCURRENCY", 2)
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, handle, name="count"))

    await bench.publish(*(settled(number) for number in range(40)))
    await bench.relay()

    await eventually(lambda: len(done) == 20)


async def test_a_redelivered_message_is_one_inbox_entry(bench: Any) -> None:
    """A failing message is delivered twice."""
    seen = Seen(failures=[PermanentFailure("NO")] * 2)
    consumer = await bench.listen(settled_policy(seen))

    bench.send(settled(1), id="same")
    bench.send(settled(1), id="same")

    await eventually(lambda: len(seen.events) == 2)
    await bench.end(consumer)  # both are stored then
    assert len(await bench.parked()) == 1


@pytest.mark.parametrize("name", ["\0evil", "$evil", "e.vil", "x" * 200])
async def test_a_header_with_an_invalid_name_blocks_no_message(bench: Any, name: str) -> None:
    """The message is parked without it, and the next one is processed."""
    seen = Seen(failures=[PermanentFailure("NO")])
    consumer = await bench.listen(settled_policy(seen))

    bench.send(settled(1), **{name: "\0"})
    bench.send(settled(2))

    (entry,) = await eventually(bench.parked)
    assert entry.reason == "NO"
    assert set(entry.headers) == {*headers.REQUIRED, headers.SEQUENCE, "exchange", "user_id"}
    await eventually(lambda: seen.numbers == [1, 2])
    await eventually(lambda: bench.depth() == 0)
    assert consumer.ready


async def test_a_message_that_cannot_be_stored_is_parked_without_headers(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another error than an outage of the store delays only this message."""
    seen = Seen()
    monkeypatch.setattr(ReceivedMessage, "stored_headers", lambda _: {"\0": "what no store holds"})
    failing = events_pb2.PaymentRefused

    async def refuse(event: Any, message: Any) -> None:
        raise PermanentFailure("NO")

    async def until_the_other_is_done(*_: Any) -> None:
        await eventually(lambda: seen.numbers == [2])

    monkeypatch.setattr("chassis.messaging.consumer.within", until_the_other_is_done)

    monkeypatch.setattr(consumer_module, "CONCURRENCY", 4)
    queue = "notification.payments.payment"
    consumer = await bench.listen(
        on(queue, events_pb2.PaymentSettled, seen.handle, name="count"),
        on(queue, failing, refuse, name="refuse"),
        service="notification",
    )

    bench.send(failing(payment_id="1"), key="payment.refused.v1", type="diwan.payments.v1.PaymentRefused")
    bench.send(settled(2))

    (entry,) = await eventually(lambda: bench.parked("notification"))
    assert entry.reason == "NOT_KEPT: InvalidDocument"
    assert dict(entry.headers) == {"exchange": "payments.events", "user_id": "payments"}
    assert b'"1"' in entry.body
    assert seen.numbers == [2]
    assert consumer.ready
    await eventually(lambda: bench.depth(queue) == 0)


async def test_a_refused_secret_expires(bench: Any, seen: Seen) -> None:
    """A parked secret is removed at its expiry time; a fact with such a header is kept."""
    queue, until = "notification.identity.message", "2099-01-01T00:00:00Z"
    await bench.listen(on(queue, identity_pb2.SendMessage, seen.handle, name="count"), service="notification")
    address = {
        "user": "identity",
        "user_id": "identity",
        "exchange": "identity.commands",
        "key": "message.send.v1",
    }

    bench.send(b"{", type="diwan.identity.v1.SendMessage", expirytime=until, **address)
    bench.send(b"{", type="diwan.identity.v1.AccountEnrolled", expirytime=until, **address)
    bench.send(b"{", type="diwan.identity.v1.SendMessage", expirytime="2020-01-01T00:00:00Z", **address)

    await eventually(lambda: bench.depth(queue) == 0)
    await eventually(lambda: _refusals(queue) == 3)
    expiries = {entry.reason: entry.expires for entry in await bench.parked("notification")}
    assert expiries == {
        "BODY: no proto-JSON of its type": datetime(2099, 1, 1, tzinfo=UTC),
        "TYPE_FOREIGN: not published on identity.commands": None,
    }


def _refusals(queue: str) -> float:
    reasons = ("BODY", "TYPE_FOREIGN")
    return sum(sample("diwan_events_refused_total", queue=queue, reason=reason) for reason in reasons)


async def test_a_message_is_requeued_while_the_store_is_away(bench: Any) -> None:
    """It is not parked, and it is processed once the store is back."""
    away = Seen(failures=[StoreUnavailable()])
    consumer = await bench.listen(settled_policy(away))

    bench.send(settled(1))

    await eventually(lambda: len(away.events) == 2)
    assert away.numbers == [1, 1]
    assert await bench.parked() == []
    await eventually(lambda: consumer.ready)


async def test_a_message_that_is_redelivered_too_often_is_parked(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may crash the process, so it is parked without another attempt."""
    monkeypatch.setattr(consumer_module, "DELIVERIES", 2)
    away = Seen(failures=[StoreUnavailable()] * 9)
    await bench.listen(settled_policy(away))

    bench.send(settled(1))

    (entry,) = await eventually(bench.parked)
    assert entry.reason == "DELIVERED_TOO_OFTEN"
    assert len(away.events) == 2


async def test_no_personal_data_leak_from_messages(bench: Any, lines: StringIO) -> None:
    """The values of invalid and failing messages are in no log line, span or reason."""
    canary, name = "29001011234567", "Fatma Hassanein"
    seen = Seen(failures=[ValueError(f"{name} {canary}")] * 9)
    await bench.listen(settled_policy(seen))
    message = events_pb2.PaymentSettled(payment_id=canary)

    bench.send(message)
    bench.send(f'{{"paymentId": {canary}}}'.encode())
    bench.send(message, subject=canary, time=canary)
    bench.send(message, type=canary)

    await eventually(lambda: _parked(bench, 4))
    assert canary not in lines.getvalue()
    assert name not in lines.getvalue()
    assert all(canary not in repr(vars(span)) for span in bench.spans.get_finished_spans())
    assert all(canary not in entry.reason for entry in await bench.parked())


async def _parked(bench: Any, number: int) -> bool:
    return len(await bench.parked()) == number


async def test_stop_finishes_the_messages_in_progress(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The consumer takes no further message and acknowledges those it has."""
    started, proceed = asyncio.Event(), asyncio.Event()

    async def handle(event: Any, message: events_pb2.PaymentSettled) -> None:
        started.set()
        await proceed.wait()

    monkeypatch.setattr(consumer_module, "CONCURRENCY", 1)
    consumer = await bench.listen(on(QUEUE, events_pb2.PaymentSettled, handle, name="count"))
    bench.send(settled(1))
    bench.send(settled(2))
    await started.wait()

    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0.2)
    assert not stopping.done()
    proceed.set()
    await stopping

    await eventually(lambda: bench.depth() == 1)


async def test_slow_work_takes_no_more_than_it_can_do(bench: Any) -> None:
    """Events beyond a policy's concurrency stay in the broker; all are handled in the end."""
    running: list[int] = []
    most: list[int] = []

    async def handle(event: Any, message: events_pb2.PaymentSettled) -> None:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0.01)
        running.pop()

    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, handle, name="slow", concurrency=2))
    await bench.publish(*(settled(number) for number in range(20)))
    await bench.relay()

    await eventually(lambda: len(most) == 20)
    assert max(most) == 2
