"""Operations on the pods of a namespace, by kubectl and helm."""

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.cluster import CHART, ClusterError, run
from platform_table.load import platform

PROGRAMS = tuple(program.name for program in platform().installed)
STORES = platform().services
TIMEOUT = "180s"
TERMINATION_SECONDS = 120


@dataclass(frozen=True)
class Namespace:
    """A namespace with a release of Diwan in it."""

    name: str
    release: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return run("kubectl", "-n", self.name, *arguments, stdin=stdin)

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        answer = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return list(answer["items"])

    def deployments(self) -> list[str]:
        """Return the names of our programs' deployments (API, workers, connectors), without the trial's sandbox."""
        listed = self.get("deployments", "-l", f"app.kubernetes.io/name in ({','.join(PROGRAMS)})")
        return sorted(each["metadata"]["name"] for each in listed)

    def pods(
        self, selector: str = f"app.kubernetes.io/name in ({','.join(PROGRAMS)})"
    ) -> list[dict[str, Any]]:
        """Return the metadata of our programs' pods that are not terminating."""
        listed = [each["metadata"] for each in self.get("pods", "-l", selector)]
        return [each for each in listed if "deletionTimestamp" not in each]

    def metrics(self, pod: str) -> str:
        """Return the metrics of a pod in Prometheus's text format."""
        return run("kubectl", "get", "--raw", f"/api/v1/namespaces/{self.name}/pods/{pod}:8080/proxy/metrics")

    def await_rollout(self, deployment: str) -> None:
        """Wait until the rollout of a deployment is complete; replaced pods may still be terminating."""
        self.kubectl("rollout", "status", f"deployment/{deployment}", f"--timeout={TIMEOUT}")

    def restart(self, deployment: str) -> None:
        self.kubectl("rollout", "restart", f"deployment/{deployment}")
        self.await_rollout(deployment)

    def upgrade(self, *values: Path) -> None:
        files = [argument for file in values for argument in ("--values", str(file))]
        run(
            "helm",
            "upgrade",
            self.release,
            str(CHART),
            "-n",
            self.name,
            *files,
            "--wait",
            "--timeout",
            TIMEOUT,
        )

    def rollback(self) -> None:
        """Roll the release back to its previous revision."""
        run("helm", "rollback", self.release, "-n", self.name, "--wait", "--timeout", TIMEOUT)

    def scale(self, deployments: list[str], replicas: int) -> None:
        for deployment in deployments:
            self.kubectl("scale", f"deployment/{deployment}", f"--replicas={replicas}")
        for deployment in deployments:
            self.await_rollout(deployment)

    def kill_random_pod(self, random_source: random.Random) -> str:
        """Delete a pod of our programs without a grace period; return the name of its component."""
        pod = random_source.choice(self.pods())
        self.delete(pod["name"], force=True)
        labels = pod["labels"]
        return f"{labels['app.kubernetes.io/name']}-{labels['app.kubernetes.io/component']}"

    def delete(self, pod: str, *, force: bool = False) -> None:
        options = ("--force", "--grace-period=0") if force else ()
        try:
            self.kubectl("delete", "pod", pod, "--wait=false", *options)
        except ClusterError as error:  # it ended by itself after it was listed
            if "NotFound" not in str(error):
                raise

    def drain(self, deployment: str) -> int:
        """Request the eviction of each pod of a deployment, as a drain of all nodes does; return the number evicted."""
        labels = json.loads(self.kubectl("get", "deployment", deployment, "-o", "json"))["spec"]["selector"]
        selector = ",".join(f"{key}={value}" for key, value in labels["matchLabels"].items())
        pods = [pod["name"] for pod in self.pods(selector)]
        all_healthy = f"--for=jsonpath={{.status.currentHealthy}}={len(pods)}"
        self.kubectl("wait", "pdb", "-l", selector, all_healthy, f"--timeout={TIMEOUT}")
        return sum(self._evict(pod) for pod in pods)

    def _evict(self, pod: str) -> bool:
        """Request the eviction of a pod; return whether its disruption budget allows it."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        path = f"/api/v1/namespaces/{self.name}/pods/{pod}/eviction"
        try:
            run("kubectl", "create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
        except ClusterError as error:
            if "disruption budget" not in str(error):
                raise
            return False
        return True

    def await_terminations(self) -> None:
        """Wait until no pod is terminating any more."""
        deadline = time.monotonic() + TERMINATION_SECONDS
        while any("deletionTimestamp" in pod["metadata"] for pod in self.get("pods")):
            assert time.monotonic() < deadline, "some pods are still terminating"
            time.sleep(1)

    def restarts(self) -> dict[str, int]:
        """Return the restart counts above 0, by pod, of all pods in the namespace."""
        return {
            pod["metadata"]["name"]: count
            for pod in self.get("pods")
            for container in pod["status"].get("containerStatuses", ())
            if (count := container["restartCount"])
        }

    def replace(self, statefulset: str) -> float:
        """Delete the only pod of a StatefulSet and wait until the next is ready; return the seconds that it took."""
        started = time.monotonic()
        self.kubectl("delete", "pod", f"{statefulset}-0")
        self.kubectl("rollout", "status", f"statefulset/{statefulset}", f"--timeout={TIMEOUT}")
        return time.monotonic() - started

    def queues(self) -> dict[str, int]:
        """Return the number of messages in each queue of the broker."""
        pod = f"{self.release}-rabbitmq-0"
        listed = self.kubectl(
            "exec", pod, "--", "rabbitmqctl", "--quiet", "list_queues", "-p", "diwan", "name", "messages"
        )
        rows = [line.split("\t") for line in listed.splitlines()]
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
