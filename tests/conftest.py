"""Fixtures for the tests across services: one real stack, and one completed journey on it."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from demo import operator, telemetry, tree
from demo.calls import Platform
from demo.environment import Environment
from demo.journey import Journey, Step
from demo.session import Session
from diwan.identity.v1 import identity_pb2 as identity
from opentelemetry import trace
from testkit.stack import running_stack

from . import edges

TIMEOUT_SECONDS = 60
TEMPLATES = ("payment.due", "payment.settled", "power_of_attorney.issued", "power_of_attorney.collected")
"""Templates of the messages about a case; each is sent once."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """The embedded stack with all its programs, shared by the tests that start and stop none of them."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="session")
def environment(stack) -> Environment:
    return Environment.read(stack.layout.world)


@pytest.fixture(scope="session")
def platform(environment):
    platform = Platform(environment.targets)
    yield platform
    platform.close()


@pytest.fixture(scope="session")
def session(completed, platform) -> Session:
    """The principal's session, refreshed: its tokens may have expired since the journey."""
    old = completed.journey.principal.session
    request = identity.RefreshTokenRequest(refresh_token=old.refresh_token)
    return Session.of(platform.call("identity", "RefreshToken", request))


@dataclass
class CompletedJourney:
    """A completed journey with its steps, messages, spans and document, and the messages parked until its end."""

    journey: Journey
    steps: list[Step] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    spans: list[tree.Span] = field(default_factory=list)
    parked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def document(self) -> Path:
        return next(self.journey.output.glob("*.pdf"))


@pytest.fixture(scope="session")
def completed(environment, tmp_path_factory) -> CompletedJourney:
    """The journey of the demo, run once, with its spans."""
    provider = telemetry.start(environment.otlp_endpoint)
    completed = CompletedJourney(Journey(environment, tmp_path_factory.mktemp("output")))
    completed.steps += completed.journey.steps()
    provider.shutdown()
    completed.messages += _delivered_messages(completed.journey)
    trace_id = trace.format_trace_id(completed.journey.trace_id)
    completed.spans += tree.fetch(environment.traces_url, trace_id, settle_seconds=3)
    for service in environment.targets:
        completed.parked += operator.diwan(environment.operator_config, "parked", "list", service)
    return completed


def _delivered_messages(journey: Journey) -> list[dict[str, Any]]:
    """Return the messages about the case once all are delivered, or as they are after a minute.

    The journey itself waits neither for the last message nor for its delivery receipt.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        listed = operator.diwan(
            journey.environment.operator_config, "message", "list", "--request-number", journey.case.number
        )
        states = {(message["template"], message["state"]) for message in listed}
        all_delivered = states == {(template, "MESSAGE_STATE_DELIVERED") for template in TEMPLATES}
        if all_delivered or time.monotonic() > deadline:
            return list(listed)
        time.sleep(0.2)


@pytest.fixture(scope="session")
def recorded_edges() -> set[edges.Edge]:
    """The edges of the network in edges.yaml."""
    return edges.recorded()


@pytest.fixture(scope="session")
def unrecorded_edges() -> set[edges.Edge]:
    """The edges of services that are not in edges.yaml yet."""
    return edges.unrecorded()
