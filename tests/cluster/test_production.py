"""The production values, installed unchanged except for addresses, with broker, stores and Secrets from elsewhere."""

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
# Replicas: two of each component and three workers of notary; payments runs its roles in one pod.
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
def environment(manifest_file, tmp_path_factory):
    """One release with broker, stores and sandbox, and one of Diwan that refers to it by Secrets and values."""
    layout = Layout(tmp_path_factory.mktemp("production"))
    manifests = (manifest_file("jaeger"), manifest_file("gateway"))
    with cluster.trial_namespace(layout, NAMESPACE, OUTSIDE, manifests):
        cluster.install(NAMESPACE, OUTSIDE, (cluster.VALUES, HERE / "outside.yaml"))
        cluster.install(NAMESPACE, RELEASE, (PRODUCTION, HERE / "production.yaml"))
        with cluster.environment_of(
            layout, NAMESPACE, RELEASE, outside=OUTSIDE, collector="jaeger"
        ) as environment:
            yield environment


def test_the_journey_completes(environment, tmp_path: Path):
    """Its calls and events are distributed over several pods of each component."""
    titles = [step.title for step in Journey(environment, tmp_path).steps()]

    assert len(titles) == STEPS


def test_the_running_pods_match_the_values(environment):
    """Replicas, and one service with all roles in one pod; no container was restarted."""
    namespace = Namespace(NAMESPACE, RELEASE)
    labels = [pod["labels"] for pod in namespace.pods()]

    assert (
        Counter(f"{each['app.kubernetes.io/name']}-{each['app.kubernetes.io/component']}" for each in labels)
        == PODS
    )
    assert namespace.restarts() == {}


def test_the_release_contains_no_secret_and_no_store(environment):
    """Broker, stores and Secrets exist independently of it."""
    manifest = cluster.run("helm", "get", "manifest", RELEASE, "-n", NAMESPACE)

    kinds = {each["kind"] for each in yaml.safe_load_all(manifest) if each}
    assert kinds == {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"}
