"""Gauges are true during outages and after the loss of a lease, or NaN."""

import asyncio
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis import telemetry
from chassis.messaging.policies import PermanentFailure, on
from chassis.timers import Timers, every
from diwan.payments.v1 import events_pb2
from testkit.store import StoreServer

from .conftest import QUEUE, Seen, eventually, settled

pytestmark = pytest.mark.real

AGE, SIZE, INBOX, LAG = (
    "diwan_outbox_age_seconds",
    "diwan_outbox_aggregates",
    "diwan_inbox_messages",
    "diwan_queue_age_seconds",
)


@pytest.fixture(autouse=True)
def _counted_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.messaging.inbox_worker._MEASURE_EVERY", 1)
    monkeypatch.setattr("chassis.messaging.relay.SCAN_STALE_SECONDS", 5.0)


@pytest.fixture
def own_store(bench: Any) -> Iterator[StoreServer]:
    """A store server that no other test uses, for all databases of this test."""
    server = StoreServer()
    server.start()
    bench.store_uri = server.uri
    yield server
    server.close()


def gauge(name: str, **labels: str) -> float:
    value = telemetry.current().registry.get_sample_value(name, labels)
    assert value is not None, f"{name} is not exposed"
    return value


def unknown(name: str, **labels: str) -> bool:
    return math.isnan(gauge(name, **labels))


async def take_lease(bench: Any, service: str, name: str) -> None:
    """Give a lease to a holder that never releases it, as if this process had been suspended."""
    leases = bench.databases[service]._database["leases"]
    stolen = {"holder": "another process", "until": datetime.now(UTC) + timedelta(hours=1)}
    await leases.update_one({"_id": name}, {"$set": stolen})


async def park_one(bench: Any) -> None:
    await bench.listen(
        on(QUEUE, events_pb2.PaymentSettled, Seen(failures=[PermanentFailure("NO")]).handle, name="count")
    )
    bench.send(settled(1))
    await eventually(lambda: gauge(INBOX, state="parked") == 1)


async def test_the_former_holder_of_the_relays_lease_has_no_values(bench: Any) -> None:
    """0 aggregates with an age of 0 s would be the number of the new holder."""
    await bench.relay()
    assert unknown(AGE)
    assert unknown(SIZE)
    await eventually(lambda: (gauge(AGE), gauge(SIZE)) == (0, 0))

    await take_lease(bench, "payments", "relay")

    await eventually(lambda: unknown(AGE) and unknown(SIZE))


async def test_the_former_holder_of_the_inboxs_lease_has_no_values(bench: Any) -> None:
    """Neither has a worker that stopped."""
    await park_one(bench)
    assert gauge(INBOX, state="waiting") == 0

    await take_lease(bench, "notary", "inbox")

    await eventually(lambda: unknown(INBOX, state="parked") and unknown(INBOX, state="waiting"))


async def test_timers_invalidate_their_gauges(bench: Any) -> None:
    """After a failed run, and once another process has the lease, which may run them."""
    value, failing = math.nan, False

    async def measure() -> None:
        nonlocal value
        if failing:
            raise RuntimeError
        value = 1

    def invalidate() -> None:
        nonlocal value
        value = math.nan

    often = timedelta(milliseconds=20)
    timer = every("measure", often, measure, invalidate=invalidate)
    await bench.run(Timers(await bench.database("notary"), [timer], holder=uuid4().hex))
    await eventually(lambda: value == 1)
    failing = True
    await eventually(lambda: math.isnan(value))
    failing = False
    await eventually(lambda: value == 1)

    await take_lease(bench, "notary", "timers")

    await eventually(lambda: math.isnan(value))
    await asyncio.sleep(0.2)
    assert math.isnan(value)


async def test_gauges_without_a_store(bench: Any, own_store: StoreServer) -> None:
    """Numbers are unknown while the store is away, and known again after its return."""
    await bench.relay()
    await park_one(bench)
    await eventually(lambda: (gauge(AGE), gauge(SIZE)) == (0, 0))

    await asyncio.to_thread(own_store.kill)
    await eventually(lambda: unknown(SIZE) and unknown(AGE) and unknown(INBOX, state="parked"))
    await asyncio.to_thread(own_store.start)

    await eventually(lambda: (gauge(SIZE), gauge(INBOX, state="parked")) == (0, 1), 60)


async def test_the_age_of_a_queue_is_that_of_the_message_in_hand(bench: Any) -> None:
    """It grows while the message is in hand, is 0 after it, and NaN when the queue is not consumed any more."""
    leave = asyncio.Event()

    async def handle(_event: Any, _message: Any) -> None:
        await leave.wait()

    consumer = await bench.listen(on(QUEUE, events_pb2.PaymentSettled, handle, name="count"))
    assert gauge(LAG, queue=QUEUE) == 0
    bench.send(settled(1))
    await eventually(lambda: gauge(LAG, queue=QUEUE) > 0)
    first = gauge(LAG, queue=QUEUE)
    await eventually(lambda: gauge(LAG, queue=QUEUE) > first + 0.2)

    leave.set()
    await eventually(lambda: gauge(LAG, queue=QUEUE) == 0)
    await bench.end(consumer)

    assert unknown(LAG, queue=QUEUE)
