"""Every service is killed once in the middle of a journey, which then completes: nothing lost, nothing doubled."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from demo import operator
from demo.journey import Journey
from demo.world import World
from embedded.stack import Stack

# Which service dies in which step: where it has work in hand, or others wait for it.
VICTIMS = {2: "notification", 5: "identity", 6: "payments", 8: "notary"}
INTO_THE_STEP_SECONDS = 0.15
TIMEOUT_SECONDS = 60
ONCE = {
    "payment.due": 1,
    "payment.settled": 1,
    "power_of_attorney.issued": 1,
    "power_of_attorney.collected": 1,
}


class Faults:
    """Kills the step's victim shortly after the step began, and starts it again.

    Attributes:
        killed: when each was dead, nanoseconds.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._threads: list[threading.Thread] = []
        self.killed: dict[str, int] = {}

    def __call__(self, step: int) -> None:
        if victim := VICTIMS.get(step):
            self._threads.append(threading.Thread(target=self._strike, args=(victim,)))
            self._threads[-1].start()

    def _strike(self, victim: str) -> None:
        time.sleep(INTO_THE_STEP_SECONDS)
        before = self._stack.running()[victim].pid
        self._stack.kill(victim)
        self.killed[victim] = time.time_ns()
        self._stack.restart(victim)
        assert self._stack.running()[victim].pid != before

    def settle(self) -> None:
        for thread in self._threads:
            thread.join()


@dataclass
class Survived:
    """A journey that came to its end, when each of its steps did (nanoseconds), and what was done to it."""

    stack: Stack
    journey: Journey
    faults: Faults
    ended: dict[int, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def survived(breakable_stack, tmp_path_factory):
    """A journey with a kill -9 of each service."""
    faults = Faults(breakable_stack)
    world = World.read(breakable_stack.layout.world)
    journey = Journey(world, tmp_path_factory.mktemp("output"), before_step=faults)
    done = Survived(breakable_stack, journey, faults)
    for step in journey.steps():
        done.ended[step.number] = time.time_ns()
    faults.settle()
    return done


def test_the_journey_completes_though_every_service_was_killed(survived):
    """All nine steps are done, with each service killed once on the way."""
    assert list(survived.ended) == list(range(1, 10))
    assert survived.faults.killed.keys() == set(VICTIMS.values())


def test_each_was_killed_with_work_before_it(survived):
    """In the step's own time the process that came after it began to do some of the step's work."""
    wanted = {
        victim: range(survived.faults.killed[victim], survived.ended[step])
        for step, victim in VICTIMS.items()
    }

    give_up = time.monotonic() + TIMEOUT_SECONDS
    while (worked := _worked(survived.stack, wanted)) != wanted.keys() and time.monotonic() < give_up:
        time.sleep(0.5)
    assert worked == wanted.keys()


def test_nothing_is_lost_and_nothing_is_doubled(survived):
    """Each message about the case was sent once, and the books hold each entry once."""
    journey = survived.journey
    config = journey.world.operator_config

    # The journey does not wait for the news of its last step.
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while len(told := _told(journey)) < len(ONCE) and time.monotonic() < give_up:
        time.sleep(0.2)
    entries = operator.diwan(config, "ledger", "list", "--payment", journey.payment_id)

    assert told == ONCE
    assert Counter(entry["kind"] for entry in entries) == {"due": 1, "settled": 1, "earned": 1}


def _worked(stack, within):
    """Who began to answer a call or to follow an event in its time, by the spans that have come so far."""
    told = (stack.layout.data / "spans.ndjson").read_text().splitlines()
    return {
        span["service"]
        for span in map(json.loads, told)
        if span["kind"] in ("SERVER", "CONSUMER") and span["start"] in within.get(span["service"], ())
    }


def _told(journey):
    config = journey.world.operator_config
    listed = operator.diwan(config, "message", "list", "--request-number", journey.case.number)
    return Counter(message["template"] for message in listed)


def test_nothing_is_left_to_mend(survived):
    """A killed service takes up what it left; no message is parked."""
    journey = survived.journey

    for service in journey.world.targets:
        assert operator.diwan(journey.world.operator_config, "parked", "list", service) == []
