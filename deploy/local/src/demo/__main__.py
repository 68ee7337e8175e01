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
from demo.journey import Journey, StepFailed
from demo.world import World

FOLDER = CHECKOUT / ".demo"


@click.command()
@click.option(
    "--world",
    "world_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Drive a platform that runs already, described by this file; nothing is started or stopped.",
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=FOLDER / "output",
              help="Where the signed document and its picture are left.")  # fmt: skip
def main(world_file: Path | None, output: Path) -> None:
    """Drive one power of attorney from enrolment to the verified document; status 0 only if all went right."""
    output.mkdir(parents=True, exist_ok=True)
    for left in (*output.glob("PA-*.pdf"), *output.glob("PA-*.png")):
        left.unlink()
    if world_file:
        sys.exit(0 if drive(World.read(world_file), output) else 1)
    stack = Stack(Layout(FOLDER / "stack"), lambda line: click.echo(f"• {line}", err=True))
    stack.down()  # what a killed run may have left
    shutil.rmtree(stack.layout.folder, ignore_errors=True)
    try:
        stack.up()
        passed = drive(World.read(stack.layout.world), output)
    except (StackError, RabbitError) as error:
        show.failed("the stack did not come up", str(error))
        passed = False
    finally:
        stack.down()
    sys.exit(0 if passed else 1)


def drive(world: World, output: Path) -> bool:
    """Run the journey, show its trace, leave the document; say whether every step did what it should."""
    provider = telemetry.start(world.otlp_endpoint)
    started = time.monotonic()
    journey = Journey(world, output)
    try:
        for step in journey.steps():
            show.step(step)
    except (StepFailed, Refused, TimeoutError, RuntimeError) as error:
        show.failed("the journey stopped", str(error))
        return False
    finally:
        provider.shutdown()
        journey.platform.close()
    took = time.monotonic() - started
    passed = show_trace(world, journey.trace_id)
    picture(output)
    show.left(output)
    if passed:
        show.done(took)
    return passed


def show_trace(world: World, trace_id: int) -> bool:
    """Print the trace; a span without its parent means that something is not connected."""
    name = trace.format_trace_id(trace_id)
    spans = tree.fetch(world.traces_url, name)
    show.trace(tree.draw(spans), spans, name)
    loose = tree.orphans(spans)
    if len(loose) == 1:
        return True
    show.failed(
        "the trace is not connected", f"{len(loose)} spans have no parent in it: {[s.name for s in loose]}"
    )
    return False


def picture(output: Path) -> None:
    """Leave a picture of the document's first page beside it."""
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
