"""Journeys without pause, while pods come and go: planned without a failed call, unplanned without loss."""

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
from demo.crowd import Crowd

from .conftest import HERE, NAMESPACE, RELEASE, VALUES
from .counts import ENTRIES, TEMPLATES, books, messages, on_the_phone, state, twice
from .kube import STORES, Namespace
from .secrecy import leaks

AT_ONCE = int(os.environ.get("DIWAN_TEST_JOURNEYS", "8"))
FEW = 2
CHAOS_SECONDS = float(os.environ.get("DIWAN_TEST_CHAOS_SECONDS", "300"))
BETWEEN_KILLS_SECONDS = 6.0
WARM_UP_SECONDS = 120.0
QUIET_SECONDS = 120.0
RETRIABLE = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"}


@dataclass
class Ordeal:
    """What was done to the pods while journeys ran, and what came of the journeys.

    Attributes:
        crowd: the journeys.
        done: what was done, one line each.
        drained: by deployment, how many of its three pods were evicted when all were asked to go.
    """

    crowd: Crowd
    done: list[str] = field(default_factory=list)
    drained: dict[str, int] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """Keep what was done, with the time, to be held against the times of calls that failed."""
        self.done.append(f"{datetime.now(UTC):%H:%M:%S} {what}")


def report(what: str, crowd: Crowd, seconds: float) -> None:
    """Figures of a phase, for who reads the run's output (`pytest -rP`)."""
    took = sorted(crowd.seconds) or [0.0]
    print(  # noqa: T201  figures for the reader
        f"{what}: {len(crowd.finished)} journeys in {seconds:.0f} s, {crowd.at_once} at a time, median"
        f" {took[len(took) // 2]:.1f} s, longest {took[-1]:.1f} s; calls failed"
        f" {dict(Counter((failure.rpc, failure.code) for failure in crowd.failures))};"
        f" journeys broken {crowd.broken}"
    )


@pytest.fixture(scope="module")
def namespace(installation) -> Namespace:
    if not name_server():
        pytest.skip(
            "a port-forward ends with its pod: run this where the cluster's services are reached as from a pod"
        )
    return Namespace(NAMESPACE, RELEASE)


@pytest.fixture(scope="module")
def under_way(namespace, installation, travelled, tmp_path_factory):
    """Journeys around what is done to the pods: some end before it begins, and some after it has ended."""

    @contextmanager
    def under_way(what: str, *, at_once: int = AT_ONCE, first: int) -> Iterator[Ordeal]:
        output = tmp_path_factory.mktemp("journeys")
        crowd = Crowd(installation.world, output, travelled.administrator, at_once, first=first)
        began = time.monotonic()
        crowd.start()
        try:
            warm_up(crowd)
            yield Ordeal(crowd)
            warm_up(crowd)
        finally:
            crowd.stop()
        report(what, crowd, time.monotonic() - began)

    return under_way


@pytest.fixture(scope="module")
def planned(under_way, namespace) -> Ordeal:
    """Each rolled, scaled from one to three, drained, and back, under journeys."""
    with under_way("rolled and scaled", first=1) as ordeal:
        for deployment in namespace.deployments():
            namespace.restart(deployment)
            ordeal.note(f"rolled {deployment}")
        for program in sorted({name.split("-")[1] for name in namespace.deployments()}):
            own = [name for name in namespace.deployments() if name.split("-")[1] == program]
            namespace.scale(own, 3)
            for deployment in own:
                ordeal.drained[deployment] = namespace.drain(deployment)
                namespace.settle(deployment)
            namespace.scale(own, 1)
            ordeal.note(f"scaled and drained {program}")
        namespace.all_gone()
    return ordeal


@pytest.fixture(scope="module")
def upgraded(planned, under_way, namespace) -> Ordeal:
    """All upgraded at once and rolled back, under few journeys: ten programs that start want the processors too."""
    with under_way("upgraded and rolled back", at_once=FEW, first=500) as ordeal:
        for what, change in (
            ("upgraded", lambda: namespace.upgrade(*VALUES, HERE / "next.yaml")),
            ("rolled back", namespace.rollback),
        ):
            before = {pod["name"] for pod in namespace.pods()}
            change()
            ordeal.note(f"{what}; as they were: {before & {pod['name'] for pod in namespace.pods()}}")
        namespace.all_gone()
    return ordeal


@pytest.fixture(scope="module")
def unplanned(upgraded, under_way, namespace) -> Ordeal:
    """Pods deleted without a word at random, then the broker and each store, under journeys."""
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    with under_way("killed", first=1000) as ordeal:
        ends = time.monotonic() + CHAOS_SECONDS
        while time.monotonic() < ends:
            ordeal.done.append(namespace.kill_one(chance))
            time.sleep(BETWEEN_KILLS_SECONDS)
        for name in ("rabbitmq", *(f"{store}-store" for store in STORES)):
            seconds = namespace.replace(f"{RELEASE}-{name}")
            ordeal.done.append(f"{name} back after {seconds:.0f} s")
            time.sleep(BETWEEN_KILLS_SECONDS)
    print(f"seed {seed}: {Counter(ordeal.done)}")  # noqa: T201  a figure for the reader
    return ordeal


