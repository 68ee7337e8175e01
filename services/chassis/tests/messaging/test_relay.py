"""The relay publishes committed events in order, also after crashes of the process or the broker."""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from chassis import telemetry
from chassis.messaging.policies import on
from chassis.messaging.relay import Relay
from diwan.identity.v1 import events_pb2 as identity_pb2
from diwan.payments.v1 import events_pb2
from testkit.broker import Broker

from .conftest import QUEUE, Seen, eventually, settled

pytestmark = pytest.mark.real


@pytest.fixture(scope="session")
def broker_node(own_broker: Broker) -> Broker:
    """Return a broker of this module, because its tests kill it."""
    return own_broker


def command(**given: Any) -> identity_pb2.SendMessage:
    return identity_pb2.SendMessage(account_id="account", template="code.enrolment", content="{}", **given)


def published(exchange: str, outcome: str) -> float:
    value = telemetry.current().registry.get_sample_value(
        "diwan_relay_events_total", {"exchange": exchange, "outcome": outcome}
    )
    return value or 0.0


async def test_a_commit_is_sent_at_once(bench: Any, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fact reaches its policy without a scan of the store, and leaves the outbox."""

    async def finds_nothing(*_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr(Relay, "_read_outboxes", finds_nothing)
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    relay = await bench.relay()
    await eventually(lambda: relay._publisher)

    await bench.publish(settled(7))
    await eventually(lambda: seen.events)

    (event,) = seen.events
    assert event.message == settled(7)
    assert (event.source, event.subject, event.sequence, event.correlation) == (
        "diwan/payments",
        "a",
        1,
        "PA-1",
    )
    await eventually(lambda: _none_left(bench))


async def _none_left(bench: Any, service: str = "payments") -> bool:
    left: int = await bench.unsent(service)
    return left == 0


async def test_events_of_an_aggregate_keep_their_order(bench: Any, seen: Seen) -> None:
    """The events of many commands on one aggregate are published in the order of the commands."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    await eventually((await bench.relay()).check)

    for number in range(0, 60, 3):
        await bench.publish(settled(number), settled(number + 1), settled(number + 2))

    await eventually(lambda: len(seen.events) >= 60)
    assert seen.numbers == list(range(60))
    assert [event.sequence for event in seen.events] == list(range(1, 61))


async def test_events_of_a_dead_process_are_sent(bench: Any, seen: Seen) -> None:
    """Events that their own process did not send are found and sent in order."""
    await bench.publish(settled(1), settled(2))
    await bench.publish(settled(3))
    await bench.database("payments", fresh=True)
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))

    await bench.relay()

    await eventually(lambda: len(seen.events) == 3)
    assert seen.numbers == [1, 2, 3]


async def test_events_of_another_process_are_sent_in_order(bench: Any, seen: Seen) -> None:
    """They are sent before the later events of this process."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    await eventually((await bench.relay()).check)
    ours = bench.counters["payments"]
    await bench.database("payments", fresh=True)
    await bench.publish(settled(1))
    theirs, bench.counters["payments"] = bench.counters["payments"], ours

    await bench.publish(settled(2))

    await eventually(lambda: len(seen.events) == 2)
    assert seen.numbers == [1, 2]
    assert theirs is not ours


async def test_one_relay_of_a_service_is_active(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay of a second process waits, and takes over when the first ends."""
    # Longer than any delay of a busy machine.
    monkeypatch.setattr("chassis.messaging.relay.TTL", timedelta(minutes=5))
    database = await bench.database("payments")
    first = await bench.relay()
    await eventually(lambda: first._publisher)
    second = Relay(database, bench.broker.uri("payments"), "payments", holder=uuid4().hex)
    await bench.run(second)
    await asyncio.sleep(0.5)
    assert second._publisher is None
    assert await second.check()

    await bench.end(first)

    await eventually(lambda: second._publisher)


