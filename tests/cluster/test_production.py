"""The values of a place with broker, stores and Secrets of its own, installed as they are but for addresses."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from demo import cluster
from demo.journey import Journey
from embedded.layout import Layout

from .conftest import HERE, RELEASE
from .kube import Namespace

NAMESPACE, OUTSIDE = "diwan-production", "outside"
PRODUCTION = cluster.VALUES.parent / "values-production.yaml"
STEPS = 9
# Two of each, three workers of notary, and both parts of payments in one pod.
PODS = {
    "identity-api": 2,
    "identity-worker": 2,
    "payments-all": 2,
    "notary-api": 2,
    "notary-worker": 3,
    "notification-api": 2,
    "notification-worker": 2,
    "sms-connector": 2,
    "acquirer-connector": 2,
}


@pytest.fixture(scope="module")
def world(beside, tmp_path_factory):
    """A release with all that is not ours, and one of Diwan that is pointed to it by Secrets and values."""
    layout = Layout(tmp_path_factory.mktemp("production"))
    with cluster.opened(layout, NAMESPACE, OUTSIDE, (beside("jaeger"), beside("gateway"))):
        cluster.install(NAMESPACE, OUTSIDE, (cluster.VALUES, HERE / "outside.yaml"))
        cluster.install(NAMESPACE, RELEASE, (PRODUCTION, HERE / "production.yaml"))
        with cluster.reached(layout, NAMESPACE, RELEASE, outside=OUTSIDE, collector="jaeger") as world:
            yield world


def test_the_same_journey_comes_to_its_end(world, tmp_path: Path):
    """With several pods of everything, each of which may have part in it."""
    titles = [step.title for step in Journey(world, tmp_path).steps()]

    assert len(titles) == STEPS


def test_what_runs_is_what_the_values_say(world):
    """Replicas, and the service whose parts are put together by one value; nobody had to start again."""
    namespace = Namespace(NAMESPACE, RELEASE)
    labels = [pod["labels"] for pod in namespace.pods()]

    assert (
        Counter(f"{each['app.kubernetes.io/name']}-{each['app.kubernetes.io/component']}" for each in labels)
        == PODS
    )
    assert namespace.restarts() == {}


def test_the_release_holds_no_secret_and_no_store(world):
    """Broker, stores and Secrets exist without it."""
    manifest = cluster.run("helm", "get", "manifest", RELEASE, "-n", NAMESPACE)

    kinds = {each["kind"] for each in yaml.safe_load_all(manifest) if each}
    assert kinds == {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"}