def warm_up(crowd: Crowd) -> None:
    """Until as many journeys have ended as are under way at once."""
    wanted = crowd.count() + crowd.at_once
    give_up = time.monotonic() + WARM_UP_SECONDS
    while crowd.count() < wanted:
        assert time.monotonic() < give_up, f"journeys do not come to their end: {crowd.broken}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def everyone(travelled, planned, upgraded, unplanned, namespace):
    """All journeys that were finished, once nothing is left to send or to try again."""
    give_up = time.monotonic() + QUIET_SECONDS
    while any(namespace.queues().values()) and time.monotonic() < give_up:
        time.sleep(2)
    crowds = (planned.crowd, upgraded.crowd, unplanned.crowd)
    return [travelled, *(journey for crowd in crowds for journey in crowd.finished)]


@pytest.fixture(scope="module")
def platform(installation):
    made = Platform(installation.world.targets)
    yield made
    made.close()


def test_no_call_fails_while_services_are_rolled_scaled_and_drained(planned):
    """A client that keeps to the service config does not notice."""
    assert planned.crowd.failures == [], planned.done
    assert planned.crowd.broken == []


def test_a_drain_does_not_take_all_pods_of_a_program(planned, namespace):
    """Its disruption budget keeps one back at least; one that is not ready just then may go beside the first."""
    assert planned.drained.keys() == set(namespace.deployments())
    assert set(planned.drained.values()) <= {1, 2}, planned.drained


def test_no_call_fails_while_all_are_upgraded_and_rolled_back(upgraded):
    """Each time every pod is another one afterwards."""
    assert upgraded.crowd.failures == [], upgraded.done
    assert upgraded.crowd.broken == []
    assert [line.partition(" ")[2] for line in upgraded.done] == [
        "upgraded; as they were: set()",
        "rolled back; as they were: set()",
    ]


def test_only_retriable_calls_fail_while_pods_broker_and_stores_are_killed(unplanned):
    """Whoever tries again comes to the end of the journey."""
    assert {failure.code for failure in unplanned.crowd.failures} <= RETRIABLE
    assert unplanned.crowd.broken == []


def test_nothing_that_was_away_makes_another_start_again(unplanned, namespace):
    """Whoever needs it waits: no container ended that nobody killed."""
    assert namespace.restarts() == {}


def test_every_document_is_there(everyone, platform):
    """As many documents in force, and collected, as journeys were finished."""
    assert Counter(state(platform, journey) for journey in everyone) == {"COLLECTED": len(everyone)}
    assert len({journey.case.number for journey in everyone}) == len(everyone)


def test_the_journal_holds_each_entry_once_and_balances(everyone, platform):
    """Three entries a journey, not one more in the whole journal, and each sums to zero."""
    read = books(platform, everyone[-1].auditor.session)

    assert read.crooked == []
    assert {payment: dict(kinds) for payment, kinds in read.entries.items()} == {
        journey.payment_id: ENTRIES for journey in everyone
    }


def test_each_message_was_sent_once(everyone, platform):
    """One message for each template and journey, by the platform's record and on the phones."""
    auditor = everyone[-1].auditor.session
    states: Counter[str] = Counter()
    wrong = {}
    for journey in everyone:
        told = messages(platform, auditor, journey)
        by_template: Counter[str] = Counter()
        for (template, how), count in told.items():
            by_template[template] += count
            states[how] += count
        if by_template != TEMPLATES:
            wrong[journey.case.number] = by_template
    print(f"messages by state: {dict(states)}")  # noqa: T201  a figure for the reader

    assert wrong == {}
    assert twice(everyone) == {}
    # And on the phones, but for those whose fate nobody knows.
    assert sum(len(on_the_phone(journey)) for journey in everyone) >= sum(states.values()) - states["UNKNOWN"]
    # Whose answer the connector did not live to see is never sent again, lest it be sent twice.
    assert set(states) <= {"DELIVERED", "UNKNOWN"}


def test_every_message_of_a_planned_journey_came_to_the_phone(planned, upgraded, everyone, platform):
    """Each with its receipt: an orderly end leaves no message of which nobody knows."""
    for journey in (*planned.crowd.finished, *upgraded.crowd.finished):
        how = {state for _, state in messages(platform, everyone[-1].auditor.session, journey)}
        assert how == {"DELIVERED"}, journey.case.number
        assert len(on_the_phone(journey)) == len(TEMPLATES), journey.case.number


def test_no_secret_was_told_in_distress(everyone, namespace):
    """Errors quote what failed; none of it is a secret."""
    assert leaks(namespace) == []


def test_nothing_is_left_to_mend(everyone, installation, namespace):
    """No service and no connector parked a message, and every queue is empty."""
    for service in installation.world.targets:
        assert operator.diwan(installation.world.operator_config, "parked", "list", service) == []
    assert {name: count for name, count in namespace.queues().items() if count} == {}
