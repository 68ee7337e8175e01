"""Run every check and print the duration of each stage; fail when any stage fails."""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Stage:
    """A check: its name, and a command that exits with an error when the check fails."""

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
# Two workers for each processor, because many tests wait for brokers, stores and processes.
WORKERS = min(6, 2 * (os.cpu_count() or 1))
TESTS = (
    Stage(
        "unit, service and journey tests",
        (f"{BIN}/pytest", f"--numprocesses={WORKERS}", "--no-loadscope-reorder"),
    ),
)


def run(stage: Stage) -> bool:
    """Run a stage with its output on the terminal; return whether it passed."""
    print(f"\n── {stage.name}", flush=True)
    started = time.monotonic()
    passed = subprocess.run(stage.command, cwd=ROOT, check=False).returncode == 0  # noqa: S603  our own table
    print(
        f"── {stage.name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.1f} s",
        flush=True,
    )
    return passed


def main() -> None:
    """Run all stages in order, also after a failure, so that one run reports every problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--static", action="store_true", help="only the checks that start nothing")
    stages = STATIC if parser.parse_args().static else STATIC + TESTS
    failed = [stage.name for stage in stages if not run(stage)]
    if failed:
        sys.exit(f"\nfailed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
