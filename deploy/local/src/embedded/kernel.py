"""Information on processes from /proc."""

import contextlib
import os
from pathlib import Path


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on; empty when there is no such process."""
    try:
        # The name before the state may contain blanks and parentheses.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    return bool(start_time(pid))


def start_time(pid: int) -> str:
    """Return the start of the process in ticks since boot; empty when it does not run.

    Process ids are reused: an id and a start time together identify a process.
    """
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # reap the process if it is an ended child of ours
    fields = stat(pid)
    return "" if not fields or fields[0] == "Z" else fields[19]
