"""Each service is killed once during a journey; the journey completes, with nothing lost and nothing duplicated."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from demo import operator
from demo.environment import Environment
from demo.journey import Journey
from embedded.stack import Stack

# The service to kill in each step: one that has work in progress, or that others wait for.
KILLED_IN_STEP = {2: "notification", 5: "identity", 6: "payments", 8: "notary"}
DELAY_SECONDS = 0.15
TIMEOUT_SECONDS = 60
EXPECTED_MESSAGES = {
    "payment.due": 1,
    "payment.settled": 1,
    "power_of_attorney.issued": 1,
    "power_of_attorney.collected": 1,
}


class FaultInjector:
    """Kills the service of a step shortly after the step has started, and starts it again.

    Attributes:
        killed_at: time of each kill, in nanoseconds since the epoch.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._threads: list[threading.Thread] = []
        self.killed_at: dict[str, int] = {}

    def __call__(self, step: int) -> None:
        if service := KILLED_IN_STEP.get(step):
            self._threads.append(threading.Thread(target=self._kill, args=(service,)))
            self._threads[-1].start()

    def _kill(self, service: str) -> None:
        time.sleep(DELAY_SECONDS)
        old_pid = self._stack.running()[service].pid
        self._stack.kill(service)
        self.killed_at[service] = time.time_ns()
        self._stack.restart(service)
        assert self._stack.running()[service].pid != old_pid

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


@dataclass
class DisturbedJourney:
    """A completed journey, its faults, and the end of each step in nanoseconds since the epoch."""

    stack: Stack
    journey: Journey
    faults: FaultInjector
    step_ended_at: dict[int, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def disturbed(breakable_stack, tmp_path_factory):
    """A journey with a kill -9 of each service."""
    faults = FaultInjector(breakable_stack)
    environment = Environment.read(breakable_stack.layout.world)
    journey = Journey(environment, tmp_path_factory.mktemp("output"), before_step=faults)
    disturbed = DisturbedJourney(breakable_stack, journey, faults)
    for step in journey.steps():
        disturbed.step_ended_at[step.number] = time.time_ns()
    faults.join()
    return disturbed


def test_the_journey_completes_although_every_service_was_killed(disturbed):
    """All nine steps passed, and each service was killed once."""
    assert list(disturbed.step_ended_at) == list(range(1, 10))
    assert disturbed.faults.killed_at.keys() == set(KILLED_IN_STEP.values())


def test_each_service_was_killed_with_work_pending(disturbed):
    """The restarted process began some work before the end of the step, so the kill did hit the journey."""
    windows = {
        service: range(disturbed.faults.killed_at[service], disturbed.step_ended_at[step])
        for step, service in KILLED_IN_STEP.items()
    }

    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (active := _active(disturbed.stack, windows)) != windows.keys() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert active == windows.keys()


def test_nothing_is_lost_and_nothing_is_duplicated(disturbed):
    """Each message about the case was sent once, and the journal holds each entry once."""
    journey = disturbed.journey
    config = journey.environment.operator_config

    # The journey does not wait for the message about its last step.
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(messages := _messages(journey)) < len(EXPECTED_MESSAGES) and time.monotonic() < deadline:
        time.sleep(0.2)
    entries = operator.diwan(config, "ledger", "list", "--payment", journey.payment_id)

    assert messages == EXPECTED_MESSAGES
    assert Counter(entry["kind"] for entry in entries) == {"due": 1, "settled": 1, "earned": 1}


def _active(stack, windows):
    """Return the services that began to process a call or an event in their window, by the spans exported so far."""
    lines = (stack.layout.data / "spans.ndjson").read_text().splitlines()
    return {
        span["service"]
        for span in map(json.loads, lines)
        if span["kind"] in ("SERVER", "CONSUMER") and span["start"] in windows.get(span["service"], ())
    }


def _messages(journey):
    config = journey.environment.operator_config
    listed = operator.diwan(config, "message", "list", "--request-number", journey.case.number)
    return Counter(message["template"] for message in listed)


def test_no_message_is_parked(disturbed):
    """A restarted service continues its work without an operator."""
    journey = disturbed.journey

    for service in journey.environment.targets:
        assert operator.diwan(journey.environment.operator_config, "parked", "list", service) == []
