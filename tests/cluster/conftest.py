"""Diwan on the cluster that KUBECONFIG names, in a namespace of the tests' own, with a Collector and Jaeger."""

import os
from dataclasses import dataclass
from pathlib import Path
from string import Template

import pytest
from demo import cluster, telemetry
from demo.journey import Journey
from demo.world import World
from embedded.layout import Layout

from .jaeger import Jaeger

HERE = Path(__file__).parent
VALUES = (cluster.VALUES, HERE / "values.yaml")
NAMESPACE, RELEASE = "diwan-test", "diwan"
WANTED = os.environ.get("DIWAN_TEST_CLUSTER") == "1" and bool(os.environ.get("KUBECONFIG"))
UNWANTED = "needs a Kubernetes cluster with Diwan's images: set DIWAN_TEST_CLUSTER=1 and KUBECONFIG"
JAEGER_IMAGE = os.environ.get("DIWAN_TEST_JAEGER_IMAGE", "jaegertracing/jaeger:2.11.0")


def pytest_collection_modifyitems(items):
    for item in items if not WANTED else ():
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason=UNWANTED))


@dataclass(frozen=True)
class Installation:
    """Diwan in its namespace, and where it is reached."""

    world: World
    jaeger: Jaeger


@pytest.fixture(scope="package")
def beside(tmp_path_factory):
    """The manifest of that name, with the image of Jaeger that this cluster has."""
    folder = tmp_path_factory.mktemp("beside")

    def manifest(name: str) -> Path:
        text = (HERE / f"{name}.yaml").read_text()
        (folder / f"{name}.yaml").write_text(Template(text).safe_substitute(JAEGER_IMAGE=JAEGER_IMAGE))
        return folder / f"{name}.yaml"

    return manifest


@pytest.fixture(scope="package")
def installation(beside, tmp_path_factory):
    """Installed by Helm with the trial's broker and stores, and gone afterwards."""
    layout = Layout(tmp_path_factory.mktemp("cluster"))
    with cluster.opened(layout, NAMESPACE, RELEASE, (beside("jaeger"), beside("collector"))):
        cluster.install(NAMESPACE, RELEASE, VALUES)
        with (
            cluster.reached(layout, NAMESPACE, RELEASE, collector="jaeger") as world,
            cluster.way_to(NAMESPACE, "jaeger", 16686) as query,
        ):
            yield Installation(world, Jaeger(f"http://{query}"))


@pytest.fixture(scope="package")
def travelled(installation, tmp_path_factory) -> Journey:
    """The journey that opens the country, by the driver of the demo."""
    provider = telemetry.start(installation.world.otlp_endpoint)
    journey = Journey(installation.world, tmp_path_factory.mktemp("output"))
    journey.titles = [step.title for step in journey.steps()]
    provider.force_flush()
    return journey
