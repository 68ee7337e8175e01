"""Ends what a test run has started, once the process that leads the run has ended, in whatever way.

    python -I keeper.py FOLDER

Standard input is a pipe that only the leading process holds open: its end is the end of that process. A process belongs
to the run if its environment names the run's folder (`run.VARIABLE`), or the folder of a stack below one of the lines
in `FOLDER/roots`. They are killed: nobody needs what they hold. The folder is removed.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LIMIT_SECONDS = 10.0
_OF_A_STACK = b"DIWAN_STACK_FOLDER="


def processes(folder: Path) -> Iterator[int]:
    """Ids of the living processes of the run in that folder."""
    roots = folder / "roots"
    lines = roots.read_bytes().split(b"\n") if roots.exists() else []
    mark = b"DIWAN_TEST_RUN=" + bytes(folder)
    stacks = tuple(_OF_A_STACK + line for line in lines if line)
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if mark in variables or (stacks and any(each.startswith(stacks) for each in variables)):
                yield pid


def end(folder: Path) -> None:
    """Kill the run's processes, those included that another of them starts meanwhile, and remove its folder."""
    give_up = time.monotonic() + LIMIT_SECONDS
    while (found := list(processes(folder))) and time.monotonic() < give_up:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(Path(sys.argv[1]))
