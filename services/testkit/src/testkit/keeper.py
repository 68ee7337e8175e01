"""End all processes of a test run once its leading process has ended for any reason.

    python -I keeper.py FOLDER

Standard input is a pipe that only the leading process keeps open, so its end is the end of that process. A process
belongs to the run if its environment contains the run's folder (`run.VARIABLE`), or the folder of a stack below one of
the lines in `FOLDER/roots`. All these processes are killed, because their data is not needed any more. Then the folder
is removed.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from embedded import kernel

LIMIT_SECONDS = 10.0
_OF_A_STACK = b"DIWAN_STACK_FOLDER="


def processes(folder: Path) -> Iterator[int]:
    """Ids of the running processes of the run with this folder."""
    roots = folder / "roots"
    lines = roots.read_bytes().split(b"\n") if roots.exists() else []
    mark = b"DIWAN_TEST_RUN=" + bytes(folder)
    stacks = tuple(_OF_A_STACK + line for line in lines if line)
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        variables = kernel.environment(pid)
        if mark in variables or (stacks and any(entry.startswith(stacks) for entry in variables)):
            yield pid


def end(folder: Path) -> None:
    """Kill the run's processes, including those that they start meanwhile, and remove its folder."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (pids := list(processes(folder))) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(Path(sys.argv[1]))
