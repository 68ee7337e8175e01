"""A connection that cannot be opened is reported in one log line with its cause."""

import asyncio
import json
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from chassis.messaging.connection import reconnecting
from chassis.messaging.policies import on
from diwan.payments.v1 import events_pb2
from testkit.broker import Broker
from testkit.ports import free_port

from .conftest import QUEUE, Seen, eventually, settled

FAULTS = {
    "no listener": (
        lambda _: f"amqp://notary:unheard-of@127.0.0.1:{free_port()}/diwan",
        ("broker is away", "AMQPConnectionError"),
    ),
    "wrong password": (
        lambda broker: broker.uri("notary").replace("notary:", "notary:wrong"),
        ("broker refuses the login", "ACCESS_REFUSED"),
    ),
    "no such virtual host": (
        lambda broker: broker.uri("notary").rpartition("/")[0] + "/elsewhere",
        ("broker refuses the login", "ACCESS_REFUSED"),
    ),
    "no such host": (
        lambda _: "amqp://notary:unheard-of@broker.invalid/diwan",
        ("broker is away", "AMQPConnectionWorkflowFailed"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_one_line_reports_each_failed_attempt(broker: Broker, lines: StringIO, fault: str) -> None:
    """It contains neither the address nor the password."""
    uri_of, (event, why) = FAULTS[fault]
    uri = uri_of(broker)
    address = urlsplit(uri)
    stopping = asyncio.Event()

    async def connect() -> None:
        async for _ in reconnecting(uri, "a test", stopping):
            stopping.set()

    trying = asyncio.create_task(connect())
    await eventually(lambda: event in lines.getvalue())
    stopping.set()
    await trying

    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert {(line["event"], line.get("error_type") or line["reason"]) for line in logged} == {(event, why)}
    assert not any(
        word in lines.getvalue() for word in (f"{address.hostname}:{address.port}", str(address.password))
    )


async def test_a_deleted_queue_costs_few_connections(bench: Any, seen: Seen, lines: StringIO) -> None:
    """Each attempt connects, and fails after that; the pauses between them grow, and end when the queue is back."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))

    with bench.broker.without(QUEUE):
        await eventually(lambda: lines.getvalue().count("consumer lost the broker") >= 3)
        await asyncio.sleep(4)
        assert lines.getvalue().count("broker connected") <= 10

    bench.send(settled())
    await eventually(lambda: seen.events)
