"""What other processes commit is sent when the store tells of it; when it does not, when looking finds it."""

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
    """The server refuses a change stream, as one without replica set does; how often it was asked for one."""
    asked: list[None] = []

    def wanted(_: Any) -> list[dict[str, Any]]:
        asked.append(None)
        return [{"$unheardOf": {}}]

    monkeypatch.setattr("chassis.store.change_stream.ChangeStream._pipeline", wanted)
    return asked


@pytest.fixture
def looks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay does not find by itself, within the time of a test, what nobody told it of."""
    monkeypatch.setattr(relay_module, "SCAN_SECONDS", 60.0)


async def following(bench: Any, lines: StringIO, service: str = "payments") -> Database:
    """A relay that follows the stream; afterwards the bench publishes as another process. The relay's database."""
    relay = await bench.relay(service)
    ours: Database = bench.databases[service]
    await eventually(lambda: relay._publisher)
    await eventually(lambda: "change stream is open" in lines.getvalue())
    await bench.database(service, fresh=True)
    return ours


async def test_sent_when_the_store_tells(bench: Any, seen: Seen, lines: StringIO, looks_seldom: None) -> None:
    """What another process commits is sent long before anybody looks, once, and leaves the outbox."""
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


async def test_commits_of_two_processes(bench: Any, seen: Seen, lines: StringIO, looks_seldom: None) -> None:
    """The relay's own process and another take turns on one aggregate: all is sent once, in order."""
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


async def test_a_server_without_streams(
    bench: Any, seen: Seen, no_stream: list[None], lines: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking finds what the stream would have told; the log says once that there is none."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    monkeypatch.setattr(relay_module, "SCAN_SECONDS", 0.2)
    relay = await bench.relay()
    await eventually(lambda: relay._publisher)
    await eventually(lambda: WARNING in lines.getvalue())
    await bench.database("payments", fresh=True)

    await bench.publish(settled(1))

    await eventually(lambda: seen.numbers == [1])
    await eventually(lambda: len(no_stream) >= 3)  # refused twice for sure
    assert lines.getvalue().count(WARNING) == 1
    assert await relay.check()


async def test_the_store_dies(bench: Any, seen: Seen, lines: StringIO, looks_seldom: None) -> None:
    """When the store is back the stream is opened anew, and what was committed meanwhile is not forgotten."""
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


async def test_refused_ones_hide_no_others(
    bench: Any, no_stream: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More aggregates than are looked at in one go have only what nobody reads: those behind are sent all the same."""
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
