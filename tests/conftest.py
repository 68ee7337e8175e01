"""One real stack for the tests across services, and one journey on it."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from demo import operator, telemetry, tree
from demo.calls import Platform
from demo.journey import Journey, Step
from demo.session import Session
from demo.world import World
from diwan.identity.v1 import identity_pb2 as identity
from opentelemetry import trace
from testkit.stack import running_stack

from . import edges

TIMEOUT_SECONDS = 60
TOLD = ("payment.due", "payment.settled", "power_of_attorney.issued", "power_of_attorney.collected")
"""Templates of the messages about a case, each sent once."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """The embedded stack with everything running, for all tests that leave it as they found it."""
    with running_stack(tmp_path_factory.mktemp("stack")) as made:
        yield made


@pytest.fixture(scope="session")
def world(stack) -> World:
    return World.read(stack.layout.world)


@pytest.fixture(scope="session")
def platform(world):
    made = Platform(world.targets)
    yield made
    made.close()


@pytest.fixture(scope="session")
def session(travelled, platform) -> Session:
    """The principal's session, renewed: its tokens may have ended since the journey."""
    old = travelled.journey.principal.session
    request = identity.RefreshTokenRequest(refresh_token=old.refresh_token)
    return Session.of(platform.call("identity", "RefreshToken", request))


@dataclass
class Travelled:
    """A finished journey: its steps, its messages, its spans, its document."""

    journey: Journey
    steps: list[Step] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    spans: list[tree.Span] = field(default_factory=list)

    @property
    def document(self) -> Path:
        return next(self.journey.output.glob("*.pdf"))


@pytest.fixture(scope="session")
def travelled(world, tmp_path_factory) -> Travelled:
    """The journey of the demo, once, with the spans that it left."""
    provider = telemetry.start(world.otlp_endpoint)
    done = Travelled(Journey(world, tmp_path_factory.mktemp("output")))
    done.steps += done.journey.steps()
    provider.shutdown()
    done.messages += _delivered(done.journey)
    done.spans += tree.fetch(world.traces_url, trace.format_trace_id(done.journey.trace_id), settle_seconds=3)
    return done


def _delivered(journey: Journey) -> list[dict[str, Any]]:
    """The messages about the case, once all are delivered; as they are, when they do not get there in time.

    The journey does not wait for the news of the last one, nor for its receipt.
    """
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while True:
        listed = operator.diwan(
            journey.world.operator_config, "message", "list", "--request-number", journey.case.number
        )
        told = {(message["template"], message["state"]) for message in listed}
        if told == {(template, "MESSAGE_STATE_DELIVERED") for template in TOLD} or time.monotonic() > give_up:
            return list(listed)
        time.sleep(0.2)


@pytest.fixture(scope="session")
def recorded_edges() -> set[edges.Edge]:
    """The edges of the network in edges.yaml."""
    return edges.recorded()


@pytest.fixture(scope="session")
def unrecorded_edges() -> set[edges.Edge]:
    """The edges of services that edges.yaml does not name yet."""
    return edges.unrecorded()
