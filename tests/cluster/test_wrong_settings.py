"""A wrong setting ends a pod at its start with one line: the setting, the reason and the remedy."""

import copy
import json
import time
from dataclasses import dataclass

import pytest

from .conftest import NAMESPACE, RELEASE
from .kube import Namespace

TIMEOUT_SECONDS = 90.0
SECRET = "not-to-be-logged"
# Deployment, changed variables (None removes one), the setting that the line must name.
CASES = {
    "address": ("identity-api", {"IDENTITY_GRPC_LISTEN": "somewhere"}, "IDENTITY_GRPC_LISTEN"),
    "number": ("payments-worker", {"PAYMENTS_DRAIN_SECONDS": "-1"}, "PAYMENTS_DRAIN_SECONDS"),
    "missing": ("notary-api", {"NOTARY_STORE_DATABASE": None}, "NOTARY_STORE_DATABASE"),
    "target": ("notary-api", {"NOTARY_IDENTITY_TARGET": None}, "NOTARY_IDENTITY_TARGET"),
    "file": ("notary-worker", {"NOTARY_STORE_URI_FILE": "/run/absent"}, "NOTARY_STORE_URI"),
    "secret": (
        "notification-api",
        {
            "NOTIFICATION_BROKER_URI_FILE": None,
            "NOTIFICATION_BROKER_URI": f"http://diwan:{SECRET}@rabbitmq:5672/diwan",
        },
        "NOTIFICATION_BROKER_URI",
    ),
    "keys": ("payments-api", {"PAYMENTS_KEYS_DIR": "/run/absent"}, "PAYMENTS_KEYS_DIR"),
    "connector": ("sms", {"SMS_SMSC_HOST": None}, "SMS_SMSC_HOST"),
    "connector-url": ("acquirer", {"ACQUIRER_API_URL": "the bank"}, "ACQUIRER_API_URL"),
    "connector-keys": ("sms", {"SMS_KEYS_DIR": "/run/absent"}, "SMS_KEYS_DIR"),
}


@dataclass(frozen=True)
class EndedPod:
    """A pod that ended by itself: its exit status and its log lines."""

    status: int
    lines: list[str]


@pytest.fixture(scope="module")
def ended_pods(installation):
    """One pod for each case, with the spec of its deployment and one wrong setting; by case."""
    namespace = Namespace(NAMESPACE, RELEASE)
    deployments = {each["metadata"]["name"]: each for each in namespace.get("deployments")}
    for case, (deployment, variables, _) in CASES.items():
        pod = pod_of(case, deployments[f"{RELEASE}-{deployment}"], variables)
        namespace.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    yield {case: await_end(namespace, f"wrong-{case}") for case in CASES}
    namespace.kubectl("delete", "pod", *(f"wrong-{case}" for case in CASES), "--wait=false")


def pod_of(case, deployment, variables):
    spec = copy.deepcopy(deployment["spec"]["template"]["spec"])
    (container,) = spec["containers"]
    kept = [each for each in container["env"] if each["name"] not in variables]
    container["env"] = kept + [
        {"name": name, "value": value} for name, value in variables.items() if value is not None
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"wrong-{case}"},
        "spec": {**spec, "restartPolicy": "Never"},
    }


def await_end(namespace, pod):
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        state = json.loads(namespace.kubectl("get", "pod", pod, "-o", "json"))["status"]
        if state["phase"] in ("Failed", "Succeeded"):
            code = state["containerStatuses"][0]["state"]["terminated"]["exitCode"]
            return EndedPod(code, namespace.kubectl("logs", pod).splitlines())
        time.sleep(0.5)
    return EndedPod(-1, namespace.kubectl("logs", pod).splitlines())


@pytest.mark.parametrize("case", CASES)
def test_one_line_names_the_wrong_setting_and_the_remedy(ended_pods, case):
    """The pod ends with status 2 and one line, which never contains the value of a secret."""
    _, _, setting = CASES[case]
    pod = ended_pods[case]

    assert pod.status == 2, pod
    assert len(pod.lines) == 1, pod.lines
    assert setting in pod.lines[0]
    assert "; " in pod.lines[0], "the line should give the reason and the remedy"
    assert SECRET not in pod.lines[0]
