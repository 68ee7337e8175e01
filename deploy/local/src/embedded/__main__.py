"""`python -m embedded`: commands for the embedded stack."""

import subprocess

import click
import yaml

from embedded import secrets
from embedded.layout import Layout
from embedded.rabbit import RabbitError
from embedded.stack import Stack, StackError


@click.group()
@click.pass_context
def main(context: click.Context) -> None:
    """Manage the embedded stack in the folder of DIWAN_STACK_DIR, .stack by default."""
    context.obj = Stack(Layout.default(), lambda line: click.echo(f"• {line}", err=True))


@main.command()
@click.pass_obj
def up(stack: Stack) -> None:
    """Start the programs that do not run yet, and wait until all are ready."""
    try:
        stack.up()
    except (StackError, RabbitError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"ready; to use diwan: export DIWAN_CONFIG={stack.layout.operator_config}")


@main.command()
@click.pass_obj
def down(stack: Stack) -> None:
    """Stop all programs; keep their data."""
    stack.down()
    click.echo("stopped")


@main.command()
@click.pass_obj
def status(stack: Stack) -> None:
    """List the programs with their port on 127.0.0.1 and their state; exit with 1 unless all are ready."""
    rows = list(stack.status())
    for name, port, state in rows:
        click.echo(f"{name:20} {port:6} {state}")
    if not rows or any(state != "ready" for _, _, state in rows):
        raise SystemExit(1)


@main.command()
@click.argument("name", required=False)
@click.option("--follow", is_flag=True, help="Print new lines as they arrive.")
@click.option("--lines", default=100, show_default=True, help="Number of lines from the end.")
@click.pass_obj
def logs(stack: Stack, name: str | None, follow: bool, lines: int) -> None:
    """Print the log of the program NAME, or of all programs."""
    paths = [stack.log(name)] if name else sorted(stack.layout.logs.glob("*.log"))
    if not paths or not all(path.exists() for path in paths):
        raise click.ClickException(
            f"there is no log{f' of {name}' if name else ''}; `status` lists the names"
        )
    subprocess.run(["tail", "-n", str(lines), *(["-f"] if follow else []), *map(str, paths)], check=False)


@main.command(name="secrets")
@click.option("--namespace", required=True, help="Namespace of the Secrets.")
@click.option("--release", default="diwan", show_default=True, help="Name of the Helm release.")
@click.pass_obj
def print_secrets(stack: Stack, namespace: str, release: str) -> None:
    """Print the Kubernetes Secrets with keys and passwords for a trial on a cluster, for `kubectl apply -f -`."""
    manifests = secrets.manifests(stack.layout, namespace=namespace, release=release)
    click.echo(yaml.safe_dump_all(manifests, sort_keys=False))


if __name__ == "__main__":
    main()
