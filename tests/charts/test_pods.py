"""What holds for every pod of the charts, whatever it runs."""

import re

import pytest
from chassis.rpc.server import CONNECTION_SECONDS
from embedded import secrets
from embedded.layout import Layout
from platform_table.load import platform

NAME_SECONDS = 30  # for which the name servers of most clusters keep an address
WORKLOADS = ("Deployment", "StatefulSet")


def pods(manifests):
    """Name and pod spec of each workload."""
    return {m["metadata"]["name"]: m["spec"]["template"]["spec"] for m in manifests if m["kind"] in WORKLOADS}


def programs(manifests):
    """Those that run a program of ours: the others have no drain."""
    ours = set(platform().readers)
    return {name: pod for name, pod in pods(manifests).items() if pod["containers"][0]["name"] in ours}


@pytest.fixture(scope="session", params=["local", "production"])
def manifests(request):
    return request.getfixturevalue(request.param)


def test_pods_are_restricted(manifests):
    """As Pod Security's `restricted` asks, and with a root that nobody writes to."""
    for name, pod in pods(manifests).items():
        security, container = pod["securityContext"], pod["containers"][0]["securityContext"]

        assert security["runAsNonRoot"], name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_no_pod_has_a_token(manifests):
    """Each has a ServiceAccount of its own, with no right and no token."""
    accounts = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "ServiceAccount"}
    for name, pod in pods(manifests).items():
        assert pod["automountServiceAccountToken"] is False, name
        assert accounts[pod["serviceAccountName"]]["automountServiceAccountToken"] is False


def test_no_secret_is_in_the_environment(manifests):
    """Neither by value nor by reference: secrets are files."""
    for name, pod in pods(manifests).items():
        for container in pod["containers"]:
            assert "envFrom" not in container
            for variable in container.get("env", ()):
                assert "secretKeyRef" not in variable.get("valueFrom", {}), name
                assert not re.search(r"://[^/]*:[^/]*@", variable.get("value", "")), name


def test_no_home_is_on_a_claim(local):
    """fsGroup opens a claim's files to the pod's group; Erlang refuses a cookie that others than its owner may read."""
    for name, pod in pods(local).items():
        (container,) = pod["containers"]
        emptied = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}

        assert "HOME" not in {variable["name"] for variable in container.get("env", ())}, name
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"], "the images' HOME"
        assert "tmp" in emptied, name


def test_a_pod_outlives_its_drain(manifests):
    """The grace period holds the pause for the endpoints, the drain, and some seconds more."""
    for name, pod in programs(manifests).items():
        container = pod["containers"][0]
        drain = next(
            int(variable["value"])
            for variable in container["env"]
            if variable["name"].endswith("_DRAIN_SECONDS")
        )

        assert pod["terminationGracePeriodSeconds"] >= pause(container) + drain + 10, name


def pause(container):
    """Seconds between the order to end and its coming to the program."""
    return container["lifecycle"]["preStop"]["sleep"]["seconds"] if "lifecycle" in container else 0


def test_callers_have_gone_when_a_pod_ends(production):
    """It waits for longer than connections live and name servers keep its address; a worker has no callers."""
    waits = {name: pause(pod["containers"][0]) for name, pod in programs(production).items()}

    for service in platform().services:
        assert waits[f"diwan-{service}-api"] > 1.1 * CONNECTION_SECONDS + NAME_SECONDS
        assert waits[f"diwan-{service}-worker"] == 0


def test_a_pod_that_need_not_wait_has_no_hook(helm):
    """Kubernetes before 1.33 refuses a sleep of no seconds."""
    manifests = helm.manifests("identity", "--set", "preStopSeconds=0")

    for pod in programs(manifests).values():
        assert "lifecycle" not in pod["containers"][0]


def test_probes_are_of_the_kind_that_the_program_speaks(manifests):
    """gRPC for services, HTTP for connectors, which have no gRPC; liveness never asks for store and broker."""
    for name, pod in programs(manifests).items():
        container = pod["containers"][0]
        probes = [container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]

        if container["name"] in platform().services:
            assert [probe["grpc"].get("service", "") for probe in probes] == ["live", "", "live"], name
        else:
            assert [p["httpGet"]["path"] for p in probes] == ["/healthz", "/readyz", "/healthz"], name


def test_pods_say_who_they_are(manifests):
    """To traces, metrics and logs, by the downward API."""
    for name, pod in programs(manifests).items():
        said = next(
            v["value"] for v in pod["containers"][0]["env"] if v["name"] == "OTEL_RESOURCE_ATTRIBUTES"
        )

        assert {pair.partition("=")[0] for pair in said.split(",")} == {
            "service.version",
            "service.instance.id",
            "k8s.pod.name",
            "k8s.namespace.name",
            "k8s.node.name",
            "k8s.deployment.name",
            "k8s.container.name",
        }
        assert f"k8s.deployment.name={name}," in said


def test_every_selector_finds_its_pods_alone(manifests):
    """No workload, budget or service takes another's pods for its own."""
    labels = {
        m["metadata"]["name"]: m["spec"]["template"]["metadata"]["labels"]
        for m in manifests
        if m["kind"] in WORKLOADS
    }
    for manifest in manifests:
        if manifest["kind"] in {"Service", "PodDisruptionBudget", *WORKLOADS}:
            selector = manifest["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()

            assert len([name for name, own in labels.items() if wanted <= own.items()]) == 1, manifest[
                "metadata"
            ]


def test_a_trials_secrets_are_all_made(local, tmp_path):
    """`python -m embedded secrets` makes each Secret that a pod mounts, with each key that it mounts of it."""
    made = {
        secret["metadata"]["name"]: set(secret["data"])
        for secret in secrets.manifests(Layout(tmp_path), namespace="trial", release="diwan")
    }
    for name, pod in pods(local).items():
        for secret, keys in mounted(pod):
            assert keys <= made[secret], f"{name}: {secret}"
        for variable in pod["containers"][0].get("env", ()):
            if variable["name"].endswith("_FILE") and "/credentials/" in variable.get("value", ""):
                credentials = next(
                    v["secret"]["secretName"] for v in pod["volumes"] if v["name"] == "credentials"
                )
                assert variable["value"].rpartition("/")[2] in made[credentials]


def mounted(pod):
    """Secrets and the keys that are taken of them."""
    for volume in pod["volumes"]:
        if "secret" in volume:
            yield volume["secret"]["secretName"], set()
        for source in volume.get("projected", {}).get("sources", ()):
            yield source["secret"]["name"], {item["key"] for item in source["secret"].get("items", ())}
