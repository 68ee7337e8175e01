"""The operators' RPCs for parked messages."""

import asyncio
import json
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from chassis.caller import Caller, Kind
from chassis.messaging.policies import PermanentFailure, on
from chassis.messaging.received_message import REFUSED
from chassis.operations import DESCRIPTOR, ParkedNotFound, SecretNotReplayed, service
from chassis.rpc.current import Call, begin
from diwan.identity.v1 import events_pb2 as identity_pb2
from diwan.operations.v1 import operations_pb2 as pb
from diwan.payments.v1 import events_pb2

from .conftest import QUEUE, Seen, eventually, settled

pytestmark = pytest.mark.real


@pytest.fixture
async def operations(bench: Any) -> Any:
    """The operators' RPCs on notary's inbox."""
    descriptor, servicer = service(await bench.database("notary"))
    assert descriptor is DESCRIPTOR
    return servicer


def as_operator() -> None:
    """Set the caller of the current call, as the server does before a handler runs."""
    caller = Caller(kind=Kind.SERVICE, id="operator")
    begin(Call(caller=caller, rpc="x", now=None, correlation="", hashed=lambda *_: ""))  # type: ignore[arg-type]


async def test_parked_messages_are_listed_in_pages(bench: Any, operations: Any) -> None:
    """Each is listed once, with policy, queue, type, attempts and reason."""
    seen = Seen(failures=[PermanentFailure("NO")] * 5)
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    for number in range(5):
        bench.send(settled(number))
    await eventually(lambda: _count(bench, 5))

    first = await operations.ListParked(pb.ListParkedRequest(page_size=3), None)
    second = await operations.ListParked(
        pb.ListParkedRequest(page_size=3, page_token=first.next_page_token), None
    )

    listed = [*first.messages, *second.messages]
    assert (len(first.messages), len({each.parked_id for each in listed}), second.next_page_token) == (
        3,
        5,
        "",
    )
    assert {
        (each.policy, each.queue, each.type, each.source, each.attempts, each.reason) for each in listed
    } == {("count", QUEUE, "diwan.payments.v1.PaymentSettled", "diwan/payments", 1, "NO")}
    assert all(each.HasField("receive_time") and not each.masked_body for each in listed)


async def _count(bench: Any, number: int) -> bool:
    return len(await bench.parked()) == number


async def test_the_shown_body_is_masked(bench: Any) -> None:
    """Sealed and personal fields are masked."""
    queue = "notification.identity.message"
    seen = Seen(failures=[PermanentFailure("NO")])
    await bench.listen(on(queue, identity_pb2.SendMessage, seen.handle, name="count"), service="notification")
    await bench.relay("identity")
    await bench.publish(identity_pb2.SendMessage(template="t", content="01012345678"), service="identity")
    (entry,) = await eventually(lambda: bench.parked("notification"))

    _, operations = service(bench.databases["notification"])
    shown = await operations.GetParked(pb.GetParkedRequest(parked_id=entry.id), None)  # type: ignore[attr-defined]

    assert json.loads(shown.masked_body) == {"template": "t", "content": "***"}


async def test_an_unreadable_body_is_not_shown(bench: Any, operations: Any, seen: Seen) -> None:
    """Only its size is returned."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    bench.send(b"01012345678")
    (entry,) = await eventually(bench.parked)

    shown = await operations.GetParked(pb.GetParkedRequest(parked_id=entry.id), None)

    assert json.loads(shown.masked_body) == {"unreadable_bytes": 11}


async def test_a_replayed_message_is_retried_at_once(bench: Any, operations: Any) -> None:
    """A second replay has no effect."""
    seen = Seen(failures=[PermanentFailure("NO")])
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    bench.send(settled(1))
    (entry,) = await eventually(bench.parked)

    as_operator()
    await operations.ReplayParked(pb.ReplayParkedRequest(parked_id=entry.id), None)
    await eventually(lambda: len(seen.events) == 2)

    await eventually(lambda: _gone(bench, entry.id))
    with pytest.raises(ParkedNotFound):
        await operations.ReplayParked(pb.ReplayParkedRequest(parked_id=entry.id), None)
    await asyncio.sleep(0.2)
    assert len(seen.events) == 2


async def _gone(bench: Any, entry_id: str) -> bool:
    return await bench.databases["notary"].inbox.get(entry_id) is None


async def test_a_replayed_invalid_message_is_parked_again(bench: Any, operations: Any, seen: Seen) -> None:
    """It keeps its reason."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    bench.send(b"{")
    (entry,) = await eventually(bench.parked)
    assert entry.policy == REFUSED

    as_operator()
    await operations.ReplayParked(pb.ReplayParkedRequest(parked_id=entry.id), None)

    await eventually(lambda: _attempts(bench, 1))
    assert (await bench.parked())[0].reason == entry.reason
    assert seen.events == []


async def _attempts(bench: Any, number: int) -> bool:
    entries = await bench.parked()
    return bool(entries) and entries[0].attempt == number


async def test_a_secret_is_not_replayed(bench: Any) -> None:
    """A secret command can only be discarded."""
    queue = "notification.identity.message"
    seen = Seen(failures=[PermanentFailure("NO")])
    await bench.listen(on(queue, identity_pb2.SendMessage, seen.handle, name="count"), service="notification")
    await bench.relay("identity")
    await bench.publish(identity_pb2.SendMessage(template="t", content="123456"), service="identity")
    (entry,) = await eventually(lambda: bench.parked("notification"))
    _, operations = service(bench.databases["notification"])

    as_operator()
    with pytest.raises(SecretNotReplayed):
        await operations.ReplayParked(pb.ReplayParkedRequest(parked_id=entry.id), None)  # type: ignore[attr-defined]
    await operations.DiscardParked(  # type: ignore[attr-defined]
        pb.DiscardParkedRequest(parked_id=entry.id, reason="too late"), None
    )

    assert await bench.parked("notification") == []


async def test_a_discarded_message_is_removed(bench: Any, operations: Any, lines: StringIO) -> None:
    """The operator and the reason are logged; an unknown message is not found."""
    seen = Seen(failures=[PermanentFailure("NO")])
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    bench.send(settled(1))
    (entry,) = await eventually(bench.parked)

    as_operator()
    await operations.DiscardParked(pb.DiscardParkedRequest(parked_id=entry.id, reason="test data"), None)

    assert await bench.parked() == []
    line = next(line for line in lines.getvalue().splitlines() if "discarded" in line)
    assert json.loads(line)["by"] == "operator"
    assert json.loads(line)["why"] == "test data"
    for unknown in (entry.id, str(uuid4())):
        with pytest.raises(ParkedNotFound):
            await operations.DiscardParked(pb.DiscardParkedRequest(parked_id=unknown, reason="again"), None)
