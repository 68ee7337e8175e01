"""Fixtures that render the charts with Helm; the tests are skipped where Helm is not installed."""

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
        """Return the rendered manifests; AssertionError with Helm's error text when it fails."""
        completed = self.run("template", "diwan", str(CHARTS / chart), *arguments)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    def refusal(self, chart: str, *arguments: str) -> str:
        """Return Helm's error text for invalid values."""
        completed = self.run("template", "diwan", str(CHARTS / chart), *arguments)
        assert completed.returncode, "Helm accepted the values"
        return completed.stderr

    @cache  # noqa: B019  one instance per session
    def manifests(self, chart: str, *arguments: str) -> list[Manifest]:
        return [each for each in yaml.safe_load_all(self.template(chart, *arguments)) if each]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(HELM), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def helm() -> Helm:
    if HELM is None:
        pytest.skip("Helm is not installed")
    return Helm()


@pytest.fixture(scope="session")
def local(helm) -> list[Manifest]:
    """The manifests of a trial."""
    return helm.manifests("diwan", "--values", str(LOCAL))


@pytest.fixture(scope="session")
def production(helm) -> list[Manifest]:
    """The manifests of an installation with broker, stores and collector from elsewhere."""
    return helm.manifests("diwan", "--values", str(PRODUCTION))
