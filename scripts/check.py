"""Run every check, say what each stage took, and close with pytest's own line. Fails when anything fails.

The tests start first and wait much; the static checks run beside them. What the tests print is shown after the static
checks are done, and from then on as it comes.
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
    """A check: what it is called, and the command that fails when it finds something."""

    name: str
    command: tuple[str, ...]


SERVICES = tuple(str(path.relative_to(ROOT)) for path in sorted((ROOT / "services").glob("*/src")))
SOURCES = ("conftest.py", "scripts", *SERVICES, "deploy/local/src", "deploy/image")
# What mypy_path cannot say in pyproject.toml: it takes no patterns.
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
# Side by side, two to a processor: many wait for brokers, stores and processes of their own.
WORKERS = min(6, 2 * (os.cpu_count() or 1))
TESTS = Stage(
    "unit, service and journey tests",
    (f"{BIN}/pytest", f"--numprocesses={WORKERS}", "--no-loadscope-reorder"),
)
LOOK_SECONDS = 0.1


class Running:
    """A stage that runs, and when it started."""

    def __init__(self, stage: Stage, output: IO[bytes] | None = None) -> None:
        self.stage = stage
        self._started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  our own table
            stage.command,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            # Into a file Python prints by the block.
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def end(self) -> None:
        """Wait for its end. Ctrl-C reaches it as well, and it may have processes to stop."""
        while self.process.poll() is None:
            with contextlib.suppress(KeyboardInterrupt):
                self.process.wait()

    def passed(self) -> bool:
        """Wait for its end; print what it took."""
        try:
            passed = self.process.wait() == 0
        except KeyboardInterrupt:
            self.end()
            raise
        seconds = time.monotonic() - self._started
        print(f"── {self.stage.name}: {'passed' if passed else 'FAILED'} in {seconds:.1f} s", flush=True)
        return passed


def run(stage: Stage) -> bool:
    """Run a stage with its output in plain sight; return whether it passed."""
    print(f"\n── {stage.name}", flush=True)
    return Running(stage).passed()


@contextmanager
def beside(stage: Stage) -> Iterator[tuple[Running, IO[bytes]]]:
    """A stage that has begun, and what it prints; on the way out, an interrupt included, it is waited for."""
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
    """Print what it has printed so far, then the rest as it comes; return whether it passed."""
    print(f"\n── {running.stage.name}", flush=True)
    ended = False
    while not ended:
        ended = running.process.poll() is not None  # before the look: nothing is printed after the last one
        shutil.copyfileobj(printed, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        time.sleep(0 if ended else LOOK_SECONDS)
    return running.passed()


def main() -> None:
    """Run all the stages, so that one run tells everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--static", action="store_true", help="only the checks that start nothing")
    only.add_argument("--tests", action="store_true", help="only the tests")
    given = parser.parse_args()
    if given.static or given.tests:
        failed = [stage.name for stage in (STATIC if given.static else (TESTS,)) if not run(stage)]
    else:
        with beside(TESTS) as (tests, printed):
            failed = [stage.name for stage in STATIC if not run(stage)]
            if not show(tests, printed):
                failed.append(TESTS.name)
    if failed:
        sys.exit(f"\nfailed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
