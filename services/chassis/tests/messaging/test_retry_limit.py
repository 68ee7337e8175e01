"""Retries of many messages are throttled together while they fail."""

import asyncio
from typing import Any

import pytest
from chassis.backoff import RetryLimit
from chassis.domain import DomainError
from chassis.messaging import message_processor
from chassis.messaging.policies import on
from diwan.payments.v1 import events_pb2

from .conftest import QUEUE, eventually, settled

MESSAGES = 24


class FeeMissing(DomainError):
    """Another event brings the fee."""

    reason = "FEE_MISSING"
    code = "FAILED_PRECONDITION"


def test_the_limit_follows_the_outcomes() -> None:
    """A failure halves it, a success adds one; it stays between 1 and the most."""
    limit = RetryLimit(16)
    values = []
    for succeeded in (False, False, False, False, False, True, True, False):
        limit.record(succeeded=succeeded)
        values.append(limit.value)
    for _ in range(40):
        limit.record(succeeded=True)

    assert values == [8, 4, 2, 1, 1, 2, 3, 1]
    assert limit.value == 16


@pytest.mark.real
async def test_retries_that_all_fail_run_one_at_a_time(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When they succeed again, all messages are handled, several at a time."""
    monkeypatch.setattr(message_processor, "ATTEMPTS", 1000)
    failing, running = True, 0
    tried: set[str] = set()
    done: set[str] = set()
    at_once: list[int] = []

    async def handle(event: Any, _message: Any) -> None:
        nonlocal running
        if event.event_id not in tried:
            tried.add(event.event_id)
            raise ConnectionError
        running += 1
        at_once.append(running)
        try:
            await asyncio.sleep(0.02)
            if failing:
                raise ConnectionError
            done.add(event.event_id)
        finally:
            running -= 1

    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, handle, name="count"))
    for number in range(MESSAGES):
        bench.send(settled(number))
    await eventually(lambda: len(tried) == MESSAGES)
    # Up to 16 were started before the first one failed.
    await eventually(lambda: len(at_once) >= 40)
    assert set(at_once[32:40]) == {1}

    failing = False
    del at_once[:]
    await eventually(lambda: len(done) == MESSAGES, 60)

    assert max(at_once) > 1


@pytest.mark.real
async def test_retries_that_a_rule_refuses_do_not_slow_others(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Store and services answer them; one at a time, they would delay the messages that are due after them."""
    monkeypatch.setattr(message_processor, "ATTEMPTS", 1000)
    running = 0
    tried: set[str] = set()
    at_once: list[int] = []

    async def handle(event: Any, _message: Any) -> None:
        nonlocal running
        if event.event_id not in tried:
            tried.add(event.event_id)
            raise FeeMissing
        running += 1
        at_once.append(running)
        try:
            await asyncio.sleep(0.02)
            raise FeeMissing
        finally:
            running -= 1

    await bench.listen(on(QUEUE, events_pb2.PaymentSettled, handle, name="wait"))
    for number in range(MESSAGES):
        bench.send(settled(number))
    await eventually(lambda: len(at_once) >= 60)

    assert max(at_once[32:]) > 1
