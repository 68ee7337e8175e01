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


class Attempts:
    """A policy that raises an error until it is None, and counts its attempts and those that run at a time.

    The first attempt of a message fails at once, so that all messages are soon retried.
    """

    def __init__(self, error: type[Exception] | None) -> None:
        self.error = error
        self.tried: set[str] = set()
        self.done: set[str] = set()
        self.at_once: list[int] = []
        self._running = 0

    async def __call__(self, event: Any, _message: Any) -> None:
        first = event.event_id not in self.tried
        self.tried.add(event.event_id)
        if first and self.error:
            raise self.error
        self._running += 1
        self.at_once.append(self._running)
        try:
            await asyncio.sleep(0.02)
            if self.error:
                raise self.error
            self.done.add(event.event_id)
        finally:
            self._running -= 1


@pytest.fixture
async def listen(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that starts a policy and sends it all messages."""
    monkeypatch.setattr(message_processor, "ATTEMPTS", 1000)

    async def start(attempts: Attempts) -> None:
        await bench.listen(on(QUEUE, events_pb2.PaymentSettled, attempts, name="count"))
        for number in range(MESSAGES):
            bench.send(settled(number))

    return start


@pytest.mark.real
async def test_retries_that_all_fail_run_one_at_a_time(listen: Any) -> None:
    """When they succeed again, all messages are handled, several at a time."""
    attempts = Attempts(ConnectionError)

    await listen(attempts)
    await eventually(lambda: len(attempts.tried) == MESSAGES)
    # Up to 16 were started before the first one failed.
    await eventually(lambda: len(attempts.at_once) >= 40)
    assert set(attempts.at_once[32:40]) == {1}

    attempts.error = None
    del attempts.at_once[:]
    await eventually(lambda: len(attempts.done) == MESSAGES, 60)

    assert max(attempts.at_once) > 1


@pytest.mark.real
async def test_retries_that_a_rule_refuses_do_not_slow_others(listen: Any) -> None:
    """Store and services answer them; one at a time, they would delay the messages that are due after them."""
    attempts = Attempts(FeeMissing)

    await listen(attempts)
    await eventually(lambda: len(attempts.at_once) >= 60)

    assert max(attempts.at_once[32:]) > 1
