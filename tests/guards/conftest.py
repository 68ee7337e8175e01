"""Fixtures of the guards: probes on the stores, actors, and calls without retries."""

import pytest

from .actors import Actors
from .broker import Tap
from .probes import Probes
from .wire import Wire


@pytest.fixture(scope="package")
def probes(stack, environment):
    """Read-only probes on the stores of the stack, and a tap on its broker."""
    tap = Tap(stack.layout)
    with tap.open():
        probes = Probes(stack.layout, environment.phones_url, tap)
        yield probes
        probes.close()


@pytest.fixture(scope="package")
def wire(environment):
    """Calls without retries."""
    wire = Wire(environment.targets)
    yield wire
    wire.close()


@pytest.fixture(scope="package")
def actors(stack, environment, probes, completed):
    """People of a population of their own; the review queue is emptied afterwards."""
    actors = Actors(environment, stack.layout, probes, completed.journey)
    yield actors
    actors.empty_review_queue()
    actors.close()
