"""Rules for all pods of the charts."""

import re

import pytest
from chassis.rpc.server import CONNECTION_SECONDS
from embedded import secrets
from embedded.layout import Layout
from platform_table.load import platform

DNS_TTL_SECONDS = 30  # of the name servers of most clusters
WORKLOADS = ("Deployment", "StatefulSet")


def pods(manifests):
    """Return the pod spec of each workload, by name."""
    return {m["metadata"]["name"]: m["spec"]["template"]["spec"] for m in manifests if m["kind"] in WORKLOADS}


def programs(manifests):
    """Return the pods of our programs; the others have no drain."""
    ours = set(platform().readers)
    return {name: pod for name, pod in pods(manifests).items() if pod["containers"][0]["name"] in ours}


@pytest.fixture(scope="session", params=["local", "production"])
def manifests(request):
    return request.getfixturevalue(request.param)


def test_pods_are_restricted(manifests):
    """They meet Pod Security's `restricted` and have a read-only root."""
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
    """Each has its own ServiceAccount, without rights."""
    accounts = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "ServiceAccount"}
    for name, pod in pods(manifests).items():
        assert pod["automountServiceAccountToken"] is False, name
        assert accounts[pod["serviceAccountName"]]["automountServiceAccountToken"] is False


def test_no_secret_is_in_the_environment(manifests):
    """Secrets are files, neither values nor references in the environment."""
    for name, pod in pods(manifests).items():
        for container in pod["containers"]:
            assert "envFrom" not in container
            for variable in container.get("env", ()):
                assert "secretKeyRef" not in variable.get("valueFrom", {}), name
                assert not re.search(r"://[^/]*:[^/]*@", variable.get("value", "")), name


def test_no_home_is_on_a_claim(local):
    """fsGroup makes a claim's files readable by the pod's group, but Erlang refuses a cookie that a group can read."""
    for name, pod in pods(local).items():
        (container,) = pod["containers"]
        emptied = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}

        assert "HOME" not in {variable["name"] for variable in container.get("env", ())}, name
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"], "the images' HOME"
        assert "tmp" in emptied, name


def test_a_pod_outlives_its_drain(manifests):
    """The grace period covers the pause for the endpoints, the drain, and some seconds more."""
    for name, pod in programs(manifests).items():
        container = pod["containers"][0]
        drain = next(
            int(variable["value"])
            for variable in container["env"]
            if variable["name"].endswith("_DRAIN_SECONDS")
        )

        assert pod["terminationGracePeriodSeconds"] >= pause(container) + drain + 10, name


def pause(container):
    """Return the seconds between the termination of a pod and SIGTERM in its program."""
    return container["lifecycle"]["preStop"]["sleep"]["seconds"] if "lifecycle" in container else 0


def test_a_pod_ends_after_its_callers_have_moved_on(production):
    """An API waits for longer than connections and DNS entries last; a worker has no callers."""
    waits = {name: pause(pod["containers"][0]) for name, pod in programs(production).items()}

    for service in platform().services:
        assert waits[f"diwan-{service}-api"] > 1.1 * CONNECTION_SECONDS + DNS_TTL_SECONDS
        assert waits[f"diwan-{service}-worker"] == 0


def test_a_pod_without_a_pause_has_no_hook(helm):
    """Kubernetes before 1.33 refuses a sleep of 0 seconds."""
    manifests = helm.manifests("identity", "--set", "preStopSeconds=0")

    for pod in programs(manifests).values():
        assert "lifecycle" not in pod["containers"][0]


def test_probes_use_the_protocol_of_the_program(manifests):
    """gRPC for services, HTTP for connectors, which have no gRPC; liveness does not depend on store and broker."""
    for name, pod in programs(manifests).items():
        container = pod["containers"][0]
        probes = [container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]

        if container["name"] in platform().services:
            assert [probe["grpc"].get("service", "") for probe in probes] == ["live", "", "live"], name
        else:
            assert [p["httpGet"]["path"] for p in probes] == ["/healthz", "/readyz", "/healthz"], name


def test_pods_have_resource_attributes(manifests):
    """Traces, metrics and logs get them from the downward API."""
    for name, pod in programs(manifests).items():
        attributes = next(
            v["value"] for v in pod["containers"][0]["env"] if v["name"] == "OTEL_RESOURCE_ATTRIBUTES"
        )

        assert {pair.partition("=")[0] for pair in attributes.split(",")} == {
            "service.version",
            "service.instance.id",
            "k8s.pod.name",
            "k8s.namespace.name",
            "k8s.node.name",
            "k8s.deployment.name",
            "k8s.container.name",
        }
        assert f"k8s.deployment.name={name}," in attributes


def test_every_selector_matches_only_its_own_pods(manifests):
    """No workload, disruption budget or service selects the pods of another."""
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


def test_all_secrets_of_a_trial_are_created(local, tmp_path):
    """`python -m embedded secrets` creates each Secret that a pod mounts, with each mounted key."""
    created = {
        secret["metadata"]["name"]: set(secret["data"])
        for secret in secrets.manifests(Layout(tmp_path), namespace="trial", release="diwan")
    }
    for name, pod in pods(local).items():
        for secret, keys in mounted(pod):
            assert keys <= created[secret], f"{name}: {secret}"
        for variable in pod["containers"][0].get("env", ()):
            if variable["name"].endswith("_FILE") and "/credentials/" in variable.get("value", ""):
                credentials = next(
                    v["secret"]["secretName"] for v in pod["volumes"] if v["name"] == "credentials"
                )
                assert variable["value"].rpartition("/")[2] in created[credentials]


def mounted(pod):
    """Yield the Secrets that a pod mounts, with the mounted keys."""
    for volume in pod["volumes"]:
        if "secret" in volume:
            yield volume["secret"]["secretName"], set()
        for source in volume.get("projected", {}).get("sources", ()):
            yield source["secret"]["name"], {item["key"] for item in source["secret"].get("items", ())}
