"""Values: invalid ones are refused; manifests pass the lints and the schemas of Kubernetes."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
from kubernetes_validate import utils
from platform_table.load import platform

CHARTS = Path(__file__).resolve().parents[2] / "deploy" / "helm"
LOCAL, PRODUCTION = CHARTS / "values-local.yaml", CHARTS / "values-production.yaml"
KUBERNETES = "1.34"
CHECKOV = Path(sys.executable).parents[1] / "checkov" / "bin" / "checkov"  # where scripts/charts.sh puts it
REQUIRED_VALUES = {
    "sms": ("--set", "settings.smsc_host=smsc,settings.smsc_system_id=diwan"),
    "acquirer": ("--set", "settings.api_url=https://bank.example"),
    "diwan": ("--values", str(PRODUCTION)),
}


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("notary.api.replica=2", ("notary", "/api", "'replica' not allowed")),
        ("globl.image.tag=1", ("diwan", "'globl' not allowed")),
        ("global.image.tga=1", ("diwan", "/global/image", "'tga' not allowed")),
        ("identity.settings.resend_second=1", ("identity", "/settings", "'resend_second' not allowed")),
        ("identity.settings.store_uri=mongodb://x", ("identity", "/settings", "'store_uri' not allowed")),
        (
            "notary.settings.renderer_workers=99",
            ("notary", "/settings/renderer_workers", "maximum: got 99, want 32"),
        ),
        ("payments.worker.replicas=-1", ("payments", "/worker/replicas", "minimum: got -1, want 0")),
        ("payments.split=perhaps", ("payments", "/split", "want boolean")),
        ("global.image.tag=1.0-", ("diwan", "/global/image/tag", "does not match pattern")),
        ("global.telemetry.endpoint=collector", ("/global/telemetry/endpoint", "does not match pattern")),
        ("global.telemetry.variables.PATH=x", ("/global/telemetry/variables", "PATH")),
        ("trial.persistence.size=big", ("trial", "/persistence/size", "does not match pattern")),
        (
            "global.networkPolicy.peers.broker[0].podSelectr.a=b",
            ("/peers/broker/0", "'podSelectr' not allowed"),
        ),
    ],
)
def test_invalid_values_are_refused(helm, value, texts):
    """The error names the chart, the path in the values, and the problem."""
    refusal = helm.refusal("diwan", "--values", str(LOCAL), "--set", value)

    assert all(text in refusal for text in texts), refusal


def test_missing_required_values_are_refused(helm):
    """The addresses of SMSC and acquirer have no default."""
    refusal = helm.refusal("diwan")

    assert "missing properties 'smsc_host', 'smsc_system_id'" in refusal
    assert "missing property 'api_url'" in refusal


def test_a_connector_can_be_disabled(helm):
    """A disabled connector needs no configuration."""
    manifests = helm.manifests("diwan", "--set", "sms.enabled=false,acquirer.enabled=false")

    names = {each["metadata"]["name"] for each in manifests if each["kind"] == "Deployment"}
    assert names == {
        f"diwan-{service}-{part}" for service in platform().services for part in ("api", "worker")
    }


@pytest.mark.parametrize("chart", [*(program.name for program in platform().installed), "trial", "diwan"])
def test_charts_pass_helms_own_lint(helm, chart):
    """The lint is strict: warnings are errors."""
    completed = helm.run("lint", "--strict", str(CHARTS / chart), *REQUIRED_VALUES.get(chart, ()))

    assert completed.returncode == 0, completed.stdout


def test_manifests_match_the_schemas_of_kubernetes(local, production, monkeypatch):
    """The validation is strict: an unknown key is an error."""
    # Without the cache it reads a file of two megabytes for each manifest.
    monkeypatch.setattr(utils, "schema_contents", cache(utils.schema_contents))
    for manifest in (*local, *production):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_manifests_pass_checkov(helm, tmp_path):
    """The exceptions and their reasons are in deploy/helm/checkov.yaml."""
    if not CHECKOV.exists():
        pytest.skip("checkov is not installed: run scripts/charts.sh")
    for values in (LOCAL, PRODUCTION):
        (tmp_path / values.name).write_text(helm.template("diwan", "--values", str(values)))

    command = [CHECKOV, "--config-file", CHARTS / "checkov.yaml", "--directory", tmp_path, "--output", "json"]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)

    assert completed.returncode == 0, completed.stdout
    assert json.loads(completed.stdout)["summary"]["passed"] > 1000
