"""`python -m demo.cluster`: the journey on the Kubernetes cluster that KUBECONFIG names.

It installs the charts with the parts that a trial needs, runs the same journey as the demo on the embedded stack,
prints the pods and the trace, and removes everything again.
"""

import collections
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import click
from embedded.layout import CHECKOUT, Layout
from embedded.rabbit import free_ports
from platform_table.load import platform

from demo.__main__ import run as run_journey
from demo.environment import Environment

FOLDER = CHECKOUT / ".demo" / "cluster"
CHART = CHECKOUT / "deploy" / "helm" / "diwan"
VALUES = CHECKOUT / "deploy" / "helm" / "values-local.yaml"
INSTALL_LIMIT = "5m"
FORWARD_SECONDS = 20
CONNECT_SECONDS = 1
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
GRPC_PORT, AMQP_PORT, HTTP_PORT, OTLP_PORT, DNS_PORT = 50051, 5672, 8080, 4318, 53


class ClusterError(Exception):
    """A command on the cluster failed; the text holds the command and its output."""


def run(*command: str, stdin: str | None = None, variables: dict[str, str] | None = None) -> str:
    """Run a command and return its output; ClusterError when its exit status is not 0."""
    completed = subprocess.run(
        command, input=stdin, env=variables, capture_output=True, text=True, check=False
    )
    if completed.returncode:
        raise ClusterError(f"{' '.join(command[:4])} … : {(completed.stderr or completed.stdout).strip()}")
    return completed.stdout


