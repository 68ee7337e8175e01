"""`python -m demo`: the whole journey on an embedded stack of its own."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
from embedded.layout import CHECKOUT, Layout
from embedded.rabbit import RabbitError
from embedded.stack import Stack, StackError
from opentelemetry import trace

from demo import show, telemetry, tree
from demo.calls import Refused
from demo.environment import Environment
from demo.journey import Journey, StepFailed

FOLDER = CHECKOUT / ".demo"


@click.command()
@click.option(
    "--environment",
    "environment_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Use the running platform that this file describes; start and stop nothing.",
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=FOLDER / "output",
              help="Folder for the signed document and the image of its first page.")  # fmt: skip
def main(environment_file: Path | None, output: Path) -> None:
    """Run one power of attorney from enrolment to the verified document; exit with 0 only if every step passed."""
    output.mkdir(parents=True, exist_ok=True)
    for old in (*output.glob("PA-*.pdf"), *output.glob("PA-*.png")):
        old.unlink()
    if environment_file:
        sys.exit(0 if run(Environment.read(environment_file), output) else 1)
    stack = Stack(Layout(FOLDER / "stack"), lambda line: click.echo(f"• {line}", err=True))
    stack.down()  # processes that a killed run may have left
    shutil.rmtree(stack.layout.folder, ignore_errors=True)
    try:
        stack.up()
        passed = run(Environment.read(stack.layout.world), output)
    except (StackError, RabbitError) as error:
        show.failed("the stack did not start", str(error))
        passed = False
    finally:
        stack.down()
    sys.exit(0 if passed else 1)


def run(environment: Environment, output: Path) -> bool:
    """Run the journey, print its trace and write the document to `output`; return whether every step passed."""
    provider = telemetry.start(environment.otlp_endpoint)
    started = time.monotonic()
    journey = Journey(environment, output)
    try:
        for step in journey.steps():
            show.step(step)
    except (StepFailed, Refused, TimeoutError, RuntimeError) as error:
        show.failed("the journey stopped", str(error))
        return False
    finally:
        provider.shutdown()
        journey.platform.close()
    seconds = time.monotonic() - started
    passed = show_trace(environment, journey.trace_id)
    render_first_page(output)
    show.output_files(output)
    if passed:
        show.passed(seconds)
    return passed


def show_trace(environment: Environment, trace_id: int) -> bool:
    """Print the trace; return whether every span but the root has its parent in it."""
    name = trace.format_trace_id(trace_id)
    spans = tree.fetch(environment.traces_url, name)
    show.trace(tree.draw(spans), spans, name)
    orphans = tree.orphans(spans)
    if len(orphans) == 1:
        return True
    show.failed(
        "the trace is not connected",
        f"{len(orphans)} spans have no parent in it: {[span.name for span in orphans]}",
    )
    return False


def render_first_page(output: Path) -> None:
    """Write a PNG image of each document's first page beside the document."""
    for document in output.glob("*.pdf"):
        command = [
            "pdftoppm",
            "-png",
            "-r",
            "80",
            "-singlefile",
            str(document),
            str(document.with_suffix("")),
        ]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
