"""Wrong settings stop a pod at its start, with one line that says which, why, and how to mend it."""

import copy
import json
import time
from dataclasses import dataclass

import pytest

from .conftest import NAMESPACE, RELEASE
from .kube import Namespace

TIMEOUT_SECONDS = 90.0
SECRET = "not-to-be-told"
# Deployment, variables set (None: left out), the setting that the line must name.
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
class Ended:
    """A pod that ended by itself: its exit status and its lines."""

    status: int
    lines: list[str]


@pytest.fixture(scope="module")
def ended(installation):
    """A pod for each case, as its deployment would start it but for the wrong setting."""
    namespace = Namespace(NAMESPACE, RELEASE)
    deployments = {each["metadata"]["name"]: each for each in namespace.get("deployments")}
    for case, (deployment, variables, _) in CASES.items():
        pod = pod_of(case, deployments[f"{RELEASE}-{deployment}"], variables)
        namespace.kubectl("apply", "-f", "-", given=json.dumps(pod))
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
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < give_up:
        state = json.loads(namespace.kubectl("get", "pod", pod, "-o", "json"))["status"]
        if state["phase"] in ("Failed", "Succeeded"):
            code = state["containerStatuses"][0]["state"]["terminated"]["exitCode"]
            return Ended(code, namespace.kubectl("logs", pod).splitlines())
        time.sleep(0.5)
    return Ended(-1, namespace.kubectl("logs", pod).splitlines())


@pytest.mark.parametrize("case", CASES)
def test_one_line_says_which_setting_is_wrong_and_how_to_mend_it(ended, case):
    """The pod ends with status 2 and one line, which never holds the value of a secret."""
    _, _, setting = CASES[case]
    told = ended[case]

    assert told.status == 2, told
    assert len(told.lines) == 1, told.lines
    assert setting in told.lines[0]
    assert "; " in told.lines[0], "why it is wrong, and how to mend it"
    assert SECRET not in told.lines[0]
