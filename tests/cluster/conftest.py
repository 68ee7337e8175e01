"""Diwan on the cluster that KUBECONFIG names, in its own namespace, with an OpenTelemetry Collector and Jaeger."""

import os
from dataclasses import dataclass
from pathlib import Path
from string import Template

import pytest
from demo import cluster, telemetry
from demo.environment import Environment
from demo.journey import Journey
from embedded.layout import Layout

from .jaeger import Jaeger

HERE = Path(__file__).parent
VALUES = (cluster.VALUES, HERE / "values.yaml")
NAMESPACE, RELEASE = "diwan-test", "diwan"
ENABLED = os.environ.get("DIWAN_TEST_CLUSTER") == "1" and bool(os.environ.get("KUBECONFIG"))
SKIP_REASON = "needs a Kubernetes cluster with Diwan's images: set DIWAN_TEST_CLUSTER=1 and KUBECONFIG"
JAEGER_IMAGE = os.environ.get("DIWAN_TEST_JAEGER_IMAGE", "jaegertracing/jaeger:2.11.0")


def pytest_collection_modifyitems(items):
    for item in items if not ENABLED else ():
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason=SKIP_REASON))


@dataclass(frozen=True)
class Installation:
    """An installed platform: the addresses of its services, and its tracing back end."""

    environment: Environment
    jaeger: Jaeger


@pytest.fixture(scope="package")
def manifest_file(tmp_path_factory):
    """Return a function that writes the manifest of a name with the Jaeger image of this cluster, and its path."""
    folder = tmp_path_factory.mktemp("manifests")

    def manifest(name: str) -> Path:
        text = (HERE / f"{name}.yaml").read_text()
        (folder / f"{name}.yaml").write_text(Template(text).safe_substitute(JAEGER_IMAGE=JAEGER_IMAGE))
        return folder / f"{name}.yaml"

    return manifest


@pytest.fixture(scope="package")
def installation(manifest_file, tmp_path_factory):
    """The platform, installed by Helm with the trial's broker and stores, and removed afterwards."""
    layout = Layout(tmp_path_factory.mktemp("cluster"))
    manifests = (manifest_file("jaeger"), manifest_file("collector"))
    with cluster.trial_namespace(layout, NAMESPACE, RELEASE, manifests):
        cluster.install(NAMESPACE, RELEASE, VALUES)
        with (
            cluster.environment_of(layout, NAMESPACE, RELEASE, collector="jaeger") as environment,
            cluster.reachable_address(NAMESPACE, "jaeger", 16686) as query,
        ):
            yield Installation(environment, Jaeger(f"http://{query}"))


@pytest.fixture(scope="package")
def first_journey(installation, tmp_path_factory) -> Journey:
    """The first journey on the platform, run by the driver of the demo."""
    provider = telemetry.start(installation.environment.otlp_endpoint)
    journey = Journey(installation.environment, tmp_path_factory.mktemp("output"))
    journey.titles = [step.title for step in journey.steps()]
    provider.force_flush()
    return journey
