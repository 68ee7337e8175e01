"""One real stack for the tests across services, and one journey on it."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from demo import telemetry, tree
from demo.calls import Platform
from demo.journey import Journey, Step
from demo.session import Session
from demo.world import World
from diwan.identity.v1 import identity_pb2 as identity
from embedded.layout import Layout
from embedded.stack import Stack
from opentelemetry import trace


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """The embedded stack with everything running, for all tests that leave it as they found it."""
    made = Stack(Layout(tmp_path_factory.mktemp("stack")), say=lambda _: None)
    try:
        made.up()
        yield made
    finally:
        made.down()


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
    """A finished journey: its steps, its spans, its document."""

    journey: Journey
    steps: list[Step] = field(default_factory=list)
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
    done.spans += tree.fetch(world.traces_url, trace.format_trace_id(done.journey.trace_id))
    return done
