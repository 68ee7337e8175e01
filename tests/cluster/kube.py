"""What is done to the pods of Diwan's namespace, by kubectl as an operator would type it."""

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
LIMIT = "180s"
GONE_SECONDS = 120


@dataclass(frozen=True)
class Namespace:
    """A namespace with a release of Diwan in it."""

    name: str
    release: str

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return run("kubectl", "-n", self.name, *arguments, given=given)

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        said = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return list(said["items"])

    def deployments(self) -> list[str]:
        """The deployments of our programs: API, workers, connectors; not the trial's world outside."""
        listed = self.get("deployments", "-l", f"app.kubernetes.io/name in ({','.join(PROGRAMS)})")
        return sorted(each["metadata"]["name"] for each in listed)

    def pods(
        self, selector: str = f"app.kubernetes.io/name in ({','.join(PROGRAMS)})"
    ) -> list[dict[str, Any]]:
        """Metadata of the pods of our programs, but for those on their way out."""
        listed = [each["metadata"] for each in self.get("pods", "-l", selector)]
        return [each for each in listed if "deletionTimestamp" not in each]

    def metrics(self, pod: str) -> str:
        """What a pod tells Prometheus."""
        return run("kubectl", "get", "--raw", f"/api/v1/namespaces/{self.name}/pods/{pod}:8080/proxy/metrics")

    def settle(self, deployment: str) -> None:
        """Wait until a deployment is as it should be; pods that it has replaced may still be on their way out."""
        self.kubectl("rollout", "status", f"deployment/{deployment}", f"--timeout={LIMIT}")

    def restart(self, deployment: str) -> None:
        self.kubectl("rollout", "restart", f"deployment/{deployment}")
        self.settle(deployment)

    def upgrade(self, *values: Path) -> None:
        files = [argument for file in values for argument in ("--values", str(file))]
        run(
            "helm", "upgrade", self.release, str(CHART), "-n", self.name, *files, "--wait", "--timeout", LIMIT
        )

    def rollback(self) -> None:
        """Go back to the revision before."""
        run("helm", "rollback", self.release, "-n", self.name, "--wait", "--timeout", LIMIT)

    def scale(self, deployments: list[str], replicas: int) -> None:
        for deployment in deployments:
            self.kubectl("scale", f"deployment/{deployment}", f"--replicas={replicas}")
        for deployment in deployments:
            self.settle(deployment)

    def kill_one(self, chance: random.Random) -> str:
        """Delete a pod of our programs without asking it; the component that it was of."""
        pod = chance.choice(self.pods())
        self.delete(pod["name"], at_once=True)
        labels = pod["labels"]
        return f"{labels['app.kubernetes.io/name']}-{labels['app.kubernetes.io/component']}"

    def delete(self, pod: str, *, at_once: bool = False) -> None:
        force = ("--force", "--grace-period=0") if at_once else ()
        try:
            self.kubectl("delete", "pod", pod, "--wait=false", *force)
        except ClusterError as error:  # it went by itself between the look and the blow
            if "NotFound" not in str(error):
                raise

    def drain(self, deployment: str) -> int:
        """Try to evict each pod of a deployment, as when all their nodes are drained; how many its budget let go."""
        labels = json.loads(self.kubectl("get", "deployment", deployment, "-o", "json"))["spec"]["selector"]
        selector = ",".join(f"{key}={value}" for key, value in labels["matchLabels"].items())
        pods = [pod["name"] for pod in self.pods(selector)]
        counted = f"--for=jsonpath={{.status.currentHealthy}}={len(pods)}"
        self.kubectl("wait", "pdb", "-l", selector, counted, f"--timeout={LIMIT}")
        return sum(self._evict(pod) for pod in pods)

    def _evict(self, pod: str) -> bool:
        """Ask for a pod's eviction; whether its budget allows it."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        path = f"/api/v1/namespaces/{self.name}/pods/{pod}/eviction"
        try:
            run("kubectl", "create", "--raw", path, "-f", "-", given=json.dumps(eviction))
        except ClusterError as error:
            if "disruption budget" not in str(error):
                raise
            return False
        return True

    def all_gone(self) -> None:
        """Wait until no pod is on its way out any more."""
        give_up = time.monotonic() + GONE_SECONDS
        while any("deletionTimestamp" in pod["metadata"] for pod in self.get("pods")):
            assert time.monotonic() < give_up, "pods that were told to go are still there"
            time.sleep(1)

    def restarts(self) -> dict[str, int]:
        """Containers that ended and were started again, whatever pod of the namespace they are in."""
        return {
            pod["metadata"]["name"]: again
            for pod in self.get("pods")
            for container in pod["status"].get("containerStatuses", ())
            if (again := container["restartCount"])
        }

    def replace(self, statefulset: str) -> float:
        """Delete the pod of a StatefulSet of one and wait until the next is ready; how long it took, seconds."""
        began = time.monotonic()
        self.kubectl("delete", "pod", f"{statefulset}-0")
        self.kubectl("rollout", "status", f"statefulset/{statefulset}", f"--timeout={LIMIT}")
        return time.monotonic() - began

    def queues(self) -> dict[str, int]:
        """Messages in each queue of the broker."""
        pod = f"{self.release}-rabbitmq-0"
        listed = self.kubectl(
            "exec", pod, "--", "rabbitmqctl", "--quiet", "list_queues", "-p", "diwan", "name", "messages"
        )
        rows = [line.split("\t") for line in listed.splitlines()]
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
