"""The charts as Helm renders them; what needs Helm is skipped where none can be installed."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

CHARTS = Path(__file__).resolve().parents[2] / "deploy" / "helm"
HELM = shutil.which("helm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
LOCAL, PRODUCTION = CHARTS / "values-local.yaml", CHARTS / "values-production.yaml"

Manifest = dict[str, Any]


class Helm:
    """Helm on the charts of the checkout. The release is called `diwan`."""

    def template(self, chart: str, *arguments: str) -> str:
        """Rendered manifests; AssertionError with Helm's own words when it refuses."""
        done = self.run("template", "diwan", str(CHARTS / chart), *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refusal(self, chart: str, *arguments: str) -> str:
        """What Helm says against these values."""
        done = self.run("template", "diwan", str(CHARTS / chart), *arguments)
        assert done.returncode, "Helm took them"
        return done.stderr

    @cache  # noqa: B019  one Helm a session
    def manifests(self, chart: str, *arguments: str) -> list[Manifest]:
        return [each for each in yaml.safe_load_all(self.template(chart, *arguments)) if each]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(HELM), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def helm() -> Helm:
    if HELM is None:
        pytest.skip("there is no Helm: the charts cannot be rendered")
    return Helm()


@pytest.fixture(scope="session")
def local(helm) -> list[Manifest]:
    """The platform with all that a trial brings."""
    return helm.manifests("diwan", "--values", str(LOCAL))


@pytest.fixture(scope="session")
def production(helm) -> list[Manifest]:
    """The platform in a place that has broker, stores and collector."""
    return helm.manifests("diwan", "--values", str(PRODUCTION))
