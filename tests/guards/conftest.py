"""What the guards share: eyes on the stores, people who act, and one attempt a call."""

import pytest

from .cast import Cast
from .eyes import Eyes
from .wire import Wire


@pytest.fixture(scope="package")
def eyes(stack, world):
    """Read-only eyes on the stores of the stack."""
    made = Eyes(stack.layout, world.phones_url)
    yield made
    made.close()


@pytest.fixture(scope="package")
def wire(world):
    """Calls without a second attempt."""
    made = Wire(world.targets)
    yield made
    made.close()


@pytest.fixture(scope="package")
def cast(stack, world, eyes, travelled):
    """People of a population of our own; the review queue is left as empty as it was found."""
    made = Cast(world, stack.layout, eyes, travelled.journey)
    yield made
    made.empty_the_queue()
    made.close()
