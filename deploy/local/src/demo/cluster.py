"""`python -m demo.cluster`: the same journey on whatever Kubernetes cluster KUBECONFIG names.

Installs the charts with what a trial needs beside them, drives the journey through port-forwards as the demo drives it
on the embedded stack, shows the pods and the trace, and takes everything away again.
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

from demo.__main__ import drive
from demo.world import World

FOLDER = CHECKOUT / ".demo" / "cluster"
CHART = CHECKOUT / "deploy" / "helm" / "diwan"
VALUES = CHECKOUT / "deploy" / "helm" / "values-local.yaml"
INSTALL_LIMIT = "5m"
FORWARD_SECONDS = 20
CONNECT_SECONDS = 1
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
GRPC_PORT, AMQP_PORT, HTTP_PORT, OTLP_PORT, DNS_PORT = 50051, 5672, 8080, 4318, 53


class ClusterError(Exception):
    """A command that speaks to the cluster failed; the text is what it said."""


def run(*command: str, given: str | None = None, environment: dict[str, str] | None = None) -> str:
    """Run a command to its end and return its output."""
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command[:4])} … : {(done.stderr or done.stdout).strip()}")
    return done.stdout


@contextmanager
def forward(namespace: str, service: str, port: int) -> Iterator[str]:
    """Forward a free port of this machine to a service; its address, `host:port`."""
    (local,) = free_ports(1)
    command = ["kubectl", "-n", namespace, "port-forward", f"service/{service}", f"{local}:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = process.stdout.readline() if process.stdout else ""
        if "Forwarding" not in said:
            raise ClusterError(f"port-forward to {service}: {said.strip()}")
        # It says a line for each connection, and stops once nobody reads them.
        threading.Thread(target=collections.deque, args=(process.stdout, 0), daemon=True).start()
        yield f"127.0.0.1:{local}"
    finally:
        process.terminate()
        process.wait(FORWARD_SECONDS)


@contextmanager
def opened(layout: Layout, namespace: str, release: str, beside: tuple[Path, ...] = ()) -> Iterator[None]:
    """A namespace with Pod Security `restricted` and a trial's Secrets; nothing of it is left afterwards.

    Args:
        layout: where keys and passwords are made.
        namespace: made, and removed at the end with all that was put into it.
        release: name of the Helm release that brings broker and stores, with which their addresses begin.
        beside: manifests of what else is to be in the namespace.
    """
    click.echo(f"• namespace {namespace}, Pod Security restricted", err=True)
    run("kubectl", "create", "namespace", namespace)
    try:
        run("kubectl", "label", "namespace", namespace, RESTRICTED)
        secrets = ("embedded", "secrets", "--namespace", namespace, "--release", release)
        made = run(sys.executable, "-m", *secrets, environment={"DIWAN_STACK_DIR": str(layout.folder)})
        run("kubectl", "apply", "-f", "-", given=made)
        for manifest in beside:
            run("kubectl", "-n", namespace, "apply", "-f", str(manifest))
        yield
    except ClusterError:
        with suppress(ClusterError):
            click.echo(run("kubectl", "-n", namespace, "get", "pods", "-o", "wide"), err=True)
        raise
    finally:
        click.echo("• taking everything away", err=True)
        run("kubectl", "delete", "namespace", namespace, "--wait", "--timeout", INSTALL_LIMIT)


def install(namespace: str, release: str, values: tuple[Path, ...]) -> None:
    """Install the chart and wait until all its pods are ready; a later file of values goes over an earlier."""
    click.echo(f"• helm install {release}", err=True)
    files = [argument for file in values for argument in ("--values", str(file))]
    wait = ("--wait", "--timeout", INSTALL_LIMIT)
    run("helm", "install", release, str(CHART), "-n", namespace, *files, *wait)


def cluster_address(namespace: str, service: str) -> str:
    """A service's address inside the cluster."""
    return run("kubectl", "-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")


def name_server() -> str:
    """`host:port` of the cluster's name server where this machine reaches services as pods do; else ""."""
    try:
        address = cluster_address("kube-system", "kube-dns")
        socket.create_connection((address, DNS_PORT), timeout=CONNECT_SECONDS).close()
    except (ClusterError, OSError):
        return ""
    return f"{address}:{DNS_PORT}"


@contextmanager
def way_to(namespace: str, service: str, port: int) -> Iterator[str]:
    """A service's `host:port` for this machine: inside the service network its own, else a port-forward's."""
    if name_server():
        yield f"{cluster_address(namespace, service)}:{port}"
    else:
        with forward(namespace, service, port) as address:
            yield address


@contextmanager
def reached(
    layout: Layout, namespace: str, release: str, *, outside: str = "", collector: str = ""
) -> Iterator[World]:
    """The installed platform as the journey's driver reaches it.

    From inside the service network as any client should, with all pods of a service behind its headless name; from
    elsewhere through port-forwards, each of which leads to one pod for as long as it lives.

    Args:
        layout: where keys and passwords are.
        namespace: where the release is.
        release: its name.
        outside: the release that brought broker, SMSC and acquirer, if another.
        collector: the service to which the driver sends its spans, if not the trial's.
    """
    servers = name_server()
    outside = outside or release
    with ExitStack() as ways:

        def to(name: str, port: int) -> str:
            return ways.enter_context(way_to(namespace, name, port))

        def grpc_to(name: str) -> str:
            if servers:
                return f"dns://{servers}/{release}-{name}-headless.{namespace}.svc.cluster.local:{GRPC_PORT}"
            return to(f"{release}-{name}", GRPC_PORT)

        targets = {name: grpc_to(name) for name in platform().services}
        broker_host, _, broker_port = to(f"{outside}-rabbitmq", AMQP_PORT).partition(":")
        layout.keep_operator_config(targets, broker_host, int(broker_port), "diwan")
        spans = f"http://{to(collector or f'{outside}-collector', OTLP_PORT)}"
        yield World(
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
@click.option("--namespace", default="diwan-demo", show_default=True, help="Made, and removed at the end.")
@click.option("--release", default="diwan", show_default=True, help="Name of the Helm release.")
@click.option(
    "--values",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=[VALUES],
    help="Values files; the trial's when none is given.",
)
def main(namespace: str, release: str, values: tuple[Path, ...]) -> None:
    """Install Diwan on a cluster, drive the journey, show pods and trace, leave nothing behind."""
    output = FOLDER / "output"
    shutil.rmtree(FOLDER, ignore_errors=True)
    output.mkdir(parents=True)
    layout = Layout(FOLDER / "stack")
    started = time.monotonic()
    try:
        with opened(layout, namespace, release):
            install(namespace, release, values)
            click.echo(f"• all pods ready after {time.monotonic() - started:.0f} s", err=True)
            with reached(layout, namespace, release) as world:
                passed = drive(world, output)
            click.echo("\n" + run("kubectl", "-n", namespace, "get", "pods"))
    except ClusterError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
