"""Values: invalid ones are refused; manifests pass the lints and the schemas of Kubernetes."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
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


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("sms.settings.smsc_host=", "/settings/smsc_host"),
        ("sms.settings.smsc_host=two words", "/settings/smsc_host"),
        ("sms.settings.smsc_system_id=", "/settings/smsc_system_id"),
        ("sms.settings.smsc_port=70000", "/settings/smsc_port"),
        ("acquirer.settings.api_url=", "/settings/api_url"),
        ("acquirer.settings.answer_seconds=0", "/settings/answer_seconds"),
        ("global.telemetry.variables.OTEL_TRACES_SAMPLER=nonsense", "/variables/OTEL_TRACES_SAMPLER"),
        ("global.telemetry.variables.OTEL_TRACES_SAMPLER_ARG=2", "/variables/OTEL_TRACES_SAMPLER_ARG"),
        ("global.telemetry.variables.OTEL_RESOURCE_ATTRIBUTES=a=b", "/variables/OTEL_RESOURCE_ATTRIBUTES"),
        ("notary.api.resources.limits.memory=12parsecs", "/resources/limits/memory"),
        ("notary.api.resources.limits.memory=12m", "/resources/limits/memory"),
        ("sms.resources.requests.cpu=1Gi", "/resources/requests/cpu"),
        ("payments.worker.resources.limits.memory=", "/resources/limits/memory"),
        ("payments.podLabels.team=a b", "/podLabels/team"),
        ("payments.podLabels.-team=a", "/podLabels"),
        ("payments.podAnnotations.a b=c", "/podAnnotations"),
        ("global.podDefaults.nodeSelector.zone=a b", "/nodeSelector/zone"),
        ("global.podDefaults.priorityClassName=High", "/priorityClassName"),
        ("global.image.registry=my registry", "/image/registry"),
        ("global.image.pullSecrets[0]=A_b", "/image/pullSecrets/0"),
        ("global.publicKeysSecret=", "/publicKeysSecret"),
        ("identity.secrets.keys=My Keys", "/secrets/keys"),
        ("identity.image.repository=Diwan Identity", "/image/repository"),
        ("notary.identityTarget=identity", "/identityTarget"),
        ("trial.persistence.size=0Gi", "/persistence/size"),
        ("trial.persistence.storageClass=Fast Disk", "/persistence/storageClass"),
        ("global.networkPolicy.peers.smsc[0].ipBlock.cidr=host", "/peers/smsc/0/ipBlock/cidr"),
        ("global.networkPolicy.ports.broker=0", "/networkPolicy/ports/broker"),
        ("notary.podDisruptionBudget.maxUnavailable=many", "/podDisruptionBudget/maxUnavailable"),
        ("notary.api.replicas=two", "/api/replicas"),
    ],
)
def test_a_value_without_meaning_is_refused(helm, value, path):
    """Before anything is changed, not by a pod that fails."""
    kind = "--set-json" if value.startswith("global.telemetry.variables.OTEL_TRACES_SAMPLER_ARG") else "--set"
    if kind == "--set-json":
        value = value.replace("=2", '="2"')

    refusal = helm.refusal("diwan", "--values", str(LOCAL), kind, value)

    assert path in refusal, refusal


def _strings(schema, path=""):
    """Yield path and rules of every value of a schema that may be a string."""
    if isinstance(schema, bool):
        return
    if "string" in (schema.get("type"), *(schema["type"] if isinstance(schema.get("type"), list) else ())):
        yield path, schema
    for name in ("properties", "patternProperties"):
        for key, child in schema.get(name, {}).items():
            yield from _strings(child, f"{path}.{key}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _strings(schema[name], f"{path}.{name}")


@pytest.mark.parametrize("chart", [*(program.name for program in platform().installed), "trial", "diwan"])
def test_every_string_has_a_rule(chart):
    """Only annotations, and variables of OpenTelemetry that the charts do not know, may have any text."""
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text())

    free = {path for path, rules in _strings(schema) if not {"pattern", "enum", "minLength"} & set(rules)}

    assert {path for path in free if ".podAnnotations." not in path and ".variables." not in path} == set()


@pytest.mark.parametrize("scaled", ["identity.api", "identity.worker", "sms"])
def test_replicas_can_be_left_to_an_autoscaler(helm, tmp_path, scaled):
    """With null the Deployment has no `replicas`; the others keep their default of two."""
    values: dict = {"replicas": None}
    for name in reversed(scaled.split(".")):
        values = {name: values}
    file = tmp_path / "scaled.yaml"
    file.write_text(json.dumps(values))

    manifests = helm.manifests("diwan", "--values", str(PRODUCTION), "--values", str(file))

    replicas = {
        each["metadata"]["name"]: each["spec"].get("replicas")
        for each in manifests
        if each["kind"] == "Deployment"
    }
    without = "diwan-" + scaled.replace(".", "-")
    assert replicas.pop(without, 0) is None
    assert set(replicas.values()) == {2, 3}


class _Unique(yaml.SafeLoader):
    """Refuses a mapping with two equal keys, which plain YAML loaders accept."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        assert len(keys) == len(set(keys)), keys
        return super().construct_mapping(node, deep=deep)


@pytest.mark.parametrize("program", ["payments", "sms"])
def test_labels_and_annotations_that_repeat_those_of_the_chart_are_merged(helm, tmp_path, program):
    """Own labels are kept, because selectors depend on them; annotations may be replaced. No key occurs twice."""
    file = tmp_path / "values.yaml"
    labels = {"app.kubernetes.io/name": "other", "helm.sh/chart": "other", "team": "pay"}
    annotations = {"prometheus.io/port": "9", "example.org/a": "b"}
    file.write_text(json.dumps({program: {"podLabels": labels, "podAnnotations": annotations}}))

    text = helm.template("diwan", "--values", str(PRODUCTION), "--values", str(file))

    manifests = [each for each in yaml.load_all(text, _Unique) if each]
    pods = [
        each["spec"]["template"]["metadata"]
        for each in manifests
        if each["kind"] == "Deployment" and each["metadata"]["labels"]["app.kubernetes.io/name"] == program
    ]
    assert pods
    for pod in pods:
        assert (pod["labels"]["app.kubernetes.io/name"], pod["labels"]["team"]) == (program, "pay")
        assert pod["labels"]["helm.sh/chart"].startswith(f"{program}-")
        assert (pod["annotations"]["prometheus.io/port"], pod["annotations"]["example.org/a"]) == ("9", "b")
        assert pod["annotations"]["prometheus.io/scrape"] == "true"


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