async def test_an_unroutable_command_is_retried(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that the broker returns stays in the outbox, with the events after it, until it has a queue."""
    monkeypatch.setattr("chassis.messaging.relay.BACKOFF_FIRST_SECONDS", 0.05)
    monkeypatch.setattr("chassis.messaging.relay.BACKOFF_LAST_SECONDS", 0.2)  # the new binding needs time
    await eventually((await bench.relay("identity")).check)
    with bench.broker.unbound("notification.identity.message"):
        await bench.publish(command(), service="identity")
        await eventually(lambda: published("identity.commands", "unroutable") >= 1)
        await bench.publish(identity_pb2.OfficerRegistered(officer_id="o"), service="identity")
        await eventually(lambda: published("identity.commands", "unroutable") >= 3)
        assert published("identity.events", "confirmed") == 0
        assert await bench.unsent("identity") == 2

    await eventually(lambda: published("identity.commands", "confirmed") == 1)

    await eventually(lambda: published("identity.events", "confirmed") == 1)
    # A busy broker may report 0.
    await eventually(lambda: bench.depth("notification.identity.message") == 1)


async def test_an_expired_secret_is_removed(bench: Any) -> None:
    """An expired command is not sent, leaves the outbox and is counted."""
    over = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    await bench.publish(command(expire_time=over), service="identity")

    await bench.relay("identity")

    await eventually(lambda: published("identity.commands", "expired") == 1)
    await eventually(lambda: _none_left(bench, "identity"))
    assert bench.depth("notification.identity.message") == 0


async def test_no_event_is_lost_when_the_broker_is_killed(bench: Any, seen: Seen) -> None:
    """Under load each committed event arrives at least once."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    await eventually((await bench.relay()).check)

    async def load() -> None:
        for number in range(300):
            await bench.publish(settled(number), aggregate=str(number % 20))

    loading = asyncio.create_task(load())
    await eventually(lambda: len(seen.events) > 50)
    await asyncio.to_thread(bench.broker.node.kill)
    await asyncio.to_thread(bench.broker.node.start)
    await loading

    await eventually(lambda: len(set(seen.numbers)) == 300, 90)
    await eventually(lambda: _none_left(bench))


async def test_unconfirmed_events_are_sent_again(bench: Any, seen: Seen) -> None:
    """Events without a confirm at the death of the broker are sent again in order."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    relay = await bench.relay()
    await eventually(lambda: relay._publisher)
    os.kill(bench.broker.node.pid, signal.SIGSTOP)
    for number in range(5):
        await bench.publish(settled(number))
    await eventually(lambda: relay._publisher.outstanding == 5)

    await asyncio.to_thread(bench.broker.node.kill)
    await asyncio.to_thread(bench.broker.node.start)

    await eventually(lambda: len(seen.events) == 5, 60)
    assert seen.numbers == [0, 1, 2, 3, 4]


async def test_the_message_belongs_to_the_trace_of_its_command(bench: Any, seen: Seen) -> None:
    """Command, send and process are one trace: the message carries the span of the sender."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    await eventually((await bench.relay()).check)

    with telemetry.span("command") as parent:
        await bench.publish(settled())

    def ended() -> dict[str, Any]:
        return {span.name: span for span in bench.spans.get_finished_spans()}

    # The broker's confirm ends the span of the sender, and may arrive after the message.
    await eventually(lambda: {"send payments.events", f"process {QUEUE}"} <= ended().keys())
    send, process = ended()["send payments.events"], ended()[f"process {QUEUE}"]
    assert send.context.trace_id == process.context.trace_id == parent.get_span_context().trace_id
    assert process.parent.span_id == send.context.span_id
    assert send.attributes["diwan.request_number"] == "PA-1"


async def test_the_age_of_the_outbox_is_true_without_a_broker(bench: Any) -> None:
    """It grows during the outage, also for events that were committed in it, and is 0 once they are sent."""

    def gauge(name: str) -> float:
        value = telemetry.current().registry.get_sample_value(name)
        assert value is not None
        return value

    await eventually((await bench.relay()).check)
    await eventually(lambda: gauge("diwan_outbox_age_seconds") == 0)
    await asyncio.to_thread(bench.broker.node.kill)
    try:
        for number in range(3):
            await bench.publish(settled(number), aggregate=str(number))

        await eventually(lambda: gauge("diwan_outbox_aggregates") == 3)
        first = gauge("diwan_outbox_age_seconds")
        assert first > 0
        await eventually(lambda: gauge("diwan_outbox_age_seconds") > first + 0.5)
    finally:
        await asyncio.to_thread(bench.broker.node.start)

    await eventually(lambda: gauge("diwan_outbox_aggregates") == 0, 60)
    assert gauge("diwan_outbox_age_seconds") == 0


async def test_refused_events_of_many_aggregates_are_retried_at_a_bounded_rate(
    bench: Any, lines: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pauses grow with the number of waiting aggregates; all events are sent once the broker takes them."""
    monkeypatch.setattr("chassis.messaging.relay.BACKOFF_FIRST_SECONDS", 0.01)
    monkeypatch.setattr("chassis.messaging.relay.RETRIES_PER_SECOND", 10)
    await eventually((await bench.relay("identity")).check)

    def pauses() -> list[float]:
        refused = [json.loads(line) for line in lines.getvalue().splitlines() if "event refused" in line]
        first = {line["event_id"]: line["again_in_seconds"] for line in reversed(refused)}
        return sorted(first.values())

    with bench.broker.unbound("notification.identity.message"):
        for number in range(20):
            await bench.publish(command(), service="identity", aggregate=str(number))
        await eventually(lambda: len(pauses()) == 20)

    # Aggregates that are retried meanwhile wait no more, so some numbers occur twice.
    assert pauses()[-1] >= 0.5
    await eventually(lambda: _none_left(bench, "identity"))
