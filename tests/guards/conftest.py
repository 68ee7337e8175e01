"""What the guards share: probes on the stores, people who act, and one attempt a call."""

import pytest

from .actors import Actors
from .broker import Tap
from .probes import Probes
from .wire import Wire


@pytest.fixture(scope="package")
def probes(stack, world):
    """Read-only probes on the stores of the stack, and a tap on its broker."""
    tap = Tap(stack.layout)
    with tap.open():
        made = Probes(stack.layout, world.phones_url, tap)
        yield made
        made.close()


@pytest.fixture(scope="package")
def wire(world):
    """Calls without a second attempt."""
    made = Wire(world.targets)
    yield made
    made.close()


@pytest.fixture(scope="package")
def actors(stack, world, probes, travelled):
    """People of a population of our own; the review queue is left as empty as it was found."""
    made = Actors(world, stack.layout, probes, travelled.journey)
    yield made
    made.empty_the_queue()
    made.close()