@contextmanager
def forward(namespace: str, service: str, port: int) -> Iterator[str]:
    """Forward a free port of this machine to a service; yield its address, `host:port`."""
    (local,) = free_ports(1)
    command = ["kubectl", "-n", namespace, "port-forward", f"service/{service}", f"{local}:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if "Forwarding" not in line:
            raise ClusterError(f"port-forward to {service}: {line.strip()}")
        # kubectl prints a line for each connection, and blocks when nobody reads them.
        threading.Thread(target=collections.deque, args=(process.stdout, 0), daemon=True).start()
        yield f"127.0.0.1:{local}"
    finally:
        process.terminate()
        process.wait(FORWARD_SECONDS)


@contextmanager
def trial_namespace(
    layout: Layout, namespace: str, release: str, manifests: tuple[Path, ...] = ()
) -> Iterator[None]:
    """Create a namespace with Pod Security `restricted` and the Secrets of a trial; delete it afterwards.

    Args:
        layout: folder in which keys and passwords are created.
        namespace: created, and deleted at the end with everything in it.
        release: name of the Helm release with broker and stores, the prefix of their addresses.
        manifests: further manifests to apply in the namespace.
    """
    click.echo(f"• creating namespace {namespace} with Pod Security restricted", err=True)
    _create(namespace)
    try:
        run("kubectl", "label", "namespace", namespace, RESTRICTED)
        secrets = ("embedded", "secrets", "--namespace", namespace, "--release", release)
        secret_manifests = run(
            sys.executable, "-m", *secrets, variables={"DIWAN_STACK_DIR": str(layout.folder)}
        )
        run("kubectl", "apply", "-f", "-", stdin=secret_manifests)
        for manifest in manifests:
            run("kubectl", "-n", namespace, "apply", "-f", str(manifest))
        yield
    except ClusterError:
        with suppress(ClusterError):
            click.echo(run("kubectl", "-n", namespace, "get", "pods", "-o", "wide"), err=True)
        raise
    finally:
        click.echo(f"• deleting namespace {namespace}", err=True)
        run("kubectl", "delete", "namespace", namespace, "--wait", "--timeout", INSTALL_LIMIT)


def _create(namespace: str) -> None:
    """Create the namespace; ClusterError with the remedy if it exists, because it may hold other data."""
    try:
        run("kubectl", "create", "namespace", namespace)
    except ClusterError as error:
        if "AlreadyExists" not in str(error):
            raise
        raise ClusterError(
            f"the namespace {namespace} exists, perhaps from a run that was killed; delete it with "
            f"`kubectl delete namespace {namespace}`, or choose another one: "
            'make cluster-demo OPTIONS="--namespace NAME"'
        ) from None


def install(namespace: str, release: str, values: tuple[Path, ...]) -> None:
    """Install the chart and wait until all its pods are ready; a later values file overrides an earlier one."""
    click.echo(f"• helm install {release}", err=True)
    files = [argument for file in values for argument in ("--values", str(file))]
    wait = ("--wait", "--timeout", INSTALL_LIMIT)
    run("helm", "install", release, str(CHART), "-n", namespace, *files, *wait)


def cluster_address(namespace: str, service: str) -> str:
    """Return a service's address inside the cluster."""
    return run("kubectl", "-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")


def name_server() -> str:
    """Return `host:port` of the cluster's name server; "" when this machine cannot reach the service network."""
    try:
        address = cluster_address("kube-system", "kube-dns")
        socket.create_connection((address, DNS_PORT), timeout=CONNECT_SECONDS).close()
    except (ClusterError, OSError):
        return ""
    return f"{address}:{DNS_PORT}"


@contextmanager
def reachable_address(namespace: str, service: str, port: int) -> Iterator[str]:
    """Yield a `host:port` at which this machine reaches a service: its own address, or that of a port-forward."""
    if name_server():
        yield f"{cluster_address(namespace, service)}:{port}"
    else:
        with forward(namespace, service, port) as address:
            yield address


@contextmanager
def environment_of(
    layout: Layout, namespace: str, release: str, *, outside: str = "", collector: str = ""
) -> Iterator[Environment]:
    """Yield the environment of the installed platform, for the driver of the journey.

    Inside the service network the driver uses the headless name of each service, behind which are all its pods, as any
    client should. Elsewhere it uses port-forwards; each leads to one pod until that pod ends.

    Args:
        layout: folder with keys and passwords.
        namespace: of the release.
        release: name of the Helm release.
        outside: name of the release with broker, SMSC and acquirer, if it is another one.
        collector: service that receives the driver's spans, if it is not the trial's.
    """
    servers = name_server()
    outside = outside or release
    with ExitStack() as connections:

        def to(name: str, port: int) -> str:
            return connections.enter_context(reachable_address(namespace, name, port))

        def grpc_to(name: str) -> str:
            if servers:
                return f"dns://{servers}/{release}-{name}-headless.{namespace}.svc.cluster.local:{GRPC_PORT}"
            return to(f"{release}-{name}", GRPC_PORT)

        targets = {name: grpc_to(name) for name in platform().services}
        broker_host, _, broker_port = to(f"{outside}-rabbitmq", AMQP_PORT).partition(":")
        layout.keep_operator_config(targets, broker_host, int(broker_port), "diwan")
        spans = f"http://{to(collector or f'{outside}-collector', OTLP_PORT)}"
        yield Environment(
            targets=targets,
            broker_host=broker_host,
            broker_port=int(broker_port),
            broker_vhost="diwan",
            registry_password_file=layout.passwords / "registry",
            registry_seal_key=layout.keys / "registry" / "public" / "seal" / "identity.jwk",
            operator_config=layout.operator_config,
            phones_url=f"http://{to(f'{outside}-smsc', HTTP_PORT)}",
            traces_url=spans,
            otlp_endpoint=spans,
            authority=layout.keys / "notary" / "ca.crt",
        )


@click.command()
@click.option("--namespace", default="diwan-demo", show_default=True, help="Created, and deleted at the end.")
@click.option("--release", default="diwan", show_default=True, help="Name of the Helm release.")
@click.option(
    "--values",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=[VALUES],
    help="Values file; may be repeated. The default is the trial's.",
)
def main(namespace: str, release: str, values: tuple[Path, ...]) -> None:
    """Install Diwan on a cluster, run the journey, print pods and trace, and remove everything."""
    output = FOLDER / "output"
    shutil.rmtree(FOLDER, ignore_errors=True)
    output.mkdir(parents=True)
    layout = Layout(FOLDER / "stack")
    started = time.monotonic()
    try:
        with trial_namespace(layout, namespace, release):
            install(namespace, release, values)
            click.echo(f"• all pods ready after {time.monotonic() - started:.0f} s", err=True)
            with environment_of(layout, namespace, release) as environment:
                passed = run_journey(environment, output)
            click.echo("\n" + run("kubectl", "-n", namespace, "get", "pods"))
    except ClusterError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
