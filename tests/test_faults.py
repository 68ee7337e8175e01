"""Every service is killed once in the middle of a journey, which then completes: nothing lost, nothing doubled."""

import threading
import time
from collections import Counter

import pytest
from demo import operator
from demo.journey import Journey
from demo.world import World
from embedded.layout import Layout
from embedded.stack import Stack

# Which service dies in which step: where it has work in hand, or others wait for it.
VICTIMS = {2: "notification", 5: "identity", 6: "payments", 8: "notary"}
INTO_THE_STEP_SECONDS = 0.15
PATIENCE_SECONDS = 60
ONCE = {
    "payment.due": 1,
    "payment.settled": 1,
    "power_of_attorney.issued": 1,
    "power_of_attorney.collected": 1,
}


class Faults:
    """Kills the step's victim shortly after the step began, and starts it again."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._threads: list[threading.Thread] = []
        self.killed: list[str] = []

    def __call__(self, step: int) -> None:
        if victim := VICTIMS.get(step):
            self._threads.append(threading.Thread(target=self._strike, args=(victim,)))
            self._threads[-1].start()

    def _strike(self, victim: str) -> None:
        time.sleep(INTO_THE_STEP_SECONDS)
        before = self._stack.running()[victim].pid
        self._stack.kill(victim)
        self._stack.restart(victim)
        assert self._stack.running()[victim].pid != before
        self.killed.append(victim)

    def settle(self) -> None:
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def survived(tmp_path_factory):
    """A journey with a kill -9 of each service, on a stack of its own."""
    stack = Stack(Layout(tmp_path_factory.mktemp("faults")), say=lambda _: None)
    stack.up()
    try:
        faults = Faults(stack)
        world = World.read(stack.layout.world)
        journey = Journey(world, tmp_path_factory.mktemp("output"), before_step=faults)
        steps = list(journey.steps())
        faults.settle()
        yield journey, steps, faults.killed
    finally:
        stack.down()


def test_the_journey_completes_though_every_service_was_killed(survived):
    """All nine steps are done, with each service killed once on the way."""
    _, steps, killed = survived

    assert [step.number for step in steps] == list(range(1, 10))
    assert sorted(killed) == sorted(VICTIMS.values())


def test_nothing_is_lost_and_nothing_is_doubled(survived):
    """Each message about the case was sent once, and the books hold each entry once."""
    journey, _, _ = survived
    config = journey.world.operator_config

    # The journey does not wait for the news of its last step.
    give_up = time.monotonic() + PATIENCE_SECONDS
    while len(told := _told(journey)) < len(ONCE) and time.monotonic() < give_up:
        time.sleep(0.2)
    entries = operator.diwan(config, "ledger", "list", "--payment", journey.payment_id)

    assert told == ONCE
    assert Counter(entry["kind"] for entry in entries) == {"due": 1, "settled": 1, "earned": 1}


def _told(journey):
    config = journey.world.operator_config
    listed = operator.diwan(config, "message", "list", "--request-number", journey.case.number)
    return Counter(message["template"] for message in listed)


def test_nothing_is_left_to_mend(survived):
    """A killed service takes up what it left; no message is parked."""
    journey, _, _ = survived

    for service in journey.world.targets:
        assert operator.diwan(journey.world.operator_config, "parked", "list", service) == []
