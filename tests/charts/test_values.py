"""Values: what is refused, with which words; what the lint and the schemas of Kubernetes say of what is taken."""

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
NEEDED = {
    "sms": ("--set", "settings.smsc_host=smsc,settings.smsc_system_id=diwan"),
    "acquirer": ("--set", "settings.api_url=https://bank.example"),
    "diwan": ("--values", str(PRODUCTION)),
}


@pytest.mark.parametrize(
    ("given", "says"),
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
def test_what_nobody_knows_is_refused(helm, given, says):
    """The chart, the place in the values, and what is wrong there."""
    refusal = helm.refusal("diwan", "--values", str(LOCAL), "--set", given)

    assert all(word in refusal for word in says), refusal


def test_what_must_be_said_is_asked_for(helm):
    """An SMSC and an acquirer have no default."""
    refusal = helm.refusal("diwan")

    assert "missing properties 'smsc_host', 'smsc_system_id'" in refusal
    assert "missing property 'api_url'" in refusal


def test_a_connector_may_be_left_out(helm):
    """What is not installed need not be configured."""
    manifests = helm.manifests("diwan", "--set", "sms.enabled=false,acquirer.enabled=false")

    names = {each["metadata"]["name"] for each in manifests if each["kind"] == "Deployment"}
    assert names == {
        f"diwan-{service}-{part}" for service in platform().services for part in ("api", "worker")
    }


@pytest.mark.parametrize("chart", [*(program.name for program in platform().installed), "trial", "diwan"])
def test_charts_pass_helms_own_lint(helm, chart):
    """Strictly: warnings fail it."""
    done = helm.run("lint", "--strict", str(CHARTS / chart), *NEEDED.get(chart, ()))

    assert done.returncode == 0, done.stdout


def test_manifests_fit_the_schemas_of_kubernetes(local, production, monkeypatch):
    """Strictly: a key that Kubernetes does not know is an error, not a thing passed over."""
    # It reads a file of two megabytes again for each manifest.
    monkeypatch.setattr(utils, "schema_contents", cache(utils.schema_contents))
    for manifest in (*local, *production):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_manifests_pass_checkov(helm, tmp_path):
    """But for what deploy/helm/checkov.yaml leaves out, with the reason beside it."""
    if not CHECKOV.exists():
        pytest.skip("there is no checkov: scripts/charts.sh installs it")
    for values in (LOCAL, PRODUCTION):
        (tmp_path / values.name).write_text(helm.template("diwan", "--values", str(values)))

    command = [CHECKOV, "--config-file", CHARTS / "checkov.yaml", "--directory", tmp_path, "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["summary"]["passed"] > 1000
