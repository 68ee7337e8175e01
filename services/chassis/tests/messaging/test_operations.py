"""The operators' RPCs for parked messages."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from chassis.caller import Caller, Kind
from chassis.messaging.policies import PermanentFailure, on
from chassis.messaging.received_message import REFUSED
from chassis.operations import (
    DESCRIPTOR,
    NotParked,
    ParkedNotFound,
    ParkedUnreadable,
    SecretNotReplayed,
    service,
)
from chassis.pages import PageTokenInvalid
from chassis.rpc.current import Call, begin
from chassis.times import timestamp
from diwan.identity.v1 import events_pb2 as identity_pb2
from diwan.operations.v1 import operations_pb2 as pb
from diwan.payments.v1 import events_pb2

from .conftest import QUEUE, Seen, eventually, settled

pytestmark = pytest.mark.real

EPOCH = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
async def operations(bench: Any) -> Any:
    """The operators' RPCs on notary's inbox."""
    descriptor, servicer = service(await bench.database("notary"), bench.keys("notary"))
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

    _, operations = service(bench.databases["notification"], bench.keys("notification"))
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


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (b"{", {}),
        (b"\xff", {}),
        (settled(1), {"type": "diwan.payments.v1.Unknown"}),
        (settled(1), {"type": "diwan.notary.v1.PowerOfAttorneyIssued"}),
        (settled(1), {"time": "yesterday"}),
        (settled(1), {"user_id": None}),
    ],
)
async def test_an_unreadable_message_is_not_replayed(
    bench: Any, operations: Any, seen: Seen, body: Any, changed: dict[str, Any]
) -> None:
    """It stays parked as it was; the answer has the reason of its rejection."""
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    bench.send(body, **changed)
    (entry,) = await eventually(bench.parked)
    assert entry.policy == REFUSED

    as_operator()
    with pytest.raises(ParkedUnreadable) as refused:
        await operations.ReplayParked(pb.ReplayParkedRequest(parked_id=entry.id), None)

    assert refused.value.metadata["detail"] == entry.reason
    assert await bench.parked() == [entry]
    assert seen.events == []


async def test_a_rejected_message_that_can_be_read_is_replayed(
    bench: Any, operations: Any, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it was parked because it was delivered too often."""
    monkeypatch.setattr("chassis.messaging.consumer.DELIVERIES", 0)
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    bench.send(settled(1))
    (entry,) = await eventually(bench.parked)

    as_operator()
    await operations.ReplayParked(pb.ReplayParkedRequest(parked_id=entry.id), None)

    await eventually(lambda: _gone(bench, entry.id))
    assert seen.numbers == [1]


async def test_a_check_of_a_replay_changes_nothing(bench: Any, operations: Any) -> None:
    """It returns the message, or the error of a replay."""
    seen = Seen(failures=[PermanentFailure("NO")])
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count"))
    bench.send(settled(1))
    (entry,) = await eventually(bench.parked)

    request = pb.ReplayParkedRequest(parked_id=entry.id, validate_only=True)
    assert (await operations.ReplayParked(request, None)).parked_id == entry.id

    await asyncio.sleep(0.2)
    assert await bench.parked() == [entry]
    assert len(seen.events) == 1


async def test_a_list_has_only_what_matches(bench: Any, operations: Any) -> None:
    """All conditions must hold; page tokens are valid for one filter, also when its times move on."""
    failures = [PermanentFailure("NO"), PermanentFailure("NO"), PermanentFailure("NOT_YET")]
    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, Seen(failures=failures).handle, name="count"))
    for number in range(3):
        bench.send(settled(number))
    await eventually(lambda: _count(bench, 3))
    bench.send(b"{")
    await eventually(lambda: _count(bench, 4))

    async def listed(**conditions: Any) -> list[str]:
        page = await operations.ListParked(pb.ListParkedRequest(**conditions), None)
        return sorted(each.reason.partition(":")[0] for each in page.messages)

    now = timestamp(datetime.now(UTC))
    later = timestamp(datetime.now(UTC) + timedelta(hours=1))
    assert await listed(policy="count", reason="NO") == ["NO", "NO"]
    assert await listed(policy=REFUSED) == await listed(reason="BODY") == ["BODY"]
    assert await listed(reason="N.") == []
    assert await listed(queue=QUEUE, reason="NOT_YET") == ["NOT_YET"]
    assert await listed(queue="notary.other.queue") == []
    assert len(await listed(type="diwan.payments.v1.PaymentSettled")) == 4
    assert await listed(type="PaymentSettled") == []
    assert await listed(min_receive_time=later) == await listed(max_receive_time=timestamp(EPOCH)) == []
    assert len(await listed(min_receive_time=timestamp(EPOCH), max_receive_time=later)) == 4

    first = pb.ListParkedRequest(reason="NO", page_size=1, max_receive_time=now)
    token = (await operations.ListParked(first, None)).next_page_token
    second = pb.ListParkedRequest(reason="NO", page_token=token, max_receive_time=later)
    assert len((await operations.ListParked(second, None)).messages) == 1
    with pytest.raises(PageTokenInvalid):
        await operations.ListParked(pb.ListParkedRequest(reason="NOT_YET", page_token=token), None)


async def test_a_message_in_progress_is_not_discarded(bench: Any, operations: Any) -> None:
    """It was replayed before, and its retry may have effects."""
    entered, left = asyncio.Event(), asyncio.Event()
    handled = 0

    async def handle(event: Any, message: Any) -> None:
        nonlocal handled
        handled += 1
        if handled == 1:
            raise PermanentFailure("NO")
        entered.set()
        await left.wait()

    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, handle, name="count"))
    bench.send(settled(1))
    (entry,) = await eventually(bench.parked)
    as_operator()
    await operations.ReplayParked(pb.ReplayParkedRequest(parked_id=entry.id), None)
    async with asyncio.timeout(30):
        await entered.wait()

    with pytest.raises(NotParked):
        await operations.DiscardParked(pb.DiscardParkedRequest(parked_id=entry.id, reason="late"), None)

    left.set()
    await eventually(lambda: _gone(bench, entry.id))


async def test_a_secret_is_not_replayed(bench: Any) -> None:
    """A secret command can only be discarded."""
    queue = "notification.identity.message"
    seen = Seen(failures=[PermanentFailure("NO")])
    await bench.listen(on(queue, identity_pb2.SendMessage, seen.handle, name="count"), service="notification")
    await bench.relay("identity")
    await bench.publish(identity_pb2.SendMessage(template="t", content="123456"), service="identity")
    (entry,) = await eventually(lambda: bench.parked("notification"))
    _, operations = service(bench.databases["notification"], bench.keys("notification"))

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
