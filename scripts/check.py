"""Run every check and print the duration of each stage; fail when any stage fails.

The tests start first and often wait; the static checks run concurrently. The output of the tests is held back until
the static checks have ended, and is then printed as it comes, so that pytest's summary is the last line.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Stage:
    """A check: its name, and a command that exits with an error when the check fails."""

    name: str
    command: tuple[str, ...]


SERVICES = tuple(str(path.relative_to(ROOT)) for path in sorted((ROOT / "services").glob("*/src")))
SOURCES = ("conftest.py", "scripts", *SERVICES, "deploy/local/src", "deploy/image")
# Set here because mypy_path in pyproject.toml takes no patterns.
os.environ["MYPYPATH"] = os.pathsep.join(["protos/gen", *SERVICES, "deploy/local/src"])
STATIC = (
    Stage("format", (f"{BIN}/ruff", "format", "--check", "--quiet", ".")),
    Stage("lint", (f"{BIN}/ruff", "check", "--quiet", ".")),
    Stage("types", (f"{BIN}/mypy", *SOURCES)),
    Stage("platform table", (f"{BIN}/python", "scripts/render_platform.py", "--check")),
    Stage("import contracts", (f"{BIN}/lint-imports",)),
    Stage("protos", (f"{BIN}/python", "scripts/protos.py", "--check")),
    Stage("charts' values", (f"{BIN}/python", "scripts/helm_values.py", "--check")),
)
# More workers than processors, because many tests wait for brokers, stores and processes.
WORKERS = min(6, 5 * (os.cpu_count() or 1) // 2)
TESTS = Stage(
    "unit, service and journey tests",
    (f"{BIN}/pytest", f"--numprocesses={WORKERS}", "--no-loadscope-reorder"),
)
POLL_SECONDS = 0.1


class Running:
    """A running stage."""

    def __init__(self, stage: Stage, output: IO[bytes] | None = None) -> None:
        self.stage = stage
        self._started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  our own table
            stage.command,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            # Python buffers its output when it is a file.
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def end(self) -> None:
        """Wait for the end of the process, also after Ctrl-C, which it receives too: it may have processes to stop."""
        while self.process.poll() is None:
            with contextlib.suppress(KeyboardInterrupt):
                self.process.wait()

    def passed(self) -> bool:
        """Wait for the end of the process and print its duration; return whether it passed."""
        try:
            passed = self.process.wait() == 0
        except KeyboardInterrupt:
            self.end()
            raise
        seconds = time.monotonic() - self._started
        print(f"── {self.stage.name}: {'passed' if passed else 'FAILED'} in {seconds:.1f} s", flush=True)
        return passed


def run(stage: Stage) -> bool:
    """Run a stage with its output on the terminal; return whether it passed."""
    print(f"\n── {stage.name}", flush=True)
    return Running(stage).passed()


@contextmanager
def concurrent(stage: Stage) -> Iterator[tuple[Running, IO[bytes]]]:
    """Start a stage, yield it with its output, and wait for its end on exit, also after an interrupt."""
    with (
        tempfile.NamedTemporaryFile(prefix="diwan-check-") as printed,
        Path(printed.name).open("rb") as read,
    ):
        colour = ("--color=yes",) if sys.stdout.isatty() else ()
        running = Running(Stage(stage.name, stage.command + colour), printed.file)
        try:
            yield running, read
        finally:
            running.end()


def show(running: Running, printed: IO[bytes]) -> bool:
    """Print the output of a stage so far, then the rest as it comes; return whether it passed."""
    print(f"\n── {running.stage.name}", flush=True)
    ended = False
    while not ended:
        ended = (
            running.process.poll() is not None
        )  # read before the output, so that the last round prints all of it
        shutil.copyfileobj(printed, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        time.sleep(0 if ended else POLL_SECONDS)
    return running.passed()


def main() -> None:
    """Run all stages, also after a failure, so that one run reports every problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--static", action="store_true", help="only the checks that start nothing")
    only.add_argument("--tests", action="store_true", help="only the tests")
    arguments = parser.parse_args()
    if arguments.static or arguments.tests:
        failed = [stage.name for stage in (STATIC if arguments.static else (TESTS,)) if not run(stage)]
    else:
        with concurrent(TESTS) as (tests, printed):
            failed = [stage.name for stage in STATIC if not run(stage)]
            if not show(tests, printed):
                failed.append(TESTS.name)
    if failed:
        sys.exit(f"\nfailed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
