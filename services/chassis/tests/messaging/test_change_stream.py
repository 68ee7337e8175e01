"""The relay sends the commits of other processes: at once by the change stream, else after a periodic scan."""

import asyncio
from io import StringIO
from typing import Any

import pytest
from chassis.messaging import relay as relay_module
from chassis.messaging.policies import on
from chassis.store import Database
from diwan.identity.v1 import events_pb2 as identity_pb2
from diwan.payments.v1 import events_pb2
from testkit.store import StoreServer

from .conftest import QUEUE, Seen, eventually, settled
from .test_relay import command, published

pytestmark = pytest.mark.real

WARNING = "no change stream"


@pytest.fixture
def no_stream(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Make the server refuse change streams, as one without a replica set does; the list has an item per attempt."""
    attempts: list[None] = []

    def wanted(_: Any) -> list[dict[str, Any]]:
        attempts.append(None)
        return [{"$unheardOf": {}}]

    monkeypatch.setattr("chassis.store.change_stream.ChangeStream._pipeline", wanted)
    return attempts


@pytest.fixture
def rare_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the relay scan so rarely that a test sees only the events of the stream."""
    monkeypatch.setattr(relay_module, "SCAN_SECONDS", 60.0)


async def following(bench: Any, lines: StringIO, service: str = "payments") -> Database:
    """Start a relay that follows the stream; return its database. After that the bench publishes as another process."""
    relay = await bench.relay(service)
    ours: Database = bench.databases[service]
    await eventually(lambda: relay._publisher)
    await eventually(lambda: "change stream is open" in lines.getvalue())
    await bench.database(service, fresh=True)
    return ours


async def test_commits_of_another_process_are_sent_at_once(
    bench: Any, seen: Seen, lines: StringIO, rare_scans: None
) -> None:
    """Each event is sent once, long before the next scan, and leaves the outbox."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    await following(bench, lines)

    for number in range(5):
        await bench.publish(settled(number), aggregate=str(number))
    await bench.publish(settled(5), settled(6))

    await eventually(lambda: len(seen.events) == 7)
    assert await eventually(lambda: _nothing_left(bench))
    assert published("payments.events", "confirmed") == 7
    assert WARNING not in lines.getvalue()


async def _nothing_left(bench: Any) -> bool:
    return bool(await bench.unsent() == 0)


async def test_commits_of_two_processes_are_sent_in_order(
    bench: Any, seen: Seen, lines: StringIO, rare_scans: None
) -> None:
    """The relay's process and another one alternate on one aggregate: each event is sent once."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    await bench.database("payments")
    ours = bench.counters["payments"]
    await following(bench, lines)
    theirs = bench.counters["payments"]

    for number in range(20):
        bench.counters["payments"] = (ours, theirs)[number % 2]
        await bench.publish(settled(number))

    await eventually(lambda: len(seen.events) >= 20)
    assert seen.numbers == list(range(20))
    assert await eventually(lambda: _nothing_left(bench))
    assert published("payments.events", "confirmed") == 20


async def test_a_server_without_change_streams_is_scanned(
    bench: Any, seen: Seen, no_stream: list[None], lines: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan finds the commits, and one log line reports that there is no stream."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    monkeypatch.setattr(relay_module, "SCAN_SECONDS", 0.2)
    relay = await bench.relay()
    await eventually(lambda: relay._publisher)
    await eventually(lambda: WARNING in lines.getvalue())
    await bench.database("payments", fresh=True)

    await bench.publish(settled(1))

    await eventually(lambda: seen.numbers == [1])
    await eventually(lambda: len(no_stream) >= 3)  # at least two attempts were refused
    assert lines.getvalue().count(WARNING) == 1
    assert await relay.check()


async def test_the_stream_is_reopened_after_an_outage_of_the_store(
    bench: Any, seen: Seen, lines: StringIO, rare_scans: None
) -> None:
    """Commits from before the new stream are sent too."""
    server = StoreServer()
    server.start()
    bench.stack.push_async_callback(asyncio.to_thread, server.close)
    bench.store_uri = server.uri
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    await following(bench, lines)
    await bench.publish(settled(1))
    await eventually(lambda: seen.numbers == [1])

    await asyncio.to_thread(server.kill)
    await eventually(lambda: WARNING in lines.getvalue())
    await asyncio.to_thread(server.start)
    await bench.publish(settled(2))
    await eventually(lambda: 2 in seen.numbers, 60)
    await eventually(lambda: lines.getvalue().count("change stream is open") == 2, 60)
    await bench.publish(settled(3))

    await eventually(lambda: 3 in seen.numbers)
    assert list(dict.fromkeys(seen.numbers)) == [1, 2, 3]
    assert lines.getvalue().count(WARNING) == 1


async def test_unroutable_commands_hide_no_other_events(
    bench: Any, no_stream: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More aggregates than one page hold only unroutable commands: the events after them are sent all the same."""
    monkeypatch.setattr(relay_module, "SCAN_SECONDS", 0.1)
    monkeypatch.setattr(relay_module, "PAGE", 3)
    relay = await bench.relay("identity")
    await eventually(lambda: relay._publisher)
    await bench.database("identity", fresh=True)
    with bench.broker.unbound("notification.identity.message"):
        for number in range(8):
            await bench.publish(command(), service="identity", aggregate=f"a{number}")

        await bench.publish(identity_pb2.OfficerRegistered(officer_id="o"), service="identity", aggregate="z")

        await eventually(lambda: published("identity.events", "confirmed") == 1)
        assert published("identity.commands", "confirmed") == 0
