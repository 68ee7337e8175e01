"""`python -m embedded`: the stack's verbs for a shell."""

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
    """The embedded stack, in .stack or where DIWAN_STACK_DIR says."""
    context.obj = Stack(Layout.default(), lambda line: click.echo(f"• {line}", err=True))


@main.command()
@click.pass_obj
def up(stack: Stack) -> None:
    """Start what does not run yet, and wait until all of it is ready."""
    try:
        stack.up()
    except (StackError, RabbitError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"ready; operators: export DIWAN_CONFIG={stack.layout.operator_config}")


@main.command()
@click.pass_obj
def down(stack: Stack) -> None:
    """Stop all of it; data stay."""
    stack.down()
    click.echo("stopped")


@main.command()
@click.pass_obj
def status(stack: Stack) -> None:
    """What runs, and on which port of 127.0.0.1; status 1 when something is not ready."""
    rows = list(stack.status())
    for name, port, state in rows:
        click.echo(f"{name:20} {port:6} {state}")
    if not rows or any(state != "ready" for _, _, state in rows):
        raise SystemExit(1)


@main.command()
@click.argument("name", required=False)
@click.option("--follow", is_flag=True, help="Go on as lines come.")
@click.option("--lines", default=100, show_default=True, help="How many lines from the end.")
@click.pass_obj
def logs(stack: Stack, name: str | None, follow: bool, lines: int) -> None:
    """Show the log of NAME, or of everything."""
    paths = [stack.log(name)] if name else sorted(stack.layout.logs.glob("*.log"))
    if not paths or not all(path.exists() for path in paths):
        raise click.ClickException(f"no log{f' of {name}' if name else ''}; `status` lists the names")
    subprocess.run(["tail", "-n", str(lines), *(["-f"] if follow else []), *map(str, paths)], check=False)


@main.command(name="secrets")
@click.option("--namespace", required=True, help="Where the Secrets go.")
@click.option("--release", default="diwan", show_default=True, help="Name of the Helm release.")
@click.pass_obj
def print_secrets(stack: Stack, namespace: str, release: str) -> None:
    """Print Kubernetes Secrets with keys and passwords for a trial on a cluster, for `kubectl apply -f -`."""
    made = secrets.manifests(stack.layout, namespace=namespace, release=release)
    click.echo(yaml.safe_dump_all(made, sort_keys=False))


if __name__ == "__main__":
    main()
