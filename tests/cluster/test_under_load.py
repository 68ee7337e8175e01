"""Journeys under load while pods are replaced: planned changes fail no call, unplanned ones lose nothing."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from demo import operator
from demo.calls import Platform
from demo.cluster import name_server
from demo.load import JourneyLoad

from .conftest import HERE, NAMESPACE, RELEASE, VALUES
from .counts import (
    ENTRIES,
    TEMPLATES,
    case_state,
    duplicate_texts,
    messages,
    read_journal,
    texts_on_phone,
)
from .kube import STORES, Namespace
from .secrecy import leaks

CONCURRENCY = int(os.environ.get("DIWAN_TEST_JOURNEYS", "8"))
LOW_CONCURRENCY = 2
CHAOS_SECONDS = float(os.environ.get("DIWAN_TEST_CHAOS_SECONDS", "300"))
KILL_INTERVAL_SECONDS = 6.0
JOURNEYS_SECONDS = 120.0
EMPTY_QUEUES_SECONDS = 120.0
RETRIABLE = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"}


@dataclass
class LoadPhase:
    """A phase of the test: journeys under load, and the changes to the pods meanwhile.

    Attributes:
        load: the journeys.
        changes: one line for each change to the pods.
        evicted: by deployment, how many of its three pods were evicted when the eviction of all was requested.
    """

    load: JourneyLoad
    changes: list[str] = field(default_factory=list)
    evicted: dict[str, int] = field(default_factory=dict)

    def record(self, change: str) -> None:
        """Record a change with its time, to compare it with the times of failed calls."""
        self.changes.append(f"{datetime.now(UTC):%H:%M:%S} {change}")


def report(phase: str, load: JourneyLoad, seconds: float) -> None:
    """Print the figures of a phase, shown by `pytest -rP`."""
    durations = sorted(load.durations) or [0.0]
    print(  # noqa: T201  figures for the reader
        f"{phase}: {len(load.completed)} journeys in {seconds:.0f} s, {load.concurrency} at a time, median"
        f" {durations[len(durations) // 2]:.1f} s, longest {durations[-1]:.1f} s; failed calls"
        f" {dict(Counter((call.rpc, call.code) for call in load.failed_calls))};"
        f" failed journeys {load.failed}"
    )


@pytest.fixture(scope="module")
def namespace(installation) -> Namespace:
    if not name_server():
        pytest.skip(
            "a port-forward ends with its pod: run this on a machine that reaches the cluster's service network"
        )
    return Namespace(NAMESPACE, RELEASE)


@pytest.fixture(scope="module")
def run_load(namespace, installation, first_journey, tmp_path_factory):
    """Return a context manager that runs journeys before, during and after the changes in its block."""

    @contextmanager
    def run_load(phase: str, *, concurrency: int = CONCURRENCY, first_number: int) -> Iterator[LoadPhase]:
        output = tmp_path_factory.mktemp("journeys")
        administrator = first_journey.administrator
        load = JourneyLoad(
            installation.environment, output, administrator, concurrency, first_number=first_number
        )
        started = time.monotonic()
        load.start()
        try:
            await_journeys(load)
            yield LoadPhase(load)
            await_journeys(load)
        finally:
            load.stop()
        report(phase, load, time.monotonic() - started)

    return run_load


@pytest.fixture(scope="module")
def planned(run_load, namespace) -> LoadPhase:
    """Each deployment is restarted, scaled from one to three, drained and scaled back, under load."""
    with run_load("restarted and scaled", first_number=1) as phase:
        for deployment in namespace.deployments():
            namespace.restart(deployment)
            phase.record(f"restarted {deployment}")
        for program in sorted({name.split("-")[1] for name in namespace.deployments()}):
            own = [name for name in namespace.deployments() if name.split("-")[1] == program]
            namespace.scale(own, 3)
            for deployment in own:
                phase.evicted[deployment] = namespace.drain(deployment)
                namespace.await_rollout(deployment)
            namespace.scale(own, 1)
            phase.record(f"scaled and drained {program}")
        namespace.await_terminations()
    return phase


@pytest.fixture(scope="module")
def upgraded(planned, run_load, namespace) -> LoadPhase:
    """All are upgraded at once and rolled back, under a low load: the start of ten programs takes the processors."""
    with run_load("upgraded and rolled back", concurrency=LOW_CONCURRENCY, first_number=500) as phase:
        for name, change in (
            ("upgraded", lambda: namespace.upgrade(*VALUES, HERE / "next.yaml")),
            ("rolled back", namespace.rollback),
        ):
            before = {pod["name"] for pod in namespace.pods()}
            change()
            phase.record(f"{name}; unchanged pods: {before & {pod['name'] for pod in namespace.pods()}}")
        namespace.await_terminations()
    return phase


@pytest.fixture(scope="module")
def unplanned(upgraded, run_load, namespace) -> LoadPhase:
    """Random pods are killed, then the broker and each store are replaced, under load."""
    seed = random.randrange(10**6)
    random_source = random.Random(seed)
    with run_load("killed", first_number=1000) as phase:
        ends = time.monotonic() + CHAOS_SECONDS
        while time.monotonic() < ends:
            phase.changes.append(namespace.kill_random_pod(random_source))
            time.sleep(KILL_INTERVAL_SECONDS)
        for name in ("rabbitmq", *(f"{store}-store" for store in STORES)):
            seconds = namespace.replace(f"{RELEASE}-{name}")
            phase.changes.append(f"{name} ready after {seconds:.0f} s")
            time.sleep(KILL_INTERVAL_SECONDS)
    print(f"seed {seed}: {Counter(phase.changes)}")  # noqa: T201  a figure for the reader
    return phase


def await_journeys(load: JourneyLoad) -> None:
    """Wait until as many more journeys have completed as run at a time."""
    target = load.count() + load.concurrency
    deadline = time.monotonic() + JOURNEYS_SECONDS
    while load.count() < target:
        assert time.monotonic() < deadline, f"journeys do not complete: {load.failed}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def journeys(first_journey, planned, upgraded, unplanned, namespace):
    """All completed journeys, once the queues are empty."""
    deadline = time.monotonic() + EMPTY_QUEUES_SECONDS
    while any(namespace.queues().values()) and time.monotonic() < deadline:
        time.sleep(2)
    loads = (planned.load, upgraded.load, unplanned.load)
    return [first_journey, *(journey for load in loads for journey in load.completed)]


@pytest.fixture(scope="module")
def platform(installation):
    platform = Platform(installation.environment.targets)
    yield platform
    platform.close()


def test_no_call_fails_while_services_are_restarted_scaled_and_drained(planned):
    """A client with the published service config sees no error."""
    assert planned.load.failed_calls == [], planned.changes
    assert planned.load.failed == []


def test_a_drain_does_not_evict_all_pods_of_a_deployment(planned, namespace):
    """The disruption budget keeps at least one pod; a pod that is not ready may be evicted in addition."""
    assert planned.evicted.keys() == set(namespace.deployments())
    assert set(planned.evicted.values()) <= {1, 2}, planned.evicted


def test_no_call_fails_while_all_are_upgraded_and_rolled_back(upgraded):
    """Both changes replace every pod."""
    assert upgraded.load.failed_calls == [], upgraded.changes
    assert upgraded.load.failed == []
    assert [line.partition(" ")[2] for line in upgraded.changes] == [
        "upgraded; unchanged pods: set()",
        "rolled back; unchanged pods: set()",
    ]


def test_only_retriable_calls_fail_while_pods_broker_and_stores_are_killed(unplanned):
    """With retries every journey completes."""
    assert {call.code for call in unplanned.load.failed_calls} <= RETRIABLE
    assert unplanned.load.failed == []


def test_no_container_restarts_because_a_dependency_is_away(unplanned, namespace):
    """A program waits for its broker and store: only killed pods are replaced."""
    assert namespace.restarts() == {}


def test_every_document_is_there(journeys, platform):
    """Each completed journey has its own document, which is collected."""
    assert Counter(case_state(platform, journey) for journey in journeys) == {"COLLECTED": len(journeys)}
    assert len({journey.case.number for journey in journeys}) == len(journeys)


def test_the_journal_holds_each_entry_once_and_balances(journeys, platform):
    """The whole journal has three entries for each journey, and each entry sums to zero."""
    journal = read_journal(platform, journeys[-1].auditor.session)

    assert journal.unbalanced == []
    assert {payment: dict(kinds) for payment, kinds in journal.entries.items()} == {
        journey.payment_id: ENTRIES for journey in journeys
    }


def test_each_message_was_sent_once(journeys, platform):
    """There is one message for each template and journey, in the platform's records and on the phones."""
    auditor = journeys[-1].auditor.session
    states: Counter[str] = Counter()
    wrong = {}
    for journey in journeys:
        by_template: Counter[str] = Counter()
        for (template, state), count in messages(platform, auditor, journey).items():
            by_template[template] += count
            states[state] += count
        if by_template != TEMPLATES:
            wrong[journey.case.number] = by_template
    print(f"messages by state: {dict(states)}")  # noqa: T201  a figure for the reader

    assert wrong == {}
    assert duplicate_texts(journeys) == {}
    # Each is on a phone, except perhaps those in the state UNKNOWN.
    assert (
        sum(len(texts_on_phone(journey)) for journey in journeys) >= sum(states.values()) - states["UNKNOWN"]
    )
    # A message whose submission was not answered before the connector ended is not submitted again.
    assert set(states) <= {"DELIVERED", "UNKNOWN"}


def test_planned_changes_leave_every_message_delivered(planned, upgraded, journeys, platform):
    """A graceful shutdown leaves no message in the state UNKNOWN."""
    for journey in (*planned.load.completed, *upgraded.load.completed):
        states = {state for _, state in messages(platform, journeys[-1].auditor.session, journey)}
        assert states == {"DELIVERED"}, journey.case.number
        assert len(texts_on_phone(journey)) == len(TEMPLATES), journey.case.number


def test_no_secret_is_logged_after_failures(journeys, namespace):
    """Error texts quote what failed; none of it is a secret."""
    assert leaks(namespace) == []


def test_no_message_is_parked_and_every_queue_is_empty(journeys, installation, namespace):
    """Services and connectors continue without an operator."""
    for service in installation.environment.targets:
        assert operator.diwan(installation.environment.operator_config, "parked", "list", service) == []
    assert {name: count for name, count in namespace.queues().items() if count} == {}
